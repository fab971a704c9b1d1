/*
 * conf_plan - what a reload would do: one row for each key that changes, and
 * one for each service that comes, goes, or has its workers replaced.
 *
 * Pure: two configurations in, rows out. Whether an address can be bound it cannot know.
 */
#pragma once

#include "config/types.h"

struct conf_change {
	const char *section; /* "broker", "service:web" */
	const char *key;     /* "queue", "wrap.1"; NULL: the section as a whole */
	const char *from;    /* as in a file, entries of a list joined by ", "; NULL with @key */
	const char *to;
	const char *applies; /* option_apply_names; NULL with @key */
	const char *action;  /* in words: "2 workers are started" */
};

/* @change and its texts live during the call only. */
typedef void conf_plan_fn(void *arg, const struct conf_change *change);

/*
 * What a reload from @from to @to does. In this order: [broker], then the services of @to as they
 * stand there, then those that are gone; keys as in the table of options. @started: [broker] as
 * it was when the broker started, for the options that no reload has changed since. @only: the
 * name of the one service that is reloaded, NULL: all.
 */
void conf_plan(const struct conf *from, const struct broker_conf *started, const struct conf *to,
	       const char *only, conf_plan_fn *fn, void *arg);
