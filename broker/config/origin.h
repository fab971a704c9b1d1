/*
 * origin - where the value of an option came from.
 *
 * A struct service_conf or broker_conf has one record for each value, and for
 * a list one for each entry, in the order of the entries. A list that is empty
 * has one record. The records of one option stand together.
 */
#ifndef BROKER_CONFIG_ORIGIN_H
#define BROKER_CONFIG_ORIGIN_H

#include "base/util.h"

struct option;

enum origin_kind {
	ORIGIN_DEFAULT,	    /* the table's */
	ORIGIN_FILE,	    /* the section itself */
	ORIGIN_DEFAULTS,    /* [defaults] */
	ORIGIN_ENVIRONMENT, /* the option's variable, see option.h */
	ORIGIN_COMMAND_LINE,
};

struct conf_origin {
	const struct option *option;
	enum origin_kind kind;
	unsigned line; /* with FILE and DEFAULTS */
};

/* The record of entry @entry (0 where it is no list), NULL if there is none. */
const struct conf_origin *origin_find(const struct conf_origin *origins, size_t n,
				      const struct option *option, size_t entry);

/* The line that set it; 0 if no line did. */
unsigned origin_line(const struct conf_origin *origins, size_t n, const struct option *option,
		     size_t entry);

/* Appends one record. 0 or -ENOMEM. */
int origin_add(struct conf_origin **origins, size_t *n, const struct conf_origin *add);

/* Forgets entry @entry of @option; those behind it move up by one. */
void origin_remove(struct conf_origin *origins, size_t *n, const struct option *option,
		   size_t entry);

/* Forgets all of @option. */
void origin_clear(struct conf_origin *origins, size_t *n, const struct option *option);

#endif
