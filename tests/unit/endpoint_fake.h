/*
 * endpoint_fake.h - a kernel, a loop and workers for the dispatcher, all in memory.
 *
 * The room dispatch/ is linked with what computes; every other function that it calls is here. A
 * connection is a client number, its descriptor FIRST_FD + number; the fake knows at any time who
 * owns it, so that a lost, a doubled, or a leaked one is seen at once.
 */
#pragma once

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "service/pin.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"
#include "dispatch/pending.h"
#include "sys/given.h"
#include "sys/tcp.h"
#include "sys/log.h"
#include "tap.h"

#define FIRST_FD    100000
#define MAX_CLIENTS 60000
#define CHECK_FD    (FIRST_FD - 1) /* the other end of a health check */
#define A_CHECK	    MAX_CLIENTS	   /* the same in a queue */
#define MAX_WORKERS 8
#define MAX_QUEUE   64
#define MAX_LISTEN  3

static struct kept_hand hand = { .fd = -1 };
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
	bool nonblock;
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
	enum accept_result failure;		 /* what accept gives instead */
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

enum accept_result tcp_accept(int fd, int flags, int *ret_fd, struct handoff_addr *ret_peer,
			      int *ret_errno)
{
	struct fake_listener *f = &listeners[fd];
	unsigned i;

	n_accept_calls++;
	if (f->failures_left) {
		f->failures_left--;
		*ret_errno = EBADF;
		return f->failure;
	}
	if (backlog(f) == 0)
		return ACCEPT_NONE;
	i = f->waiting[f->first++];
	CHECK_EQ(clients[i].owner, BACKLOG);
	clients[i].owner = BROKER;
	clients[i].open = true;
	clients[i].nonblock = flags & SOCK_NONBLOCK;
	*ret_fd = FIRST_FD + (int)i;
	*ret_peer = peer_of(&clients[i]);
	return ACCEPT_DONE;
}

struct unix_file unix_listener_file(const struct handoff_addr *addr)
{
	(void)addr;
	return (struct unix_file){ 0 };
}

void unix_listener_remove(const struct handoff_addr *addr, struct unix_file file)
{
	(void)addr;
	CHECK_EQ(file.inode, 0);
}

uint64_t tcp_written(int fd)
{
	CHECK_EQ(client_of(fd)->owner, BROKER);
	return 0;
}

void tcp_remove_filter(int fd)
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
	unsigned room;		      /* of the kernel's buffer: beyond it PAIR_BUSY */
	enum pair_result result;      /* what sending gives */
	bool edge;		      /* EPOLLOUT is due */
	bool stopped;		      /* its channel is lost */
	unsigned given, served;
};

static struct fake_worker workers[MAX_WORKERS];
static unsigned n_give_calls, last_worker;

unsigned pair_waiting(int rx)
{
	return workers[rx].n;
}

/* Without a check that is among them. */
static unsigned n_clients_at(const struct fake_worker *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n; i++)
		n += f->queue[i] != A_CHECK;
	return n;
}

static unsigned take_oldest(struct fake_worker *f)
{
	unsigned oldest = f->queue[0];

	memmove(f->queue, f->queue + 1, --f->n * sizeof(f->queue[0]));
	return oldest;
}

enum pair_result pair_send(int tx, const struct handoff_conn *conn, int fd)
{
	struct fake_worker *f = &workers[tx];
	struct client *client;

	if (fd == CHECK_FD) {
		CHECK_EQ(conn->listener, 0u);
		f->queue[f->n++] = A_CHECK;
		return PAIR_SENT;
	}
	client = client_of(fd);
	n_give_calls++;
	CHECK(hand.fd == fd && hand.channel == f->c.id);
	CHECK(conn->listener != 0);
	CHECK_EQ(client->owner, BROKER);
	/* By a pin also what is not in the round, and up to the queue that was configured. */
	if (!service.dispatch.pins.n) {
		CHECK(channel_is_in_round(&f->c));
		CHECK(n_clients_at(f) < f->c.member.limit);
	}
	CHECK(f->n < MAX_QUEUE);
	CHECK(handoff_check(conn, sizeof(*conn), HANDOFF_CONN));
	CHECK_EQ(!!(conn->flags & HANDOFF_CONN_NONBLOCK), client->nonblock);
	CHECK(conn->id != 0 && (client->id == 0 || client->id == conn->id));
	client->id = conn->id;
	if (f->result != PAIR_SENT)
		return f->result;
	if (n_clients_at(f) == f->room)
		return PAIR_FULL;
	client->owner = CHANNEL;
	f->queue[f->n++] = (unsigned)(fd - FIRST_FD);
	f->given++;
	last_worker = (unsigned)(f - workers);
	return PAIR_SENT;
}

enum pair_received pair_receive(int rx, struct handoff_conn *ret_conn, int *ret_fd, int *ret_errno)
{
	struct fake_worker *f = &workers[rx];
	struct client *client;
	unsigned oldest;

	/* As at the descriptor limit: it must not begin again in the middle of a dispatch. */
	if (endpoint->dispatching)
		CHECK(!endpoint_dispatch(endpoint));
	*ret_errno = 0;
	if (!f->n)
		return PAIR_EMPTY;
	oldest = take_oldest(f);
	*ret_conn = (struct handoff_conn){ 0 };
	*ret_fd = CHECK_FD;
	if (oldest == A_CHECK)
		return PAIR_RECEIVED;
	client = &clients[oldest];
	*ret_conn =
		(struct handoff_conn){ .id = client->id, .listener = 1, .peer = peer_of(client) };
	handoff_header_init(&ret_conn->h, HANDOFF_CONN);
	*ret_fd = FIRST_FD + (int)oldest;
	client->owner = BROKER;
	client->open = true;
	return PAIR_RECEIVED;
}

/* A nudge is for a worker that polls and then blocks: there is none here. */
void pair_nudge(int tx)
{
	(void)tx;
}

/* What channels and their holders need besides, and nothing here gets to. */
#define NOT_CALLED(call)                                                                           \
	call                                                                                       \
	{                                                                                          \
		tap_fail(__FILE__, __LINE__, "%s is called", #call);                               \
	}
NOT_CALLED(int pair_open(struct handoff_name *name __attribute__((unused)),
			 unsigned queue __attribute__((unused)), int *tx __attribute__((unused)),
			 int *rx __attribute__((unused))))
NOT_CALLED(int asked_apply(int fd __attribute__((unused)),
			   const struct asked *asked __attribute__((unused)),
			   const struct service_conf *sc __attribute__((unused)),
			   struct strbuf *error __attribute__((unused))))
NOT_CALLED(int tcp_configure(int fd __attribute__((unused)),
			     const struct service_conf *sc __attribute__((unused)),
			     const struct asked *asked __attribute__((unused)),
			     struct strbuf *error __attribute__((unused))))
NOT_CALLED(int unix_listener_configure(int fd __attribute__((unused)),
				       const struct handoff_addr *addr __attribute__((unused)),
				       struct unix_file file __attribute__((unused)),
				       const struct service_conf *sc __attribute__((unused)),
				       const struct broker_conf *bc __attribute__((unused)),
				       struct strbuf *error __attribute__((unused))))
NOT_CALLED(int tcp_listen(int fd __attribute__((unused)),
			  const struct service_conf *sc __attribute__((unused))))
NOT_CALLED(int rendezvous_receive(int fd __attribute__((unused)), void *buf __attribute__((unused)),
				  size_t size __attribute__((unused))))
enum given_by given_keep(int fd)
{
	(void)fd;
	return GIVEN_NOT;
}

void given_close(int fd, enum given_by by, bool stays)
{
	(void)by;
	(void)stays;
	(void)close(fd);
}

struct handoff_page page_of_none;
NOT_CALLED(int page_open(struct page *page __attribute__((unused)),
			 unsigned processes __attribute__((unused))))
NOT_CALLED(void page_close(struct page *page __attribute__((unused))))
NOT_CALLED(void page_read(const struct page *page __attribute__((unused)),
			  struct handoff_page *ret __attribute__((unused))))
NOT_CALLED(bool proc_is_stopped(pid_t pid __attribute__((unused)),
				struct proc_look *last __attribute__((unused)),
				bool was __attribute__((unused))))

void broker_watch(struct broker *b)
{
	CHECK(b == &broker);
}

/* The worker's accept(2). */
static void worker_takes(unsigned i)
{
	struct fake_worker *f = &workers[i];

	unsigned oldest;

	CHECK(f->n > 0);
	oldest = take_oldest(f);
	f->edge = true;
	if (oldest == A_CHECK)
		return;
	CHECK_EQ(clients[oldest].owner, CHANNEL);
	clients[oldest].owner = SERVED;
	n_served++;
	f->served++;
}

/* One connection of a health check, if none waits there. */
static void worker_is_checked(unsigned i)
{
	struct channel *c = &workers[i].c;
	struct handoff_conn conn = { .listener = 7 };

	if (!channel_check_waits(c, workers[i].n) && workers[i].n < MAX_QUEUE)
		CHECK_EQ(channel_give_check(c, &conn, CHECK_FD), PAIR_SENT);
}

/* As the worker does at ACT_PUBLISH. */
static void worker_joins(unsigned i)
{
	struct fake_worker *f = &workers[i];

	f->c.member.waiting = f->n;
	f->c.broken = false;
	f->w.state = WORKER_READY;
	taker_set_gate(&f->w.taker, f->w.pinned_only ? TAKER_PINNED : TAKER_OPEN);
	endpoint_join(endpoint, &f->c);
	if (endpoint->wakes)
		endpoint_dispatch(endpoint);
}

static void worker_enters(unsigned i, enum worker_state state)
{
	workers[i].w.state = state;
	taker_set_gate(&workers[i].w.taker, state == WORKER_HELD ? TAKER_PINNED : TAKER_SHUT);
	endpoint_leave(endpoint, &workers[i].c);
}

/* As the worker does at ACT_WITHDRAW | ACT_TAKE_BACK. */
static void worker_goes(unsigned i, enum worker_state state)
{
	worker_enters(i, state);
	(void)endpoint_take_back(&workers[i].c, "it leaves");
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
	*timer = (struct loop_timer){ .expired = expired };
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	timer->at_ms = loop->now_ms + delay_ms;
	timer->node.at = &timer->node.left; /* linked, in a heap of its own */
}

void loop_timer_disarm(struct loop_timer *timer)
{
	timer->node.at = NULL;
}

uint64_t loop_cpu_ns(void)
{
	return 0; /* nothing here takes long */
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

/* What was put off to the next turn of the loop. False: nothing was. */
static bool loop_catches_up(void)
{
	if (!loop_timer_armed(&endpoint->again) || endpoint->again.at_ms > broker.loop.now_ms)
		return false;
	loop_timer_disarm(&endpoint->again);
	endpoint->again.expired(&endpoint->again);
	return true;
}

/* One thing that epoll_wait(2) would report, beginning at a random place. False: it would wait. */
static bool loop_turn(unsigned start)
{
	for (unsigned i = 0; i < MAX_WORKERS; i++)
		if (workers[i].c.broken) {
			loop_timer_disarm(&workers[i].c.verdict);
			workers[i].c.broken = false;
			workers[i].stopped = true;
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
			f->c.wake.ready(&f->c.wake, EPOLLOUT);
			return true;
		}
	}
	return loop_catches_up();
}

/* The timer's turn, if it is armed. */
static bool loop_waits(void)
{
	if (!loop_timer_armed(&endpoint->again))
		return false;
	CHECK(endpoint->again.at_ms >= broker.loop.now_ms);
	broker.loop.now_ms = endpoint->again.at_ms;
	loop_timer_disarm(&endpoint->again);
	endpoint->again.expired(&endpoint->again);
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

/* As channel.c: what its worker takes wakes the endpoint. */
static void woken(struct loop_source *source, uint32_t events)
{
	struct endpoint *e = container_of(source, struct channel, wake)->endpoint;

	(void)events;
	(void)e->dispatch_now(e, NULL);
}

static const struct loop_source wake = { .ready = woken };

/* --- made and freed ------------------------------------------------------------------ */

static void fake_start(unsigned n_workers, unsigned queue, unsigned listen)
{
	static char name[] = "web";
	const struct handoff_addr addr = { .family = 4, .port = 80, .ip = { 127, 0, 0, 1 } };

	broker.spare_fd = FIRST_FD - 1; /* not needed here */
	broker.hand = &hand;
	strcpy(conf.name, name);
	conf.queue = queue;
	service.want = MAX_WORKERS;
	service.broker = &broker;
	service.conf = &conf;
	strcpy(service.name, name);
	service.dispatch.service = service.name;
	dispatch_init(&service.dispatch, &broker);
	list_init(&service.workers);
	loop_timer_init(&service.pin_timer, service_pin_expired);
	endpoint = endpoint_new(&service.dispatch, &addr);
	CHECK(endpoint);
	for (n_listeners = 0; n_listeners < listen; n_listeners++) {
		struct fake_listener *f = &listeners[n_listeners];

		f->l = listener_new(&service.dispatch, &addr, 80, false, (int)n_listeners, false);
		CHECK(f->l);
		listener_attach(f->l, endpoint);
	}
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		struct fake_worker *f = &workers[i];

		f->room = MAX_QUEUE;
		f->w.conf = &conf;
		f->w.terms = &service.terms;
		f->w.state = WORKER_STARTING;
		f->w.generation = 1;
		f->w.pid = (pid_t)i + 2;
		(void)snprintf(f->w.name, sizeof(f->w.name), "web.%u", i);
		list_append(&service.workers, &f->w.link);
		f->w.slot = i;
		f->w.taker = (struct taker){ .dispatch = &service.dispatch,
					     .self = &f->w.kept,
					     .conf = &conf };
		list_init(&f->w.taker.channels);
		f->c.page = PAGE_INIT;
		list_append(&service.dispatch.takers, &f->w.taker.link);
		f->c.taker = &f->w.taker;
		f->c.endpoint = endpoint;
		list_init(&f->c.holders);
		loop_timer_init(&f->c.verdict, NULL);
		list_append(&f->c.holders, &f->holder.link);
		list_append(&f->w.taker.channels, &f->c.link);
		f->c.tx = f->c.rx = (int)i;
		f->c.seat = -1;
		f->c.wake = wake;
		f->c.wake.fd = (int)i;
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
	pins_deinit(&service.dispatch.pins);
}

/* Every client is in one place, and the books say the same. */
static void check_books(void)
{
	const struct ledger *l = &service.dispatch.ledger;
	unsigned in_channels = 0, by_owner[CLOSED + 1] = { 0 };
	uint64_t last = 0;
	size_t n = 0;

	CHECK_EQ(hand.fd, -1);
	list_for_each (struct pending_conn, p, &endpoint->pending, link) {
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
		in_channels += n_clients_at(&workers[i]);
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		const struct channel *c = &workers[i].c;

		CHECK_EQ(channel_waiting(c), n_clients_at(&workers[i]));
		CHECK_EQ(channel_taken(c, channel_waiting(c)), workers[i].served);
	}
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
