/*
 * handoff_page.h - one page of counters that a worker shares with the broker.
 *
 * Only the worker knows how long a connection waited until the app accepted it. It counts
 * that here, in memory that it shares with the broker: no message, no system call, no lock.
 *
 * The page is a memfd of HANDOFF_PAGE_SIZE bytes, sealed against any change of its size, and comes
 * as the third descriptor of a WELCOME, if the broker measures at all. A worker that does
 * not know it closes it. All processes that share a channel share its page. Counters are
 * in host byte order, only ever added to, and with atomic instructions.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define HANDOFF_PAGE_SIZE    4096
#define HANDOFF_PAGE_BUCKETS 32

/*
 * @count[i] counts the connections that waited at most 2^i microseconds and were too slow for
 * the bucket before it; the last bucket has no upper bound. A wait begins at CONN's accept_ns and
 * ends when the worker has received the connection, both by CLOCK_MONOTONIC.
 */
struct handoff_page {
	uint64_t count[HANDOFF_PAGE_BUCKETS];
	uint64_t sum_ns; /* of all waits */
};

static_assert(sizeof(struct handoff_page) == 264, "page layout");
static_assert(sizeof(struct handoff_page) <= HANDOFF_PAGE_SIZE, "it is one page");

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
