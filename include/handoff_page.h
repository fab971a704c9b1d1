/*
 * handoff_page.h - one page that a worker shares with the broker, for each channel.
 *
 * What only one of them knows and the other needs for each connection is here, in memory: no
 * message, no system call, no lock.
 *
 * The page is a memfd of HANDOFF_PAGE_SIZE bytes, sealed against any change of its size, and comes
 * as the third descriptor of a WELCOME. A worker that does not know it closes it; a broker may send
 * none. All processes that share a channel share its page. Numbers are in host byte order, and are
 * read and written with atomic instructions.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HANDOFF_PAGE_SIZE    4096
#define HANDOFF_PAGE_BUCKETS 32

/*
 * @count[i] counts the connections that waited at most 2^i microseconds and were too slow for
 * the bucket before it; the last bucket has no upper bound. A wait begins at CONN's accept_ns and
 * ends when the worker has received the connection, both by CLOCK_MONOTONIC.
 */
struct handoff_page {
	/* The worker's: it only ever adds. */
	uint64_t count[HANDOFF_PAGE_BUCKETS];
	uint64_t sum_ns; /* of all waits */
	/* 1: the last accept asked for SOCK_NONBLOCK. A hint: CONN says what the broker did. */
	uint32_t wants_nonblock;
	/* These two are read from workers of HANDOFF_BACKEND_NATIVE only. */
	uint32_t load;	    /* in units of a connection; 0: it does not say */
	uint32_t leaving;   /* 1: it wants no more */
	uint32_t accepting; /* threads that are in an accept, about: a killed one stays */
	uint32_t reserved[10];
	/*
	 * The broker's, on a cache line of its own: it has closed its copies of all connections
	 * of this channel up to this CONN.number. Until then the app's close() is not the last: see
	 * worker-shim/preload/table.h.
	 */
	uint64_t closed;
	uint32_t draining; /* 1: no more come, and the worker is to finish what it has */
};

static_assert(offsetof(struct handoff_page, wants_nonblock) == 264, "page layout");
static_assert(offsetof(struct handoff_page, closed) == 320, "page layout");
static_assert(offsetof(struct handoff_page, draining) == 328, "page layout");
static_assert(sizeof(struct handoff_page) <= HANDOFF_PAGE_SIZE, "it is one page");

static inline uint64_t handoff_now_ns(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The bucket of a time: the first whose bound is at least the time. A few instructions. */
static inline unsigned handoff_page_bucket(uint64_t ns)
{
	uint64_t us = ns / 1000 + (ns % 1000 != 0);
	unsigned bucket = us <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(us - 1);

	return bucket < HANDOFF_PAGE_BUCKETS ? bucket : HANDOFF_PAGE_BUCKETS - 1;
}

/* Counts a wait of @ns. Any number of threads and processes may do so at the same time. */
static inline void handoff_page_add(struct handoff_page *page, uint64_t ns)
{
	__atomic_fetch_add(&page->sum_ns, ns, __ATOMIC_RELAXED);
	__atomic_fetch_add(&page->count[handoff_page_bucket(ns)], 1, __ATOMIC_RELEASE);
}

/* Says whether the last accept asked for SOCK_NONBLOCK. Writes only if that is new. */
static inline void handoff_page_want_nonblock(struct handoff_page *page, bool wanted)
{
	if (__atomic_load_n(&page->wants_nonblock, __ATOMIC_RELAXED) != wanted)
		__atomic_store_n(&page->wants_nonblock, wanted, __ATOMIC_RELAXED);
}
