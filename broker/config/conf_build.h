/*
 * conf_build - the steps of building a struct conf. Private to conf*.c.
 *
 * Functions return 0 or -ENOMEM. A bad value is no failure of a step: it goes
 * to the errors, so that all of them are found, and the caller looks there.
 */
#ifndef BROKER_CONFIG_CONF_BUILD_H
#define BROKER_CONFIG_CONF_BUILD_H

#include "config/conf_read.h"
#include "config/origin.h"

/* conf.c: @file NULL: command line. The services have room, but are none yet. */
int conf_new(const char *file, size_t n_services, struct conf **ret);
int service_conf_new(const char *name, unsigned line, struct service_conf **ret);

struct conf_builder {
	const struct conf_facts *facts;
	struct conf_errors *errors;
};

/* One struct that is being filled. */
struct conf_target {
	enum option_section options;
	void *conf; /* struct broker_conf or service_conf, all zero */
	struct conf_origin **origins;
	size_t *n_origins;
	bool clean; /* every value that was given is good */
};

/*
 * Fills a whole struct. @own and @defaults may be NULL. A single value has the
 * default first, so that a bad one leaves a good one in its place and the
 * checks that follow see no nonsense. A list has that of [defaults] first, and
 * the section's own is added to it.
 */
int conf_fill(struct conf_builder *b, struct conf_target *target, const struct conf_section *own,
	      enum origin_kind own_kind, const struct conf_section *defaults);

/*
 * Remembers where the value of @option, or what was added to a list that had
 * @before entries, came from.
 */
int conf_note_origin(struct conf_target *target, const struct option *option, size_t before,
		     enum origin_kind kind, unsigned line);

#endif
