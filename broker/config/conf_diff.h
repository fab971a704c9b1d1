/*
 * conf_diff - what a reload changes.
 *
 * Returns the sum of CONF_DIFF(apply) over the options that differ, 0 if none
 * does. The keys of those whose CONF_DIFF is in @named are added to @ret_keys
 * ("queue, listen"), in the order of the table. Lines and origins do not count,
 * nor do names of services.
 *
 * v6only shows in the addresses too: a change of it names listen as well.
 */
#ifndef BROKER_CONFIG_CONF_DIFF_H
#define BROKER_CONFIG_CONF_DIFF_H

#include "config/option_table.h"

#define CONF_DIFF(apply)    (1u << (apply))
#define CONF_DIFF_LIVE	    CONF_DIFF(APPLY_LIVE)
#define CONF_DIFF_WORKERS   CONF_DIFF(APPLY_WORKERS)
#define CONF_DIFF_LISTENERS CONF_DIFF(APPLY_LISTENERS)
#define CONF_DIFF_RESTART   CONF_DIFF(APPLY_RESTART)
#define CONF_DIFF_ALL	    (CONF_DIFF(APPLY_N) - 1)

unsigned service_conf_diff(const struct service_conf *a, const struct service_conf *b,
			   unsigned named, struct strbuf *ret_keys);

unsigned broker_conf_diff(const struct broker_conf *a, const struct broker_conf *b, unsigned named,
			  struct strbuf *ret_keys);

#endif
