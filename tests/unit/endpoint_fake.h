/*
 * endpoint_fake.h - a kernel, a loop and workers for the dispatcher, all in memory.
 *
 * core/endpoint.c is linked with the balancer alone; every other function that it calls is
 * here. A connection is a client number, its descriptor FIRST_FD + number; the fake knows at
 * any time who owns it, so that a lost, a doubled, or a leaked one is seen at once.
 */
#ifndef TESTS_UNIT_ENDPOINT_FAKE_H
#define TESTS_UNIT_ENDPOINT_FAKE_H

#include <errno.h>
#include <sys/socket.h>
#include "service/service.h"
#include "service/pin.h"
#include "sys/channel.h"
#include "sys/listener.h"
#include "sys/log.h"
#include "tap.h"

#define FIRST_FD    100000
#define MAX_CLIENTS 60000
#define MAX_WORKERS 8
#define MAX_QUEUE   64
#define MAX_LISTEN  3

static struct broker broker;
static struct service_conf conf;
static struct service service;
static struct endpoint *endpoint;

/* --- clients: who has each ----------------------------------------------------------- */

enum owner { NOBODY, BACKLOG, BROKER, CHANNEL, SERVED, CLOSED };

static struct client {
	enum owner owner;
	bool reset; /* has gone away */
	bool open;  /* the broker has a descriptor of it */
	uint64_t id;
	uint8_t host; /* it comes from 127.0.0.HOST */
} clients[MAX_CLIENTS];
static unsigned n_clients, n_served, n_closed;

static struct client *client_of(int fd)
{
	CHECK(fd >= FIRST_FD && fd < FIRST_FD + (int)n_clients);
	return &clients[fd - FIRST_FD];
}

ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
int __real_close(int fd);
int __wrap_close(int fd);

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
	if (fd < FIRST_FD)
		return __real_recv(fd, buf, size, flags);
	/* The bytes are the worker's: the broker may look, and never wait. */
	CHECK_EQ(flags, MSG_PEEK | MSG_DONTWAIT);
	CHECK_EQ(client_of(fd)->owner, BROKER);
	errno = client_of(fd)->reset ? ECONNRESET : EAGAIN;
	return -1;
}

int __wrap_close(int fd)
{
	struct client *c;

	if (fd < FIRST_FD)
		return __real_close(fd);
	c = client_of(fd);
	CHECK(c->open); /* else it would be somebody else's by now */
	c->open = false;
	switch (c->owner) {
	case BROKER:
		c->owner = CLOSED;
		n_closed++;
		break;
	case CHANNEL: /* the broker's copy: the message holds the other */
	case SERVED:
		break;
	case NOBODY:
	case BACKLOG:
	case CLOSED:
		tap_fail(__FILE__, __LINE__, "client %d is closed in state %d", fd - FIRST_FD,
			 c->owner);
	}
	return 0;
}

/* --- listeners ----------------------------------------------------------------------- */

struct fake_listener {
	struct listener *l;
	unsigned waiting[MAX_CLIENTS], first, n; /* the backlog: client numbers */
	int failure;				 /* what accept gives instead; 0: nothing */
	unsigned failures_left;
	bool filter_removed;
};

static struct fake_listener listeners[MAX_LISTEN];
static unsigned n_listeners, n_accept_calls;

static void client_connects(struct fake_listener *f, uint8_t host)
{
	CHECK(n_clients < MAX_CLIENTS);
	clients[n_clients].owner = BACKLOG;
	clients[n_clients].host = host;
	f->waiting[f->n++] = n_clients++;
}

static struct handoff_addr peer_of(const struct client *client)
{
	return (struct handoff_addr){ .family = 4, .ip = { 127, 0, 0, client->host } };
}

static unsigned backlog(const struct fake_listener *f)
{
	return f->n - f->first;
}

int listener_accept(int fd, int *ret_fd, struct handoff_addr *ret_peer)
{
	struct fake_listener *f = &listeners[fd];
	unsigned i;

	n_accept_calls++;
	if (f->failures_left) {
		f->failures_left--;
		return f->failure;
	}
	if (backlog(f) == 0)
		return LISTENER_EMPTY;
	i = f->waiting[f->first++];
	CHECK_EQ(clients[i].owner, BACKLOG);
	clients[i].owner = BROKER;
	clients[i].open = true;
	*ret_fd = FIRST_FD + (int)i;
	*ret_peer = peer_of(&clients[i]);
	return LISTENER_ACCEPTED;
}

void listener_remove_filter(int fd)
{
	CHECK_EQ(client_of(fd)->owner, BROKER);
	listeners[0].filter_removed = true;
}

/* --- workers and their channels ------------------------------------------------------ */

struct fake_worker {
	struct worker w;
	struct channel c;
	struct channel_holder holder; /* its app listens */
	unsigned queue[MAX_QUEUE], n; /* client numbers, oldest first */
	unsigned room;		      /* of the kernel's buffer: beyond it CHANNEL_BUSY */
	int result;		      /* what sending gives instead of CHANNEL_DONE; 0: nothing */
	bool edge;		      /* EPOLLOUT is due */
	bool stopped;		      /* its channel is lost */
	bool shunned;
	unsigned given;
};

static struct fake_worker workers[MAX_WORKERS];
static unsigned n_give_calls, last_worker;

static struct fake_worker *worker_of(struct channel *c)
{
	return container_of(c, struct fake_worker, c);
}

unsigned channel_waiting(int rx)
{
	return workers[rx].n;
}

int channel_give(struct channel *c, const struct handoff_conn *conn, int fd)
{
	struct fake_worker *f = worker_of(c);
	struct client *client = client_of(fd);

	n_give_calls++;
	CHECK_EQ(client->owner, BROKER);
	/* By a pin also who is not in the round, and up to the queue that was configured. */
	if (!service.pins.n) {
		CHECK(!list_empty(&c->member.link));
		CHECK(f->n < c->member.limit);
	}
	CHECK(f->n < MAX_QUEUE);
	CHECK(handoff_check(conn, sizeof(*conn), HANDOFF_CONN));
	CHECK(conn->id != 0 && (client->id == 0 || client->id == conn->id));
	client->id = conn->id;
	if (f->result != CHANNEL_DONE)
		return f->result;
	if (f->n == f->room)
		return CHANNEL_FULL;
	client->owner = CHANNEL;
	f->queue[f->n++] = (unsigned)(fd - FIRST_FD);
	f->given++;
	c->sent++;
	last_worker = (unsigned)(f - workers);
	service.ledger.sent++;
	return CHANNEL_DONE;
}

/* The worker's accept(2). */
static void worker_takes(unsigned i)
{
	struct fake_worker *f = &workers[i];

	CHECK(f->n > 0);
	CHECK_EQ(clients[f->queue[0]].owner, CHANNEL);
	clients[f->queue[0]].owner = SERVED;
	n_served++;
	memmove(f->queue, f->queue + 1, --f->n * sizeof(f->queue[0]));
	f->edge = true;
}

/* As worker_channel.c, by the kernel's count. */
bool channel_has_unpinned(const struct channel *c)
{
	return c->sent < c->sent_unpinned + workers[c->rx].n;
}

unsigned channel_take_back(struct channel *c, const char *reason)
{
	struct fake_worker *f = worker_of(c);
	unsigned n = f->n;

	CHECK(reason != NULL);
	/* As at the descriptor limit: it must not begin anew in the middle of a dispatch. */
	if (endpoint->dispatching)
		CHECK(!endpoint_dispatch(endpoint));

	for (unsigned k = 0; k < f->n; k++) {
		struct client *client = &clients[f->queue[k]];
		struct handoff_conn conn = { .id = client->id };

		handoff_header_init(&conn.h, HANDOFF_CONN);
		conn.peer = peer_of(client);
		client->owner = BROKER;
		client->open = true;
		service.ledger.taken_back++;
		endpoint_put_back(endpoint, &conn, FIRST_FD + (int)f->queue[k]);
	}
	f->n = 0;
	f->c.member.waiting = 0;
	return n;
}

/* As worker.c does at ACT_PUBLISH. */
static void worker_joins(unsigned i)
{
	struct fake_worker *f = &workers[i];

	f->c.member.waiting = f->n;
	f->c.broken = false;
	f->w.state = WORKER_READY;
	endpoint_join(endpoint, &f->c);
	if (endpoint->wakes)
		endpoint_dispatch(endpoint);
}

/* As worker.c does at ACT_WITHDRAW | ACT_TAKE_BACK. */
static void worker_goes(unsigned i, enum worker_state state)
{
	workers[i].w.state = state;
	endpoint_leave(endpoint, &workers[i].c);
	(void)channel_take_back(&workers[i].c, "it leaves");
	endpoint_dispatch(endpoint);
}

static void worker_leaves(unsigned i)
{
	worker_goes(i, WORKER_DRAINING);
}

static bool is_in_round(unsigned i)
{
	return !list_empty(&workers[i].c.member.link);
}

/* As worker_channel.c: the app does not listen any more, which the loop finds out. */
void channel_break(struct channel *c)
{
	struct fake_worker *f = worker_of(c);

	CHECK(service.pins.n || is_in_round((unsigned)(f - workers)));
	f->stopped = c->broken = true;
	endpoint_leave(c->endpoint, c);
}

/* As watch.c: it gets none until it is looked at again. */
void channel_shun(struct channel *c)
{
	c->member.limit = 0;
	worker_of(c)->shunned = true;
}

/* --- the loop ------------------------------------------------------------------------ */

int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events)
{
	CHECK(loop == &broker.loop);
	source->fd = fd;
	source->events = events;
	return 0;
}

void loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	CHECK(loop == &broker.loop && source->fd >= 0);
	source->events = events;
	/* A MOD with EPOLLET reports the present state once. */
	if (events == (EPOLLOUT | EPOLLET))
		container_of(source, struct fake_worker, c.wake)->edge = true;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	CHECK(loop == &broker.loop);
	source->fd = -1;
}

void loop_timer_init(struct loop_timer *timer, void (*expired)(struct loop_timer *timer))
{
	list_init(&timer->link);
	timer->expired = expired;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	list_remove(&timer->link);
	timer->at_ms = loop->now_ms + delay_ms;
	list_append(&loop->timers, &timer->link);
}

void loop_timer_disarm(struct loop_timer *timer)
{
	list_remove(&timer->link);
}

uint64_t loop_clock_ns(void)
{
	return (uint64_t)broker.loop.now_ms * NSEC_PER_MSEC;
}

static unsigned n_wakes;

static bool is_armed(const struct fake_listener *f)
{
	return f->l->source.events == EPOLLIN;
}

/* One thing that epoll_wait(2) would report, beginning at a random place. False: it would wait. */
static bool loop_turn(unsigned start)
{
	for (unsigned i = 0; i < MAX_WORKERS; i++)
		if (workers[i].c.broken) {
			workers[i].c.broken = false;
			worker_leaves(i);
			return true;
		}
	for (unsigned k = 0; k < MAX_LISTEN + MAX_WORKERS; k++) {
		unsigned i = (start + k) % (MAX_LISTEN + MAX_WORKERS);

		if (i < n_listeners) {
			struct fake_listener *f = &listeners[i];

			if (!is_armed(f) || (backlog(f) == 0 && f->failures_left == 0))
				continue;
			f->l->source.ready(&f->l->source, EPOLLIN);
			return true;
		}
		if (i >= MAX_LISTEN) {
			struct fake_worker *f = &workers[i - MAX_LISTEN];

			if (f->c.wake.events != (EPOLLOUT | EPOLLET) || !f->edge)
				continue;
			f->edge = false;
			n_wakes++;
			endpoint_dispatch(endpoint);
			return true;
		}
	}
	return false;
}

/* The timer's turn, if it is armed. */
static bool loop_waits(void)
{
	if (!loop_timer_armed(&endpoint->retry))
		return false;
	CHECK(endpoint->retry.at_ms >= broker.loop.now_ms);
	broker.loop.now_ms = endpoint->retry.at_ms;
	list_remove(&endpoint->retry.link);
	endpoint->retry.expired(&endpoint->retry);
	return true;
}

static void run_loop(void)
{
	unsigned turns = 0;

	while (loop_turn(turns))
		CHECK(++turns < 100000);
}

/* --- log ----------------------------------------------------------------------------- */

static unsigned n_warned;

bool log_enabled(enum conf_log_level level)
{
	return level <= LEVEL_INFO;
}

const char *log_format(const char *fmt, ...)
{
	return fmt;
}

void log_write(enum conf_log_level level, const char *event, const struct log_field *fields)
{
	(void)event;
	(void)fields;
	n_warned += level <= LEVEL_WARN;
}

const char *service_name(const struct service *s)
{
	return s->conf->name;
}

/* --- made and freed ------------------------------------------------------------------ */

static void fake_start(unsigned n_workers, unsigned queue, unsigned listen)
{
	static char name[] = "web";
	const struct handoff_addr addr = { .family = 4, .port = 80, .ip = { 127, 0, 0, 1 } };

	list_init(&broker.loop.timers);
	conf.name = name;
	conf.queue = queue;
	service.want = MAX_WORKERS;
	service.broker = &broker;
	service.conf = &conf;
	list_init(&service.endpoints);
	list_init(&service.listeners);
	list_init(&service.workers);
	service_pins_init(&service);
	endpoint = endpoint_new(&service, &addr);
	CHECK(endpoint);
	for (n_listeners = 0; n_listeners < listen; n_listeners++) {
		struct fake_listener *f = &listeners[n_listeners];

		f->l = listener_new(&service, &addr, 80, false, (int)n_listeners);
		CHECK(f->l);
		listener_attach(f->l, endpoint);
	}
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		struct fake_worker *f = &workers[i];

		f->room = MAX_QUEUE;
		f->w.service = &service;
		f->w.conf = &conf;
		f->w.state = WORKER_STARTING;
		f->w.generation = 1;
		(void)snprintf(f->w.name, sizeof(f->w.name), "web.%u", i);
		list_init(&f->w.channels);
		list_append(&service.workers, &f->w.link);
		list_init(&f->c.holders);
		list_append(&f->c.holders, &f->holder.link);
		list_append(&f->w.channels, &f->c.link);
		f->c.worker = &f->w;
		f->c.endpoint = endpoint;
		f->c.tx = f->c.rx = f->c.wake.fd = (int)i;
		f->c.member.slot = i;
		f->c.member.limit = queue;
		list_init(&f->c.member.link);
	}
	for (unsigned i = 0; i < n_workers; i++)
		worker_joins(i);
	n_accept_calls = 0; /* who joins looks once */
}

static void fake_stop(void)
{
	/* The numbers of the fake listeners are no descriptors to close. */
	for (unsigned i = 0; i < n_listeners; i++) {
		struct listener *l = listeners[i].l;

		listener_detach(l);
		list_remove(&l->link);
		free(l);
	}
	endpoint_free(endpoint);
}

/* Every client is in one place, and the books say the same. */
static void check_books(void)
{
	const struct ledger *l = &service.ledger;
	unsigned in_channels = 0, by_owner[CLOSED + 1] = { 0 };
	struct pending_conn *p;
	uint64_t last = 0;
	size_t n = 0;

	list_for_each (p, &endpoint->pending, link) {
		CHECK_EQ(client_of(p->fd)->owner, BROKER);
		if (!client_of(p->fd)->id) /* never offered to anybody yet */
			client_of(p->fd)->id = p->conn.id;
		CHECK_EQ(client_of(p->fd)->id, p->conn.id);
		CHECK(p->conn.id > last); /* oldest first, and each once */
		last = p->conn.id;
		n++;
	}
	CHECK_EQ(endpoint->n_pending, n);
	for (unsigned i = 0; i < MAX_WORKERS; i++)
		in_channels += workers[i].n;
	for (unsigned i = 0; i < n_clients; i++) {
		by_owner[clients[i].owner]++;
		CHECK_EQ(clients[i].open, clients[i].owner == BROKER);
	}
	CHECK_EQ(by_owner[NOBODY], 0);
	CHECK_EQ(by_owner[BROKER], n);
	CHECK_EQ(by_owner[CHANNEL], in_channels);
	CHECK_EQ(by_owner[SERVED], n_served);
	CHECK_EQ(by_owner[CLOSED], l->client_gone + l->refused);
	CHECK_EQ(l->sent - l->taken_back, in_channels + n_served);
	CHECK_EQ(l->accepted, l->sent - l->taken_back + n + l->client_gone + l->refused);
}

#endif
