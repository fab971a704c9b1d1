/*
 * fill - the right number of workers: what is missing is started, as far as back-off and rollout
 * allow. The ends of workers that nobody had asked for are counted by reason, and the last of each
 * slot is remembered in words, as somebody will want to know why it is down.
 */
#pragma once

#include "service/types.h"

/*
 * With `wait = yes` the next worker is started when a client comes. While none runs, the listeners
 * are armed, and nothing is accepted: that they are readable starts the next. See policy/demand.h.
 */
void service_fill(struct service *s);

void service_wanted(struct dispatch *d); /* dispatch::wanted */

/* @w, of a service with `wait = yes`, has left its slot: as it should. */
bool service_ended_well(const struct worker *w);

/* Whether the descriptor limit is enough for @conf. 0; -EMFILE, or -errno, with @error. */
int descriptors_check(const struct conf *conf, struct strbuf *error);

/* @n workers from now on, until a reload or rollback. 0; -errno with @error and nothing changed. */
int service_set_workers(struct service *s, unsigned n, struct strbuf *error);

/* @w left its slot unasked: counts, remembers, and backs off. @starting: it has not served. */
void service_note_failure(struct worker *w, bool starting);

/* The last trouble of a slot. NULL: none, or its worker has served for backoff_reset since. */
const struct slot_trouble *service_trouble(const struct service *s, unsigned slot);

/*
 * @w, of the rollout under way, has failed: @how completes "web.0 of generation 2". It is aborted
 * when the service settles; the reason and the worker's last words are kept for its report.
 */
void service_fail_rollout(struct worker *w, const char *how);
