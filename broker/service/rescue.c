#include "rescue.h"

#include <poll.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "service/returned.h"
#include "sys/proc.h"
#include "sys/tcp.h"
#include "worker/processes.h"

/* More is what no broker has given between two states: the worker has written there. */
#define GIVEN_MAX (1ull << 32)
#define LOOKS	  10 /* a millisecond apart */

static void count_given(struct channel *c, uint64_t n)
{
	struct dispatch *d = c->endpoint->dispatch;

	c->sent += n;
	d->in_use += d->limit ? (unsigned)n : 0;
	d->ledger.sent += n;
	d->ledger.accepted += n;
}

void rescue_uncount(struct dispatch *d, const struct kept_pending *p)
{
	struct listener *l =
		list_find(struct listener, o, &d->listeners, link, o->id == p->conn.listener);

	d->ledger.accepted--;
	if (l)
		l->accepted--;
}

void rescue_closed(struct dispatch *d, const struct kept_channel *k)
{
	list_for_each (struct taker, t, &d->takers, link)
		if (t->self->id == k->worker)
			t->self->served += k->sent - k->taken_back;
}

static void recount(struct broker *b, struct channel *c)
{
	uint64_t last = __atomic_load_n(&c->page.map->closed, __ATOMIC_ACQUIRE);
	uint64_t known = c->sent + c->checks;

	if (last <= known || last - known > GIVEN_MAX)
		return;
	count_given(c, last - known);
	b->given.conn += last - known; /* each number is given once */
}

void rescue_counts(struct broker *b)
{
	struct channel *last = returned_from(b, b->hand->channel);

	if (last && last->page.map->closed < b->hand->given)
		last->page.map->closed = b->hand->given;
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct taker, t, &s->dispatch.takers, link)
			list_for_each (struct channel, c, &t->channels, link)
				recount(b, c);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* *@ret_runs: one of them ran when the look began, and may be about to have it. */
static enum proc_seen look(const struct worker *w, uint64_t inode, bool *ret_runs)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	enum proc_seen seen = worker_processes(w, &all) < 0 ? PROC_UNKNOWN : PROC_NO;

	*ret_runs = false;
	for (size_t i = 0; i < all.n; i++)
		*ret_runs |= proc_stat(all.pids[i]).state == 'R';
	for (size_t i = 0; i < all.n && seen != PROC_YES; i++) {
		enum proc_seen one = proc_holds_socket(all.pids[i], inode);

		seen = one == PROC_NO ? seen : one;
	}
	return seen;
}

/* A message that has left the queue is a descriptor a moment later: in the kernel, or preempted. */
static enum proc_seen worker_has(const struct worker *w, uint64_t inode)
{
	enum proc_seen seen = PROC_NO;
	bool runs = true;

	for (int i = 0; i < LOOKS && seen == PROC_NO && runs; i++) {
		(void)poll(NULL, 0, i > 0);
		seen = look(w, inode, &runs);
	}
	return seen;
}

/*
 * Whether the worker of @c has the connection @fd, or had it. What it has not taken yet comes back,
 * and is pending then. In doubt it has it: nobody is to be served twice.
 */
static bool has_been_given(struct channel *c, int fd)
{
	uint64_t inode = inode_of(fd);
	enum proc_seen seen;

	c->sent++; /* it may be in there, too, behind all that were counted */
	(void)endpoint_take_back(c, "the broker was killed");
	c->sent--;
	list_for_each (const struct pending_conn, p, &c->endpoint->pending, link)
		if (inode_of(p->fd) == inode)
			return true;
	if (tcp_written(fd) != c->endpoint->dispatch->broker->hand->written)
		return true;
	seen = worker_has(worker_of(c), inode);
	if (seen == PROC_UNKNOWN)
		c->endpoint->dispatch->broker->hand->doubts++;
	return seen != PROC_NO;
}

bool rescue_connection(struct broker *b, int fd)
{
	struct listener *l;
	struct endpoint *e = returned_to(b, fd, false, &l);
	struct channel *c;

	if (!e)
		return false;
	c = fd == b->hand->fd ? returned_from(b, b->hand->channel) : NULL;
	if (c && has_been_given(c, fd)) {
		count_given(c, 1);
		(void)close(fd);
		return true;
	}
	if (l)
		l->accepted++;
	e->dispatch->ledger.accepted++;
	returned_add(e, l, fd, true);
	return true;
}
