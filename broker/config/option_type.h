/*
 * option_type - what a kind of value can do. Private to option*.c.
 *
 * A value is the field of an option in its struct, or one entry of a list. The
 * table checks at compile time that the field has the C type that its option
 * type writes.
 */
#ifndef BROKER_CONFIG_OPTION_TYPE_H
#define BROKER_CONFIG_OPTION_TYPE_H

#include "config/option_table.h"

/* What is to be parsed, and with what. */
struct option_input {
	const struct option *opt;
	const struct conf_facts *facts;
	const char *number; /* behind the dot of the key, NULL without */
	char *const *word;  /* NULL-terminated, at least one: those that make one value */
	struct strbuf *why; /* the reason when it is refused, such as: "x" is not a number */
};

struct option_type {
	const char *name;
	const char *allowed; /* as text, behind what the option's limits and words say */
	size_t size;	     /* of a value */
	bool list;	     /* a key may be repeated; each word is an entry */
	bool one_entry;	     /* of a list: the words of a line are one entry together */
	bool may_unset;	     /* an empty value is allowed, and leaves the field all zero */
	bool command;	     /* split as a command, see words.h; all words are one value */
	bool numbered;	     /* a list whose keys have the number of a slot: wrap.1 */

	/*
	 * Writes *@ret, which is all zero. 0, -EINVAL or -ENOMEM; on failure *@ret holds
	 * nothing to free.
	 */
	int (*parse)(const struct option_input *in, void *ret);
	void (*format)(const struct option *opt, const void *value, struct strbuf *out);
	bool (*equal)(const void *a, const void *b); /* NULL: all bytes are */
	void (*free)(void *value);		     /* NULL: nothing to free */

	/* Of a list whose entries have names: a variable, the slot of a wrapper. */
	bool (*same_name)(const void *a, const void *b);
	void (*add_name)(const void *value, struct strbuf *out); /* to the key: ".1" */

	/* Of a number: how text and number become each other, see units.h. */
	int (*parse_number)(const char *text, int64_t *ret);
	void (*add_number)(struct strbuf *out, int64_t number);
	const char *unit; /* for the example in a message */
	int64_t scale;	  /* the value times this is what the text says */
};

/* How lists, and words of which one stands for a path, lie in their structs. */
struct option_list {
	void *entries; /* and behind the last a zero, for those that read environment */
	size_t n;
};

struct option_target {
	unsigned word; /* an enum; the value behind the words is the path's */
	char *path;
};

/* Adds: "word" reason. Returns -EINVAL. */
int option_refuse(const struct option_input *in, const char *word, const char *fmt, ...)
	PRINTF(3, 4);

#endif
