/*
 * option_table - the one table of everything that broker.ini can say.
 *
 * Parser, defaults, broker --print-config, the difference of a reload and the
 * manual page all come from this table: a row added here is an option
 * everywhere, and nowhere else is one known.
 */
#ifndef BROKER_CONFIG_OPTION_TABLE_H
#define BROKER_CONFIG_OPTION_TABLE_H

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

struct option_type;

struct option {
	const char *key;
	enum option_section section;
	const struct option_type *type;
	size_t offset; /* of the field in the section's struct */
	int64_t min, max;
	bool or_zero;		  /* 0 is allowed although it is below min */
	const char *const *words; /* NULL-terminated: the allowed words, whose index is the value;
				   * of a number, the one word that may stand in its place */
	const char *fallback;	  /* the default, parsed like user input; "": not set, or empty */
	const char *variable;	  /* of the environment: takes the place of the default */
	enum option_apply apply;
};

extern const struct option option_table[];
extern const size_t option_count;

/* NULL if there is no such key. */
const struct option *option_find(enum option_section section, const char *key);

/*
 * The same for a key as it stands in a file, where some have a number: wrap.1. *@ret_number points
 * at the number behind the dot; NULL if there is none.
 */
const struct option *option_find_key(enum option_section section, const char *key,
				     const char **ret_number);

const char *option_apply_name(enum option_apply apply); /* "with new workers" */

#endif
