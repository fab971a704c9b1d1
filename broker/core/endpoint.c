#include "endpoint.h"

#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "core/master.h"
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
	return &s->master->loop;
}

/* --- flow control -------------------------------------------------------------------- */

static void arm_listener(struct listener *l)
{
	bool armed = l->endpoint && !l->endpoint->paused;

	loop_modify(loop_of(l->service), &l->source, armed ? EPOLLIN : 0);
}

/*
 * While nobody has room, each message taken (EPOLLOUT, edge-triggered) wakes us. The MOD itself
 * reports the present state once, so a message taken just now is not missed.
 */
static void arm_wake(struct channel *c, bool armed)
{
	loop_modify(loop_of(c->endpoint->service), &c->wake, armed ? EPOLLOUT | EPOLLET : 0);
}

static void set_paused(struct endpoint *e, bool paused)
{
	struct balancer_member *m;
	struct listener *l;

	if (e->paused == paused)
		return;
	e->paused = paused;
	e->paused_ms = loop_now(loop_of(e->service));
	list_for_each (l, &e->listeners, endpoint_link)
		arm_listener(l);
	list_for_each (m, &e->round.ring, link)
		arm_wake(container_of(m, struct channel, member), paused);
}

void endpoint_join(struct endpoint *e, struct channel *c)
{
	if (!list_empty(&c->member.link) || c->worker->pinned_only)
		return;
	balancer_add(&e->round, &c->member);
	if (e->paused)
		arm_wake(c, true);
}

void endpoint_leave(struct endpoint *e, struct channel *c)
{
	if (list_empty(&c->member.link))
		return;
	balancer_remove(&e->round, &c->member);
	if (e->paused)
		arm_wake(c, false);
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

/* Offers @fd round. GIVEN: our copy is closed. Else the caller still owns it. */
static enum give_result give(struct endpoint *e, const struct handoff_conn *conn, int fd)
{
	uint32_t source = balancer_source_hash(&conn->peer);
	struct balancer_member *m;

	while ((m = balancer_pick(&e->round, source, refresh))) {
		struct channel *c = container_of(m, struct channel, member);
		int r = channel_give(c, conn, fd);

		switch (r) {
		case CHANNEL_DONE:
			balancer_given(&e->round, m);
			(void)close(fd);
			return GIVEN;
		case CHANNEL_FULL:
			/* Less room than counted: it is filled with what we did not send. */
			channel_shun(c);
			continue;
		case CHANNEL_BUSY:
			return NOT_NOW;
		}
		channel_lost(c, "the worker shut its listening socket down");
	}
	return NO_ROOM;
}

static bool client_is_gone(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == ECONNRESET || errno == ETIMEDOUT || errno == EPIPE);
}

static void pending_free(struct pending_conn *p)
{
	fd_closep(&p->fd);
	list_remove(&p->link);
	free(p);
}

/* One of those that wait in the broker. */
static enum give_result give_pending(struct endpoint *e)
{
	struct pending_conn *p = list_first(&e->pending, struct pending_conn, link);
	enum give_result r = GIVEN;

	if (client_is_gone(p->fd)) {
		e->service->ledger.client_gone++;
	} else {
		r = give(e, &p->conn, p->fd);
		if (r != GIVEN)
			return r;
		p->fd = -1;
	}
	e->n_pending--;
	pending_free(p);
	return r;
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
	struct master *m = l->service->master;

	handoff_header_init(&conn->h, HANDOFF_CONN);
	conn->id = ++m->next_conn_id;
	conn->accept_ns = loop_clock_ns();
	conn->listener = l->id;
	conn->reserved = 0;
	conn->reserved2 = 0;
}

enum accept_result { ACCEPTED, EMPTY, HALT };

/* Accepts one connection of @l and sends it out. HALT: paused, nothing more now. */
static enum accept_result accept_one(struct endpoint *e, struct listener *l)
{
	struct handoff_conn conn;
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
	switch (give(e, &conn, fd)) {
	case GIVEN:
		return ACCEPTED;
	case NO_ROOM:
		endpoint_put_back(e, &conn, fd);
		set_paused(e, true);
		return HALT;
	case NOT_NOW:
		endpoint_put_back(e, &conn, fd);
		pause_for(e, FLIGHT_LIMIT_MS);
		return HALT;
	}
	return HALT;
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
		if (!balancer_pick(&e->round, 0, refresh)) {
			set_paused(e, true);
			return false;
		}
		if (!list_empty(&e->pending)) {
			switch (give_pending(e)) {
			case GIVEN:
				continue;
			case NO_ROOM:
				set_paused(e, true);
				return false;
			case NOT_NOW:
				pause_for(e, FLIGHT_LIMIT_MS);
				return false;
			}
		}
		if (!l || e->service->paused) {
			set_paused(e, e->service->paused);
			return !l;
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
	/* The budget is used up. Armed listeners call again; what is pending has none. */
	set_paused(e, false);
	if (!list_empty(&e->pending))
		pause_for(e, 0);
	return false;
}

static bool dispatch(struct endpoint *e, struct listener *only)
{
	bool empty;

	/* From within: a worker was ended because its channel broke. The outer call goes on. */
	if (e->dispatching)
		return false;
	e->dispatching = true;
	empty = dispatch_some(e, only);
	e->dispatching = false;
	return empty;
}

bool endpoint_dispatch(struct endpoint *e)
{
	loop_timer_disarm(&e->retry);
	return dispatch(e, NULL);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct listener *l = container_of(source, struct listener, source);

	(void)events;
	if (l->endpoint)
		(void)dispatch(l->endpoint, l);
}

/* --- what comes back ----------------------------------------------------------------- */

void endpoint_put_back(struct endpoint *e, const struct handoff_conn *conn, int fd)
{
	struct pending_conn *p = malloc(sizeof(*p)), *at;
	struct list *pos = &e->pending;

	if (!p) {
		e->service->ledger.refused++;
		(void)close(fd);
		return;
	}
	p->conn = *conn;
	p->fd = fd;
	list_for_each (at, &e->pending, link)
		if (at->conn.id > conn->id) {
			pos = &at->link;
			break;
		}
	list_add_before(pos, &p->link);
	e->n_pending++;
}

void endpoint_refuse_pending(struct endpoint *e)
{
	struct pending_conn *p, *tmp;

	list_for_each_safe (p, tmp, &e->pending, link) {
		e->service->ledger.refused++;
		pending_free(p);
	}
	e->n_pending = 0;
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
	e->paused = true; /* until a worker is in the round */
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

struct listener *listener_new(struct service *service, const struct handoff_addr *addr,
			      uint16_t app_port, bool automatic, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->service = service;
	l->fd = fd;
	l->addr = *addr;
	l->app_port = app_port;
	l->automatic = automatic;
	l->id = ++service->master->next_listener_id;
	l->source.ready = listener_ready;
	list_init(&l->endpoint_link);
	if (loop_add(loop_of(service), &l->source, fd, 0) < 0) {
		free(l);
		return NULL;
	}
	list_append(&service->listeners, &l->link);
	return l;
}

/* The connections that came through it still show this port as theirs. */
static void remember_port(struct endpoint *e, uint16_t port)
{
	for (size_t i = 0; i < e->n_ports; i++)
		if (e->ports[i] == port)
			return;
	if (e->n_ports == ARRAY_SIZE(e->ports))
		memmove(e->ports, e->ports + 1, --e->n_ports * sizeof(e->ports[0]));
	e->ports[e->n_ports++] = port;
}

void listener_free(struct listener *l)
{
	struct loop *loop = loop_of(l->service);

	listener_detach(l);
	list_remove(&l->link);
	loop_remove(loop, &l->source);
	(void)close(l->fd);
	free(l);
}

void listener_attach(struct listener *l, struct endpoint *e)
{
	listener_detach(l);
	l->endpoint = e;
	list_append(&e->listeners, &l->endpoint_link);
	arm_listener(l);
}

void listener_detach(struct listener *l)
{
	if (l->endpoint)
		remember_port(l->endpoint, l->addr.port);
	l->endpoint = NULL;
	list_remove(&l->endpoint_link);
	arm_listener(l);
}

void listener_move(struct listener *l, struct service *to)
{
	listener_detach(l);
	list_remove(&l->link);
	l->service = to;
	list_append(&to->listeners, &l->link);
}
