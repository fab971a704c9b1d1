/*
 * option - the one table of everything that broker.ini can say.
 *
 * Parser, defaults, broker --print-config, the difference of a reload and the
 * check of the manual page all walk this table: a row added here is an option
 * everywhere, and nowhere else is one known.
 */
#ifndef BROKER_CONFIG_OPTION_H
#define BROKER_CONFIG_OPTION_H

#include "config/conf.h"

enum option_section {
	OPTION_BROKER,	/* [broker]: a field of struct broker_conf */
	OPTION_SERVICE, /* [service:NAME] and [defaults]: a field of struct service_conf */
};

/* What must be new before a change is in force. */
enum option_apply {
	APPLY_LIVE,	 /* nothing */
	APPLY_WORKERS,	 /* the workers: in force as they are replaced */
	APPLY_LISTENERS, /* the listening sockets */
	APPLY_RESTART,	 /* the broker */
	APPLY_N
};

struct option_type;

struct option {
	const char *key;
	enum option_section section;
	const struct option_type *type;
	size_t offset; /* of the field in the section's struct */
	size_t also;   /* of its companion: a list's count, the path of an output */
	int64_t min, max;
	bool or_zero;		  /* 0 is allowed although it is below min */
	const char *const *words; /* allowed words, NULL-terminated; the index is the value */
	const char *fallback;	  /* the default, parsed like user input; "": not set, or empty */
	const char *variable;	  /* of the environment: takes the place of the default */
	enum option_apply apply;
	const char *help; /* one line, no full stop */
};

extern const struct option option_table[];
extern const size_t option_count;

/* NULL if there is no such key. */
const struct option *option_find(enum option_section section, const char *key);

/*
 * The same for a key as it stands in a file, where some have a number: wrap.1. *@ret_number points
 * at that, behind the dot; NULL if there is none.
 */
const struct option *option_find_key(enum option_section section, const char *key,
				     const char **ret_number);

/* Whether keys of @opt have a number each. */
bool option_is_numbered(const struct option *opt);

/* The key of an entry as it stands in a file; entry 0 of an empty list has no number. */
void option_add_key(const struct option *opt, const void *conf, size_t entry, struct strbuf *out);

/* The entry of @other that has the number of @entry of @conf; as many as @other has: none has. */
size_t option_find_same(const struct option *opt, const void *conf, size_t entry,
			const void *other);

/*
 * Sets the field of @opt in @conf (a struct broker_conf or service_conf) to what
 * @text says; adds to it where it is a list, and empties the list where @text is
 * empty. 0; -EINVAL: @ret_error holds "KEY: what is wrong; what is allowed";
 * -ENOMEM. On failure the field is untouched.
 */
int option_set(const struct option *opt, const char *text, size_t len,
	       const struct conf_facts *facts, void *conf, struct strbuf *ret_error);

/* The same for a key with a number (see option_find_key), which may be NULL. */
int option_set_numbered(const struct option *opt, const char *number, const char *text, size_t len,
			const struct conf_facts *facts, void *conf, struct strbuf *ret_error);

/* Frees what the field holds and leaves it all zero. */
void option_clear(const struct option *opt, void *conf);

bool option_is_list(const struct option *opt);

/* Entries of a list; 1 for what is none. */
size_t option_entries(const struct option *opt, const void *conf);

/* The value, or one entry of a list, as it can stand in a file. Empty where it is not set. */
void option_format(const struct option *opt, const void *conf, size_t entry, struct strbuf *out);

bool option_equal(const struct option *opt, const void *a, const void *b);

void option_add_type(const struct option *opt, struct strbuf *out);    /* "duration" */
void option_add_allowed(const struct option *opt, struct strbuf *out); /* "1 to 1024, or cpus" */
const char *option_apply_name(enum option_apply apply);		       /* "with new workers" */

/*
 * The table for programs: a line for each option, its fields separated by tabs:
 * section ("broker" or "service"), key, type, allowed, default, apply, help.
 */
void option_print_table(struct strbuf *out);
#define OPTION_TABLE_BYTES (16 * 1024) /* an @out of this size is never cut */

#endif
