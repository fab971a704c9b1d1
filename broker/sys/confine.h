/*
 * confine - what the kernel lets a process have: limits, priority, processors, and how it is
 * scheduled. See policy/scheduling.h for when.
 */
#pragma once

#include "config/conf.h"

/*
 * Applies @p to this process, the one of @slot, before it gives up rights. 0 or -errno with @error,
 * which names the option.
 */
int confine(const struct conf_process *p, unsigned slot, struct strbuf *error);

/* Of the broker itself and its parent, process @parent; NULL: it stays. 0 or -errno with @error. */
int confine_broker(const char *oom_score, pid_t parent, struct strbuf *error);

/* What the broker was started with, if that was changed: its workers get it. */
extern char given_oom_score[16];

/*
 * Makes this process a batch process, or what it was before. 0 or -errno; -EPERM if it was started
 * with a policy of its own (chrt(1)), which is left alone. A child sets it back.
 */
int scheduler_set_batch(bool batch);

/*
 * How often this process had a processor, and how long it waited for one, since it began. False if
 * the kernel does not say.
 */
bool scheduler_read_delay(uint64_t *ret_runs, uint64_t *ret_delay_ns);
