/*
 * option_type - an option, and what a kind of value can do.
 *
 * A value is the field of an option in its struct, or one entry of a list.
 */
#pragma once

#include "config/types.h"

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

struct option {
	const char *key;
	enum option_section section;
	const struct option_type *type;
	size_t offset; /* of the field in the section's struct */
	int64_t min, max;
	bool or_zero;		  /* 0 is allowed although it is below min */
	bool or_none;		  /* as may_unset of the type */
	const char *const *words; /* NULL-terminated: the allowed words, whose index is the value;
				   * of a number, those that may stand in its place */
	const char *fallback;	  /* the default, parsed like user input; NULL: not set, or empty */
	const char *variable;	  /* "WORKER_COUNT": takes the place of the default */
	enum option_apply apply;
};

/* What is to be parsed, and with what. */
struct option_input {
	const struct option *opt;
	const struct conf_facts *facts;
	const char *number; /* behind the dot of the key, NULL without */
	char *const *word;  /* NULL-terminated, at least one: those that make one value */
	struct strbuf *why; /* the reason when it is refused, such as: "x" is not a number */
};

/* What a value has allocated. */
enum option_owns {
	OWNS_NOTHING,
	OWNS_TEXT,  /* char *, may be NULL */
	OWNS_WORDS, /* char **, see words.h */
};

struct option_type {
	const char *allowed; /* as text, behind what the option's limits and words say; or NULL */
	size_t size;	     /* of a value */
	size_t plain;	     /* bytes at its start that are the same where values are equal */
	enum option_owns owns;
	size_t owned;	/* the offset of what it owns, which counts in a comparison too */
	bool list;	/* a key may be repeated; each word is an entry */
	bool one_entry; /* of a list: the words of a line are one entry together */
	bool may_unset; /* an empty value is allowed and means all zero; so it is of a list */
	bool command;	/* split as a command, see words.h; all words are one value */
	bool numbered;	/* a list whose keys contain a slot number: wrap.1 */

	/*
	 * Writes *@ret, which is all zero. 0, -EINVAL or -ENOMEM; on failure *@ret holds
	 * nothing to free.
	 */
	int (*parse)(const struct option_input *in, void *ret);
	void (*format)(const struct option *opt, const void *value, struct strbuf *out);

	/* For a list with named entries: the variable, or the slot of the wrapper. */
	bool (*same_name)(const void *a, const void *b);
	void (*add_name)(const void *value, struct strbuf *out); /* to the key: ".1" */

	/* Of a number: how text and number become each other, see units.h. */
	const char *noun; /* "duration" */
	const struct unit *units;
	const char *unit; /* for the example in a message */
	int64_t scale;	  /* the value times this is what the text says */
};

/* Declares an option type, and the C type of the fields that it writes. */
#define OPTION_TYPE(name, ctype)                                                                   \
	extern const struct option_type type_##name;                                               \
	typedef ctype field_of_##name

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

/* Of many words. */
OPTION_TYPE(command, char **);
OPTION_TYPE(wrap, struct conf_wrap *);		 /* a list */
OPTION_TYPE(listen, struct conf_listen *);	 /* a list */
OPTION_TYPE(ports, struct conf_port_range *);	 /* a list */
OPTION_TYPE(statuses, struct conf_port_range *); /* a list */
OPTION_TYPE(check, char **);			 /* as words: see health_probe.h */

/* How lists, and words of which one stands for a path, lie in their structs. */
struct option_list {
	void *entries; /* with a zero behind the last, as environment needs it */
	size_t n;
};

struct option_target {
	unsigned word; /* an enum; the value behind the words is the path's */
	char *path;
};

/*
 * Everything that broker.ini can say. Parser, defaults, broker --print-config, the difference of a
 * reload and the manual page all come from this table: a row added here is an option everywhere,
 * and nowhere else is one known.
 */
extern const struct option option_table[];
extern const size_t option_count;
