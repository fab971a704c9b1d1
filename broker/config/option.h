/*
 * option - one option of one section: set, read, compared, freed.
 *
 * @conf is the struct broker_conf or service_conf that the option's section goes into. How a value
 * is read and written is its type's business, see option_type.h.
 */
#pragma once

#include "config/option_type.h"

/* The options of section @of one after another, as in the table. */
#define for_each_option(opt, of)                                                                   \
	for (const struct option *opt = option_table; opt < option_table + option_count; opt++)    \
		if (opt->section == (of))

/* NULL if there is no such key. */
const struct option *option_find(enum option_section section, const char *key);

extern const char *const option_apply_names[APPLY_N]; /* "with new workers" */

/* What somebody says of an option: a line of a file, or what stands for one. */
struct option_setting {
	const struct option *option;
	const char *number; /* behind the dot of a key that has one (wrap.1), else NULL */
	const char *text;
	struct conf_origin origin;
};

/*
 * Sets the field in @conf to what the text says; adds to a list, and empties it where the text is
 * empty. 0; -EINVAL: @ret_error holds "KEY: what is wrong; what is allowed"; -ENOMEM. On failure
 * the field is untouched.
 */
int option_set(const struct option_setting *setting, const struct conf_facts *facts, void *conf,
	       struct strbuf *ret_error);

/* For values set without option_set(): @n entries from @at on, which are the last. 0 or -ENOMEM. */
int option_set_origins(const struct option *opt, void *conf, size_t at, size_t n,
		       struct conf_origin origin);

void option_clear(const struct option *opt, void *conf); /* to all zero */

bool option_equal(const struct option *opt, const void *a, const void *b);

/*
 * What a reload changes: whether @a and @b differ in an option of @section that applies as @apply
 * says, APPLY_N: in any. Adds the keys of those options to @ret_keys ("queue, listen"), in the
 * order of the table. Lines and origins do not count, nor do names of services.
 *
 * v6only shows in the addresses too: a change of it names listen as well.
 */
bool option_changes(enum option_section section, const void *a, const void *b,
		    enum option_apply apply, struct strbuf *ret_keys);

/* The value, or one entry of a list, as it can stand in a file. Empty where it is not set. */
void option_format(const struct option *opt, const void *conf, size_t entry, struct strbuf *out);

void option_add_allowed(const struct option *opt, struct strbuf *out); /* "1 to 1024, or cpus" */

/* Where the value, or one entry of a list, came from. */
struct conf_origin option_origin(const struct option *opt, const void *conf, size_t entry);

/* The same in words: "default", "FILE:3". @file: NULL where the command line is all there is. */
void option_add_origin(const struct option *opt, const void *conf, size_t entry, const char *file,
		       struct strbuf *out);

/* --- lists --------------------------------------------------------------------------- */

/* Entries of a list; 1 for what is none. */
size_t option_entries(const struct option *opt, const void *conf);

/* The key of an entry as it stands in a file; without a number where there is no such entry. */
void option_add_key(const struct option *opt, const void *conf, size_t entry, struct strbuf *out);

/*
 * All that the key of @entry stands for: all entries, with ", " between them; the one entry where
 * each has a number; of what is no list, the value. @names_only: without the values of variables.
 */
void option_format_key(const struct option *opt, const void *conf, size_t entry, bool names_only,
		       struct strbuf *out);

/*
 * The @n-th key of @opt in @a and @b together: false after the last. There is one, but with numbers
 * as many as there are numbers. Its entry in each; where it has none, one that does not exist.
 */
bool option_pair(const struct option *opt, const void *a, const void *b, size_t n, size_t *ret_a,
		 size_t *ret_b);

/*
 * Looks for two entries with one name, from *@at on, the first that is new. Against [defaults] the
 * service's own takes the place of the other. In one section that is a mistake: true, @ret_why says
 * so, and what follows is still to be looked at.
 */
bool option_settle(const struct option *opt, void *conf, size_t *at, struct strbuf *ret_why);
