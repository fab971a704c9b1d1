/*
 * scheduler - how the kernel's scheduler treats this process. See policy/scheduling.h for when.
 */
#pragma once

#include "base/util.h"

/*
 * Makes this process a batch process, or what it was before. 0 or -errno; -EPERM if it was started
 * with a policy of its own (chrt(1)), which is left alone.
 */
int scheduler_set_batch(bool batch);

/* In a child: it is what the broker was when it was started. */
void scheduler_reset(void);

/*
 * How often this process had a processor, and how long it waited for one, since it began. False if
 * the kernel does not say.
 */
bool scheduler_read_delay(uint64_t *ret_runs, uint64_t *ret_delay_ns);
