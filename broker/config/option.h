/*
 * option - one option of one section: set, read, compared, freed.
 *
 * @conf is the struct broker_conf or service_conf that the option's section
 * goes into. How a value is read and written is its type's business, see
 * option_type.h; everything that holds for values of any type is here.
 */
#pragma once

#include "config/option_table.h"

/*
 * Sets the field of @opt in @conf to what @text says; adds to it where it is a
 * list, and empties the list where @text is empty. @number: of a key that has
 * one (see option_find_key), else NULL. 0; -EINVAL: @ret_error holds "KEY: what
 * is wrong; what is allowed"; -ENOMEM. On failure the field is untouched.
 */
int option_set(const struct option *opt, const char *number, const char *text, size_t len,
	       const struct conf_facts *facts, void *conf, struct strbuf *ret_error);

/* Frees what the field holds and leaves it all zero. */
void option_clear(const struct option *opt, void *conf);

bool option_equal(const struct option *opt, const void *a, const void *b);

/* The value, or one entry of a list, as it can stand in a file. Empty where it is not set. */
void option_format(const struct option *opt, const void *conf, size_t entry, struct strbuf *out);

void option_add_allowed(const struct option *opt, struct strbuf *out); /* "1 to 1024, or cpus" */

/* --- lists --------------------------------------------------------------------------- */

/* All entries, with ", " between them; of what is no list, the value. */
void option_format_all(const struct option *opt, const void *conf, struct strbuf *out);

bool option_is_list(const struct option *opt);

/* Whether keys of @opt, a list, have a number each: wrap.1. */
bool option_is_numbered(const struct option *opt);

/* Entries of a list; 1 for what is none. */
size_t option_entries(const struct option *opt, const void *conf);

/* The key of an entry as it stands in a file; entry 0 of an empty list has no number. */
void option_add_key(const struct option *opt, const void *conf, size_t entry, struct strbuf *out);

/*
 * The first entry of @other that has the name of @entry of @conf (a variable, or the slot of a
 * wrapper); as many as @other has: none has, or entries of @opt have no names.
 */
size_t option_find_same(const struct option *opt, const void *conf, size_t entry,
			const void *other);

/* What a message calls an entry: "wrap.1", "environment: PATH". */
void option_add_entry_name(const struct option *opt, const void *conf, size_t entry,
			   struct strbuf *out);

/* Frees one entry; those behind it move up. */
void option_remove(const struct option *opt, void *conf, size_t entry);
