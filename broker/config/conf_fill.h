/*
 * conf_fill - from the settings of its sections to one struct broker_conf or service_conf.
 */
#pragma once

#include "config/conf_read.h"

struct conf_builder {
	const struct conf_facts *facts;
	struct conf_errors *errors;
	bool clean; /* every value that was given to the last conf_fill() is good */
};

/*
 * Fills @conf, which is new. @own and @defaults may be NULL. A single value has
 * the default first, so that a bad one leaves a good one in its place and the
 * checks that follow see no nonsense. A list has that of [defaults] first, and
 * the section's own is added to it. 0 or -ENOMEM: a bad value is no failure of
 * a step, it goes to the errors, so that all of them are found.
 */
int conf_fill(struct conf_builder *b, enum option_section options, void *conf,
	      const struct conf_section *own, enum origin_kind own_kind,
	      const struct conf_section *defaults);
