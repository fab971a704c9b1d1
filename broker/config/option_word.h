/*
 * option_word - the option types whose value is one word: a number, yes or no, a signal, a word of
 * a table, a name, a path, an address. And the environment, a list of such words.
 */
#pragma once

#include "config/option_type.h"

extern const struct option_type type_count;   /* unsigned; a word of the option, too */
extern const struct option_type type_size;    /* unsigned, bytes */
extern const struct option_type type_ms;      /* int64_t */
extern const struct option_type type_seconds; /* unsigned */
extern const struct option_type type_word;    /* an enum */
extern const struct option_type type_bool;    /* bool */
extern const struct option_type type_signal;  /* int */
extern const struct option_type type_name;    /* char *: a user or group */
extern const struct option_type type_path;    /* char * */
extern const struct option_type type_target;  /* struct option_target */
extern const struct option_type type_serve;   /* struct conf_serve */

extern const struct option_type type_environment; /* a list of char * */
