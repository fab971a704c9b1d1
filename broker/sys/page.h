/*
 * page - the page that a channel shares with its worker (handoff_page.h).
 *
 * What is in it is the worker's word: policy/histogram.c says how much of it is believed.
 */
#pragma once

#include "base/util.h"
#include "handoff_process.h"

struct page {
	int fd; /* owned, to be given away again; -1: there is no page */
	struct handoff_page *map;
	size_t size; /* HANDOFF_PAGE_SIZE, or with a table behind it */
};

#define PAGE_INIT ((struct page){ .fd = -1 })

/*
 * Makes a page, all zero, with a table of @processes (handoff_process.h; 0: without one), of a size
 * that nobody can change any more: reading it never fails. 0 or -errno, with *@ret untouched.
 */
int page_open(struct page *ret, unsigned processes);
void page_close(struct page *p); /* without a page nothing happens */

/* The counters as they are now. All zero without a page. */
void page_read(const struct page *p, struct handoff_page *ret);

/* Whether the app wants its connections with O_NONBLOCK, as far as it has said. */
static inline bool page_wants_nonblock(const struct page *p)
{
	return p->map && __atomic_load_n(&p->map->wants_nonblock, __ATOMIC_RELAXED) != 0;
}

/* How busy the worker is, and whether it wants no more, as far as it has said. */
static inline uint32_t page_load(const struct page *p)
{
	return p->map ? __atomic_load_n(&p->map->load, __ATOMIC_RELAXED) : 0;
}

static inline bool page_leaves(const struct page *p)
{
	return p->map && __atomic_load_n(&p->map->leaving, __ATOMIC_ACQUIRE) != 0;
}

static inline void page_set_draining(struct page *p, bool draining)
{
	if (p->map)
		__atomic_store_n(&p->map->draining, draining, __ATOMIC_RELEASE);
}

/* Our copies of all connections up to @number are closed. */
static inline void page_set_closed(struct page *p, uint64_t number)
{
	if (p->map)
		__atomic_store_n(&p->map->closed, number, __ATOMIC_RELEASE);
}
