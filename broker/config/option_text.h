/*
 * option_text - the option types whose value is one word: yes or no, a signal, one of a table, a
 * name, a path, an address.
 */
#pragma once

#include "config/option_type.h"

extern const struct option_type type_word;   /* an enum */
extern const struct option_type type_bool;   /* bool */
extern const struct option_type type_signal; /* int */
extern const struct option_type type_name;   /* char *: a user or group */
extern const struct option_type type_path;   /* char * */
extern const struct option_type type_target; /* struct option_target */
extern const struct option_type type_serve;  /* struct conf_serve */

extern const struct option_type type_environment; /* a list of char * */
