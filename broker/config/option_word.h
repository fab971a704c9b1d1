/*
 * option_word - the option types whose value is one word: a number, yes or no, a signal, a word of
 * a table, a name, a path, an address. And the environment, a list of such words.
 */
#pragma once

#include "config/option_type.h"

OPTION_TYPE(count, unsigned); /* a word of the option, too */
OPTION_TYPE(size, unsigned);  /* bytes */
OPTION_TYPE(ms, int64_t);
OPTION_TYPE(seconds, unsigned);
OPTION_TYPE(word, unsigned); /* an enum, which gcc and clang make unsigned */
OPTION_TYPE(bool, bool);
OPTION_TYPE(signal, int);
OPTION_TYPE(name, char *); /* a user or group */
OPTION_TYPE(path, char *);
OPTION_TYPE(limit, char *); /* this and the next four: texts, see units.h */
OPTION_TYPE(integer, char *);
OPTION_TYPE(octal, char *);
OPTION_TYPE(clock, char *);
OPTION_TYPE(cpus, char *);
OPTION_TYPE(target, unsigned); /* an enum, as the first of a struct option_target */
OPTION_TYPE(serve, struct conf_serve);
OPTION_TYPE(environment, char **); /* a list */
