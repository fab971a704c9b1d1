#include "endpoint.h"

#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "service/service.h"
#include "service/pin.h"
#include "sys/channel.h"
#include "sys/listener.h"
#include "sys/log.h"

/*
 * Connections handled in one go before other sources get their turn. A wake-up finds two on
 * average, and an accept4(2) that fails costs five times an epoll_wait(2) that reports more: so a
 * listener that is ready gives one, and only who must know whether the backlog is empty asks on.
 */
#define DISPATCH_BUDGET 64
/* A shortage of descriptors or memory ends without an event: look again after this time. */
#define SHORTAGE_MS	100
#define FLIGHT_LIMIT_MS 10

static struct loop *loop_of(const struct service *s)
{
	return &s->broker->loop;
}

/* --- flow control -------------------------------------------------------------------- */

/*
 * While nobody has room, each message taken (EPOLLOUT, edge-triggered) wakes us. The MOD itself
 * reports the present state once, so a message taken just now is not missed.
 */
static void arm_wake(struct channel *c, bool armed)
{
	loop_modify(loop_of(c->endpoint->service), &c->wake, armed ? EPOLLOUT | EPOLLET : 0);
}

/* Room in @c is of use to somebody: by the round, or by a pin. */
static bool is_of_use(const struct channel *c)
{
	return !list_empty(&c->member.link) || worker_is_pinned(c->worker);
}

/* The channels that pins lead to and that are not in the round. */
static void arm_wakes_aside(struct endpoint *e)
{
	struct channel *c;
	struct worker *w;

	list_for_each (w, &e->service->workers, link)
		list_for_each (c, &w->channels, link)
			if (c->endpoint == e && list_empty(&c->member.link))
				arm_wake(c, e->wakes && is_of_use(c));
}

static void set_wakes(struct endpoint *e, bool wakes)
{
	struct balancer_member *m;

	if (e->wakes == wakes)
		return;
	e->wakes = wakes;
	list_for_each (m, &e->round.ring, link)
		arm_wake(container_of(m, struct channel, member), wakes);
	if (e->service->pins.n)
		arm_wakes_aside(e);
}

static void set_listening(struct endpoint *e, bool listening)
{
	struct listener *l;

	if (e->paused == !listening)
		return;
	e->paused = !listening;
	e->paused_ms = loop_now(loop_of(e->service));
	list_for_each (l, &e->listeners, endpoint_link)
		listener_arm(l);
}

static void set_paused(struct endpoint *e, bool paused)
{
	set_listening(e, !paused);
	set_wakes(e, paused);
}

void endpoint_join(struct endpoint *e, struct channel *c)
{
	if (!list_empty(&c->member.link))
		return;
	if (!c->worker->pinned_only)
		balancer_add(&e->round, &c->member);
	if (e->wakes)
		arm_wake(c, is_of_use(c));
}

void endpoint_leave(struct endpoint *e, struct channel *c)
{
	if (list_empty(&c->member.link))
		return;
	balancer_remove(&e->round, &c->member);
	if (e->wakes)
		arm_wake(c, is_of_use(c));
}

void endpoint_pins_changed(struct endpoint *e)
{
	arm_wakes_aside(e);
	if (e->wakes || !list_empty(&e->pending))
		(void)endpoint_dispatch(e);
}

static void pause_for(struct endpoint *e, int64_t ms)
{
	set_paused(e, true);
	loop_timer_arm(loop_of(e->service), &e->retry, ms);
}

static void retry_expired(struct loop_timer *timer)
{
	(void)endpoint_dispatch(container_of(timer, struct endpoint, retry));
}

/* --- the dispatcher ------------------------------------------------------------------ */

static void refresh(struct balancer_member *m)
{
	m->waiting = channel_waiting(container_of(m, struct channel, member)->rx);
}

enum give_result { GIVEN, NO_ROOM, NOT_NOW };

/* It is in the channel of a worker now: our copy goes. */
static void given(struct endpoint *e, const struct handoff_conn *conn, int fd)
{
	(void)close(fd);
	if (e->service->broker->measuring)
		histogram_add(&e->service->measured.handed, loop_clock_ns() - conn->accept_ns);
}

/* To the worker that a pin names, if one does and there is room. As give(). */
static enum give_result give_by_pin(struct endpoint *e, const struct handoff_conn *conn, int fd)
{
	struct pin *pin;
	struct channel *c = pin_channel(e, &conn->peer, &pin);

	if (!c)
		return NO_ROOM;
	/* Those who were there are pending now, and may be pinned too: in their order, then. */
	if (pin_make_room(c))
		return NOT_NOW;
	switch (channel_give(c, conn, fd)) {
	case CHANNEL_DONE:
		balancer_given_aside(&c->member);
		pin_used(e->service, pin);
		given(e, conn, fd);
		return GIVEN;
	case CHANNEL_FULL:
		return NO_ROOM;
	case CHANNEL_BUSY:
		return NOT_NOW;
	}
	channel_break(c);
	return NO_ROOM;
}

/* Offers @fd round. GIVEN: our copy is closed. Else the caller still owns it. */
static enum give_result give(struct endpoint *e, const struct handoff_conn *conn, int fd)
{
	uint32_t source = balancer_source_hash(&conn->peer);
	bool pins = e->service->pins.n > 0;
	struct balancer_member *m;

	if (pins) {
		enum give_result r = give_by_pin(e, conn, fd);

		if (r != NO_ROOM)
			return r;
	}
	while ((m = balancer_pick(&e->round, source, refresh))) {
		struct channel *c = container_of(m, struct channel, member);
		int r = channel_give(c, conn, fd);

		switch (r) {
		case CHANNEL_DONE:
			balancer_given(&e->round, m);
			c->sent_unpinned = c->sent;
			given(e, conn, fd);
			if (pins)
				pin_missed(e, &conn->peer);
			return GIVEN;
		case CHANNEL_FULL:
			/* Less room than counted: it is filled with what we did not send. */
			channel_shun(c);
			continue;
		case CHANNEL_BUSY:
			return NOT_NOW;
		}
		channel_break(c);
	}
	return NO_ROOM;
}

static bool client_is_gone(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == ECONNRESET || errno == ETIMEDOUT || errno == EPIPE);
}

static enum give_result give_one_pending(struct endpoint *e, struct pending_conn *p)
{
	enum give_result r = GIVEN;

	if (client_is_gone(p->fd)) {
		e->service->ledger.client_gone++;
	} else {
		r = give(e, &p->conn, p->fd);
		if (r != GIVEN)
			return r;
		p->fd = -1;
	}
	endpoint_pending_free(e, p);
	return r;
}

/* The oldest of those that wait in the broker; if there is no room for all, the oldest with a pin.
 */
static enum give_result give_pending(struct endpoint *e)
{
	struct pending_conn *p = list_first(&e->pending, struct pending_conn, link);
	enum give_result r = give_one_pending(e, p);
	struct pin *pin;

	if (r != NO_ROOM || !e->service->pins.n)
		return r;
	list_for_each (p, &e->pending, link)
		if (pin_channel(e, &p->conn.peer, &pin))
			return give_one_pending(e, p);
	return NO_ROOM;
}

static void shortage(struct endpoint *e)
{
	if (!e->warned_full)
		log_event(
			LEVEL_WARN, "limit", LOG_STR("service", service_name(e->service)),
			LOG_MSG("no descriptor or memory left to accept connections: clients wait "
				"in the backlog; raise the descriptor limit of the broker (ulimit "
				"-n, LimitNOFILE=)"));
	e->warned_full = true;
	pause_for(e, SHORTAGE_MS);
}

static void fill_conn(struct listener *l, struct handoff_conn *conn)
{
	struct broker *b = l->service->broker;

	handoff_header_init(&conn->h, HANDOFF_CONN);
	conn->id = ++b->given.conn;
	conn->accept_ns = loop_clock_ns();
	conn->listener = l->id;
	conn->reserved = 0;
	conn->reserved2 = 0;
}

static bool pins_have_room(struct endpoint *e)
{
	return e->service->pins.n && pin_any_room(e);
}

/* The round has no room. Is it worth to look whose client is next? */
static bool may_sip(struct endpoint *e)
{
	return e->n_sipped < ENDPOINT_SIP_MAX && !e->service->paused && pins_have_room(e);
}

/* The same, and those who are pending may be the ones that a pin has room for. */
static bool may_give(struct endpoint *e)
{
	return list_empty(&e->pending) ? may_sip(e) : pins_have_room(e);
}

enum accept_result { ACCEPTED, EMPTY, HALT };

/* Accepts one connection of @l and sends it out. HALT: paused, nothing more now. */
static enum accept_result accept_one(struct endpoint *e, struct listener *l)
{
	struct handoff_conn conn;
	enum give_result result;
	int fd, r = listener_accept(l->fd, &fd, &conn.peer);

	switch (r) {
	case LISTENER_ACCEPTED:
		break;
	case LISTENER_EMPTY:
		return EMPTY;
	case LISTENER_RETRY:
		return ACCEPTED;
	case LISTENER_EXHAUSTED:
		shortage(e);
		return HALT;
	default:
		log_event(LEVEL_ERROR, "limit", LOG_STR("service", service_name(e->service)),
			  LOG_MSG("accept failed: %s", strerror(-r)));
		shortage(e);
		return HALT;
	}
	fill_conn(l, &conn);
	l->accepted++;
	e->service->ledger.accepted++;
	e->warned_full = false;
	if (l->closing)
		listener_remove_filter(fd);
	if (list_empty(&e->pending)) {
		result = give(e, &conn, fd);
		if (result != GIVEN)
			endpoint_put_pending(e, &conn, fd, true);
	} else {
		/* Nobody overtakes those with the same pin that wait already. */
		endpoint_put_pending(e, &conn, fd, true);
		result = give_pending(e);
	}
	switch (result) {
	case GIVEN:
		return ACCEPTED;
	case NO_ROOM:
		if (may_sip(e))
			return ACCEPTED;
		set_paused(e, true);
		return HALT;
	case NOT_NOW:
		pause_for(e, FLIGHT_LIMIT_MS);
		return HALT;
	}
	return HALT;
}

/* For now enough is done, or all that can be done. Armed listeners call again; who is pending not.
 */
static void rest(struct endpoint *e)
{
	if (e->service->paused) {
		set_paused(e, true);
	} else if (list_empty(&e->pending)) {
		set_paused(e, false);
	} else if (balancer_pick(&e->round, 0, refresh)) {
		set_paused(e, false);
		pause_for(e, 0);
	} else {
		set_listening(e, may_sip(e));
		set_wakes(e, true);
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
		if (!balancer_pick(&e->round, 0, refresh) && !may_give(e)) {
			set_paused(e, true);
			return false;
		}
		if (!list_empty(&e->pending)) {
			switch (give_pending(e)) {
			case GIVEN:
				continue;
			case NO_ROOM:
				if (may_sip(e))
					break;
				set_paused(e, true);
				return false;
			case NOT_NOW:
				pause_for(e, FLIGHT_LIMIT_MS);
				return false;
			}
		}
		if (!l || e->service->paused) {
			rest(e);
			return !l && list_empty(&e->pending);
		}
		switch (accept_one(e, l)) {
		case ACCEPTED:
			continue;
		case HALT:
			return false;
		case EMPTY:
			break;
		}
		if (only || l->endpoint_link.next == &e->listeners)
			l = NULL;
		else
			l = container_of(l->endpoint_link.next, struct listener, endpoint_link);
	}
	rest(e);
	return false;
}

/* To make room for a pin is to take back, and that dispatches when descriptors are short. */
static bool dispatch(struct endpoint *e, struct listener *only)
{
	bool nobody_left;

	if (e->dispatching)
		return false;
	e->dispatching = true;
	nobody_left = dispatch_some(e, only);
	e->dispatching = false;
	return nobody_left;
}

bool endpoint_dispatch(struct endpoint *e)
{
	loop_timer_disarm(&e->retry);
	return dispatch(e, NULL);
}

void endpoint_accept(struct endpoint *e, struct listener *l)
{
	(void)dispatch(e, l);
}

/* --- made and freed ------------------------------------------------------------------ */

struct endpoint *endpoint_new(struct service *service, const struct handoff_addr *app_addr)
{
	struct endpoint *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->service = service;
	e->app_addr = *app_addr;
	balancer_init(&e->round, service->conf->balance);
	list_init(&e->listeners);
	list_init(&e->pending);
	loop_timer_init(&e->retry, retry_expired);
	e->paused = e->wakes = true; /* until a worker is in the round */
	list_append(&service->endpoints, &e->link);
	return e;
}

void endpoint_free(struct endpoint *e)
{
	struct listener *l, *tmp;

	assert(e->n_channels == 0);
	list_for_each_safe (l, tmp, &e->listeners, endpoint_link)
		listener_detach(l);
	endpoint_refuse_pending(e);
	loop_timer_disarm(&e->retry);
	list_remove(&e->link);
	free(e);
}
