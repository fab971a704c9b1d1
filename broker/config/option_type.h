/*
 * option_type - what a kind of value can do. Private to option*.c.
 *
 * A field is reached through its option: field_of(opt, conf), and also_of()
 * for the companion. The table checks at compile time that the field has the
 * C type that its option type writes.
 */
#ifndef BROKER_CONFIG_OPTION_TYPE_H
#define BROKER_CONFIG_OPTION_TYPE_H

#include "config/option.h"

struct option_type {
	const char *name;
	bool list;	/* a key may be repeated; each word of a value is an entry */
	bool one_entry; /* of a list: the words of a value are one entry together */
	bool may_unset; /* an empty value is allowed, and leaves the field all zero */
	bool command;	/* split as a command, see words.h */
	bool one_word;
	bool numbered; /* a list whose keys have the number of a slot: wrap.1 */

	/*
	 * @word has @n of them, at least one (exactly one with one_word). Same results as
	 * option_set, but @why is only the reason, such as: "x" is not a number
	 */
	int (*parse)(const struct option *opt, char *const *word, size_t n,
		     const struct conf_facts *facts, void *conf, struct strbuf *why);
	/* With numbered, instead: @number as it stands behind the dot of the key, NULL without. */
	int (*parse_numbered)(const struct option *opt, const char *number, char *const *word,
			      void *conf, struct strbuf *why);
	unsigned (*number)(const struct option *opt, const void *conf, size_t entry);
	void (*format)(const struct option *opt, const void *conf, size_t entry,
		       struct strbuf *out);
	void (*allowed)(const struct option *opt, struct strbuf *out);
	bool (*equal)(const struct option *opt, const void *a, const void *b);
	void (*clear)(const struct option *opt, void *conf);	       /* NULL: nothing to free */
	size_t (*entries)(const struct option *opt, const void *conf); /* with list */
	size_t size; /* of the field: what clear writes zeros over */
};

/* option_number.c */
extern const struct option_type type_count;   /* unsigned */
extern const struct option_type type_workers; /* unsigned; "cpus" */
extern const struct option_type type_surge;   /* unsigned; "all" is UINT_MAX */
extern const struct option_type type_size;    /* unsigned, bytes */
extern const struct option_type type_ms;      /* int64_t */
extern const struct option_type type_seconds; /* unsigned */

/* option_word.c */
extern const struct option_type type_word;   /* an enum */
extern const struct option_type type_bool;   /* bool */
extern const struct option_type type_signal; /* int */

/* option_text.c */
extern const struct option_type type_name;   /* char *: a user or group */
extern const struct option_type type_path;   /* char * */
extern const struct option_type type_target; /* an enum; the value behind its words has a path */
extern const struct option_type type_serve;  /* struct conf_serve */

/* option_command.c */
extern const struct option_type type_command;	  /* char ** */
extern const struct option_type type_environment; /* char ** */
extern const struct option_type type_wrap;	  /* struct conf_wrap *, size_t */

/* option_list.c */
extern const struct option_type type_listen; /* struct conf_listen *, size_t */
extern const struct option_type type_ports;  /* struct conf_port_range *, size_t */

static inline void *field_of(const struct option *opt, void *conf)
{
	return (char *)conf + opt->offset;
}

static inline const void *field_in(const struct option *opt, const void *conf)
{
	return (const char *)conf + opt->offset;
}

static inline void *also_of(const struct option *opt, void *conf)
{
	return (char *)conf + opt->also;
}

static inline const void *also_in(const struct option *opt, const void *conf)
{
	return (const char *)conf + opt->also;
}

/* Adds: "word" reason. Returns -EINVAL. */
int option_refuse(struct strbuf *why, const char *word, const char *reason);

/* Shared by the types whose words are in a table. */
unsigned option_word(const struct option *opt, const void *conf); /* the field: an index */
int option_find_word(const struct option *opt, const char *word); /* its index, or -1 */
void option_add_words(const struct option *opt, struct strbuf *out);
void option_add_did_you_mean(const struct option *opt, const char *word, struct strbuf *out);

#endif
