/*
 * conf_source - what a configuration was read from, as bytes.
 */
#pragma once

#include "config/types.h"

/* @file NULL: it comes from the command line, and @text says nothing. NULL: no memory. */
struct conf_source *conf_source_new(const char *file, const char *text, size_t len,
				    const struct conf_facts *facts);
struct conf_source *conf_source_ref(struct conf_source *s);
void conf_source_unref(struct conf_source *s); /* NULL is fine */

/* The opposite: all point into @bytes. False: they are not of this form. */
bool conf_source_read(const char *bytes, size_t len, const char **ret_file, const char **ret_text,
		      size_t *ret_len, struct conf_facts *ret_facts);

/* The next of the terminated texts from *@at on, which goes behind it; NULL: there is none. */
const char *conf_source_next(const char **at, const char *end);
