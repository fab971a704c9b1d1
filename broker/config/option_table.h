/*
 * option_table - the one table of everything that broker.ini can say.
 *
 * Parser, defaults, broker --print-config, the difference of a reload and the
 * manual page all come from this table: a row added here is an option
 * everywhere, and nowhere else is one known.
 */
#pragma once

#include "config/option_type.h"

extern const struct option option_table[];
extern const size_t option_count;

/* The options of @section one after another, as in the table: the first with @opt NULL. */
const struct option *option_next(enum option_section section, const struct option *opt);

#define for_each_option(opt, section)                                                              \
	for (opt = option_next(section, NULL); opt; opt = option_next(section, opt))

/* NULL if there is no such key. */
const struct option *option_find(enum option_section section, const char *key);

/*
 * The same for a key as it stands in a file, where some have a number: wrap.1. *@ret_number points
 * at the number behind the dot; NULL if there is none.
 */
const struct option *option_find_key(enum option_section section, const char *key,
				     const char **ret_number);

const char *option_apply_name(enum option_apply apply); /* "with new workers" */
