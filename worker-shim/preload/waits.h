/*
 * waits.h - tells the broker how long connections waited, if it has asked by sending a page.
 */
#pragma once

#include "table.h"

#include <time.h>

/*
 * Counts for @slot in the page @fd from now on, or no more if it is -1 or no such page. @fd
 * stays the caller's. Never fails: what cannot be counted is not.
 */
void waits_map(struct slot *slot, int fd);

/* In accept(): one clock read (in the vdso) and two atomic additions, or one load without a page.
 */
static inline void waits_count(struct slot *slot, uint64_t accept_ns)
{
	struct handoff_page *page = atomic_load_explicit(&slot->page, memory_order_acquire);
	struct timespec now;
	uint64_t now_ns;

	if (!page || clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		return;
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	handoff_page_add(page, now_ns > accept_ns ? now_ns - accept_ns : 0);
}
