#include "endpoint.h"

#include <fcntl.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"
#include "dispatch/pending.h"
#include "dispatch/route.h"
#include "sys/log.h"
#include "sys/tcp.h"

/*
 * Connections handled in one go before other sources get their turn. A wake-up finds two on
 * average, and an accept4(2) that fails costs five times an epoll_wait(2) that reports more: so a
 * listener that is ready gives one, and only a caller that must empty the backlog asks on.
 */
#define DISPATCH_BUDGET 64

/* --- the dispatcher ------------------------------------------------------------------ */

static void refresh(struct balancer_member *m)
{
	m->waiting = channel_waiting(container_of(m, struct channel, member));
}

enum give_result { GIVEN, NO_ROOM, NOT_NOW };

/* As balancer_pick(), within the service's limit. */
static struct balancer_member *pick(struct endpoint *e, uint32_t source)
{
	const struct dispatch *d = e->dispatch;

	return dispatch_is_full(d) ? NULL : balancer_pick(&e->round, source, refresh);
}

/* To the worker of @c. As give(), but what fails is NO_ROOM. */
static enum give_result offer(struct channel *c, struct handoff_conn *conn, int fd)
{
	struct kept_hand *hand = c->endpoint->dispatch->broker->hand;
	enum pair_result r;

	hand->channel = c->id;
	__atomic_store_n(&hand->fd, fd, __ATOMIC_RELEASE);
	r = channel_give(c, conn, fd);
	if (r == PAIR_SENT) {
		__atomic_store_n(&hand->number, conn->number, __ATOMIC_RELEASE);
		(void)close(fd); /* it is in @c now */
		__atomic_store_n(&c->page.map->closed, conn->number, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&hand->fd, -1, __ATOMIC_RELEASE);
	switch (r) {
	case PAIR_SENT:
		c->endpoint->rest_ms = 0;
		if (conn->accept_ns)
			histogram_add(&c->endpoint->dispatch->handed,
				      loop_clock_ns() - conn->accept_ns);
		return GIVEN;
	case PAIR_BUSY:
		return NOT_NOW;
	case PAIR_FULL:
		return NO_ROOM;
	case PAIR_GONE:
		break;
	}
	channel_break(c);
	return NO_ROOM;
}

/* To the worker that a pin names, if one does and there is room. As give(). */
static enum give_result give_by_pin(struct endpoint *e, struct handoff_conn *conn, int fd)
{
	struct pin *pin;
	struct channel *c = route_find(e, &conn->peer, &pin);
	enum give_result r;

	if (!c)
		return NO_ROOM;
	/* What was there is pending now, and may be pinned too: in the order of acceptance, then.
	 */
	if (route_must_make_room(c) && endpoint_take_back(c, "room for one that is pinned"))
		return NOT_NOW;
	r = offer(c, conn, fd);
	if (r == GIVEN) {
		balancer_given_by_pin(&e->round, &c->member);
		route_used(e->dispatch, pin);
	}
	return r;
}

/* Offers @fd round. GIVEN: our copy is closed. Else the caller still owns it. */
static enum give_result give(struct endpoint *e, struct handoff_conn *conn, int fd)
{
	uint32_t source = balancer_source_hash(conn);
	bool pins = e->dispatch->pins.n > 0;
	enum give_result r = pins ? give_by_pin(e, conn, fd) : NO_ROOM;
	struct balancer_member *m;

	while (r == NO_ROOM && (m = pick(e, source))) {
		struct channel *c = container_of(m, struct channel, member);

		r = offer(c, conn, fd);
		if (r == GIVEN) {
			balancer_given(&e->round, m);
			c->sent_unpinned = c->sent;
			if (pins)
				route_missed(e, &conn->peer);
		} else if (r == NO_ROOM && !c->broken) {
			/* Less room than counted: it is filled with what we did not send. */
			channel_shun(c);
		}
	}
	return r;
}

static enum give_result give_one_pending(struct endpoint *e, struct pending_conn *p)
{
	struct kept_hand *hand = e->dispatch->broker->hand;
	enum give_result r = GIVEN;

	if (pending_is_gone(p)) {
		e->dispatch->ledger.client_gone++;
	} else {
		hand->written = tcp_written(p->fd);
		r = give(e, &p->conn, p->fd);
		hand->written = 0;
		if (r != GIVEN)
			return r;
		p->fd = -1;
	}
	pending_free(e, p);
	return r;
}

/* The oldest of those that wait in the broker; if there is no room for all, the oldest with a pin.
 */
static enum give_result give_pending(struct endpoint *e)
{
	struct pending_conn *p = list_first(&e->pending, struct pending_conn, link);
	enum give_result r = give_one_pending(e, p);
	struct pin *pin;

	if (r != NO_ROOM || !e->dispatch->pins.n)
		return r;
	list_for_each (struct pending_conn, other, &e->pending, link)
		if (route_find(e, &other->conn.peer, &pin))
			return give_one_pending(e, other);
	return NO_ROOM;
}

/* All but the peer. */
static void fill_conn(struct listener *l, bool nonblock, struct handoff_conn *conn)
{
	struct broker *b = l->dispatch->broker;

	handoff_header_init(&conn->h, HANDOFF_CONN);
	conn->id = ++b->given.conn;
	conn->accept_ns = b->measuring ? loop_clock_ns() : 0;
	conn->listener = l->id;
	conn->flags = nonblock ? HANDOFF_CONN_NONBLOCK : 0;
	conn->number = 0;
}

static bool pins_have_room(struct endpoint *e)
{
	return e->dispatch->pins.n && route_has_room(e);
}

/* The round has no room. Is it worth to look whose client is next? */
static bool may_accept_ahead(struct endpoint *e)
{
	return e->n_ahead < ENDPOINT_AHEAD_MAX && !e->dispatch->paused && pins_have_room(e);
}

/* The same; and a pin may have room for one of the pending. */
static bool may_give(struct endpoint *e)
{
	return list_empty(&e->pending) ? may_accept_ahead(e) : pins_have_room(e);
}

/* Whether more may be accepted after @r; else it is paused. */
static bool goes_on(struct endpoint *e, enum give_result r)
{
	switch (r) {
	case GIVEN:
		return true;
	case NO_ROOM:
		if (may_accept_ahead(e))
			return true;
		endpoint_set_paused(e, true);
		return false;
	case NOT_NOW:
		endpoint_rest(e);
		return false;
	}
	return false;
}

enum step { WENT_ON, BACKLOG_EMPTY, HALT };

/* Whether the app wants O_NONBLOCK, if @next gets the connection. Another corrects it. */
static bool wants_nonblock(struct balancer_member *next)
{
	return next &&
	       __atomic_load_n(
		       &container_of(next, struct channel, member)->page.map->wants_nonblock,
		       __ATOMIC_RELAXED);
}

/* Accepts one connection of @l and sends it out. HALT: paused, nothing more now. */
static enum step accept_one(struct endpoint *e, struct listener *l, bool nonblock)
{
	struct handoff_conn conn;
	enum give_result result;
	int fd, error;

	switch (tcp_accept(l->fd, nonblock ? SOCK_NONBLOCK : 0, &fd, &conn.peer, &error)) {
	case ACCEPT_DONE:
		break;
	case ACCEPT_NONE:
		return BACKLOG_EMPTY;
	case ACCEPT_RETRY:
		return WENT_ON;
	case ACCEPT_FAILED:
		if (listener_has_ended(l))
			return BACKLOG_EMPTY;
		if (!e->warned_full)
			log_event(LEVEL_ERROR, "limit", LOG_STR("service", e->dispatch->service),
				  LOG_MSG("accept failed: %s", strerror(error)));
		e->warned_full = true;
		endpoint_shortage(e);
		return HALT;
	case ACCEPT_EXHAUSTED:
		endpoint_shortage(e);
		return HALT;
	}
	fill_conn(l, nonblock, &conn);
	l->accepted++;
	e->dispatch->ledger.accepted++;
	e->warned_full = false;
	if (l->closing)
		tcp_remove_filter(fd);
	if (list_empty(&e->pending)) {
		result = give(e, &conn, fd);
		if (result != GIVEN)
			pending_add(e, &conn, fd, true);
	} else {
		/* Nobody overtakes those with the same pin that wait already. */
		pending_add(e, &conn, fd, true);
		result = give_pending(e);
	}
	return goes_on(e, result) ? WENT_ON : HALT;
}

/*
 * For now enough is done, or all that can be done. Armed listeners fire again; pending connections
 * do not.
 */
static void finish_turn(struct endpoint *e)
{
	if (e->dispatch->paused) {
		endpoint_set_paused(e, true);
	} else if (list_empty(&e->pending)) {
		endpoint_set_paused(e, false);
	} else if (pick(e, 0)) {
		endpoint_set_paused(e, false);
		endpoint_pause_for(e, 0);
	} else {
		endpoint_set_listening(e, may_accept_ahead(e));
		endpoint_set_wakes(e, true);
	}
}

/*
 * Pending first, then the listeners, or only @only. True if nobody is left, in the broker or in a
 * backlog.
 */
static bool dispatch_some(struct endpoint *e, struct listener *only)
{
	struct listener *l =
		only ? only : list_first(&e->listeners, struct listener, endpoint_link);

	for (int budget = only ? 1 : DISPATCH_BUDGET; budget > 0; budget--) {
		/* Any client: the question is only whether to accept at all. */
		struct balancer_member *next = pick(e, 0);

		if (!next && !may_give(e)) {
			endpoint_say_full(e);
			endpoint_set_paused(e, true);
			return false;
		}
		if (!list_empty(&e->pending)) {
			enum give_result r = give_pending(e);

			if (r == GIVEN)
				continue;
			if (!goes_on(e, r))
				return false;
		}
		if (!l || e->dispatch->paused) {
			finish_turn(e);
			return !l && list_empty(&e->pending);
		}
		switch (l->bound_only ? BACKLOG_EMPTY : accept_one(e, l, wants_nonblock(next))) {
		case WENT_ON:
			continue;
		case HALT:
			return false;
		case BACKLOG_EMPTY:
			break;
		}
		if (only || l->endpoint_link.next == &e->listeners)
			l = NULL;
		else
			l = container_of(l->endpoint_link.next, struct listener, endpoint_link);
	}
	finish_turn(e);
	return false;
}

/* Taking back dispatches when descriptors are short, and a dispatch may take back. */
static bool dispatch(struct endpoint *e, struct listener *only)
{
	bool nobody_left;

	if (!only)
		loop_timer_disarm(&e->again);
	if (e->dispatching)
		return false;
	e->dispatching = true;
	nobody_left = dispatch_some(e, only);
	e->dispatching = false;
	return nobody_left;
}

bool endpoint_dispatch(struct endpoint *e)
{
	return dispatch(e, NULL);
}

/* --- taken back ---------------------------------------------------------------------- */

/*
 * As pair_receive(), but it needs no free descriptor: what we hold goes out first, and then the
 * spare descriptor is given up.
 */
static enum pair_received receive(struct channel *c, struct handoff_conn *ret_conn, int *ret_fd,
				  int *ret_errno)
{
	enum pair_received r = pair_receive(c->rx, ret_conn, ret_fd, ret_errno);

	if (r != PAIR_FAILED || *ret_errno != EMFILE)
		return r;
	(void)endpoint_dispatch(c->endpoint);
	fd_closep(&c->taker->dispatch->broker->spare_fd);
	return pair_receive(c->rx, ret_conn, ret_fd, ret_errno);
}

unsigned endpoint_take_back(struct channel *c, const char *reason)
{
	struct dispatch *d = c->taker->dispatch;
	enum pair_received r = PAIR_EMPTY;
	struct handoff_conn conn;
	unsigned n = 0, dropped = 0;
	int fd, error;

	/* No more than we put in: a worker that sends by itself does not keep us here. */
	while (n + dropped < c->sent - c->taken_back + (c->check_at || dropped) &&
	       (r = receive(c, &conn, &fd, &error)) == PAIR_RECEIVED) {
		if (!conn.listener) {
			(void)close(fd);
			c->check_at = 0;
			dropped++;
			continue;
		}
		pending_add(c->endpoint, &conn, fd, false);
		n++;
	}
	if (d->broker->spare_fd < 0)
		d->broker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	c->taken_back += n;
	d->in_use -= n;
	c->taken_back_since_given = c->taken_back_since_given || n + dropped > 0;
	d->ledger.taken_back += n;
	c->member.waiting = r == PAIR_FAILED ? channel_waiting(c) : 0;
	if (r == PAIR_FAILED)
		log_event(LEVEL_ERROR, "limit", LOG_TAKER(c->taker),
			  LOG_MSG("cannot take back what waits at the worker: %s; raise the "
				  "descriptor limit of the broker",
				  strerror(error)));
	if (n)
		log_event(LEVEL_INFO, "taken-back", LOG_TAKER(c->taker), LOG_INT("count", n),
			  LOG_STR("reason", reason),
			  LOG_MSG("%u waiting connection%s given to others: %s", n,
				  n == 1 ? "" : "s", reason));
	return n;
}

/* --- made and freed ------------------------------------------------------------------ */

static void again_expired(struct loop_timer *timer)
{
	(void)endpoint_dispatch(container_of(timer, struct endpoint, again));
}

void dispatch_init(struct dispatch *d, struct broker *b)
{
	d->broker = b;
	list_init(&d->endpoints);
	list_init(&d->listeners);
	list_init(&d->takers);
}

struct endpoint *endpoint_new(struct dispatch *d, const struct handoff_addr *app_addr)
{
	struct endpoint *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->dispatch = d;
	e->app_addr = *app_addr;
	balancer_init(&e->round, d->mode);
	list_init(&e->listeners);
	list_init(&e->pending);
	loop_timer_init(&e->again, again_expired);
	e->again.quiet = true;
	e->dispatch_now = dispatch;
	e->paused = e->wakes = true; /* until a worker is in the round */
	e->paused_ms = loop_now(&d->broker->loop);
	list_append(&d->endpoints, &e->link);
	return e;
}

void endpoint_free(struct endpoint *e)
{
	assert(e->n_channels == 0);
	list_for_each_safe (struct listener, l, tmp, &e->listeners, endpoint_link)
		listener_detach(l);
	pending_refuse_all(e);
	loop_timer_disarm(&e->again);
	list_remove(&e->link);
	balancer_deinit(&e->round);
	free(e);
}
