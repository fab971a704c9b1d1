/*
 * trouble - the ends of workers that nobody had asked for: counted by reason, and the last of each
 * slot remembered in words, as somebody will want to know why it is down.
 */
#pragma once

#include "service/types.h"

/* @w has left its slot unasked, and will be replaced: counts it and remembers how it ended. */
void service_note_end(struct worker *w, bool starting);

/* The same for a worker that could not be started at all. */
void service_note_no_start(struct service *s, unsigned slot);

/*
 * The last trouble of a slot, for people. NULL: none, or it is over, as the present worker has
 * served for backoff_reset.
 */
const struct slot_trouble *service_trouble(const struct service *s, unsigned slot);
void service_free_troubles(struct service *s);

/*
 * @w, which the rollout under way has started, has failed: @how completes "web.0 of generation 2".
 * The rollout is aborted when the service settles. The reason and the worker's last words are kept
 * for its report.
 */
void service_fail_rollout(struct worker *w, const char *how);
