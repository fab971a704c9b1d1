#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "dispatch/flow.h"
#include "service/idle_end.h"
#include "service/returned.h"
#include "sys/log.h"
#include "sys/relay.h"
#include "sys/starter.h"
#include "sys/tcp.h"
#include "worker/clock.h"
#include "worker/command.h"

/* A process of a worker that has moved what it could is asked again after so long, or another is.
 */
#define EACH_MS	 100
#define SHORT_MS 50
#define AT_ONCE	 64

/* --- the relay -------------------------------------------------------------------------------- */

static void close_relay(struct mover *m)
{
	struct broker *b = m->relay.broker;

	loop_remove(&b->loop, &m->source);
	fd_closep(&m->fd);
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct worker, w, &s->workers, link)
			list_for_each (struct channel, c, &w->taker.channels, link)
				fd_closep(&c->seat);
}

static void relay_wrote(struct helper *h, const char *bytes, size_t n)
{
	(void)h;
	log_event(LEVEL_WARN, "relay", LOG_MSG("the relay: %.*s", (int)n, bytes));
}

static void relay_ended(struct helper *h, int status)
{
	if (status)
		log_event(LEVEL_ERROR, "relay", LOG_INT("status", status),
			  LOG_MSG("the relay has ended: the connections that went through it are "
				  "lost"));
	close_relay(container_of(h, struct mover, relay));
}

static bool start_relay(struct mover *m)
{
	struct broker *b = m->relay.broker;
	char how[] = { (char)('0' + b->conf->seccomp), 0 };
	char *argv[] = { (char[]){ "broker" }, (char[]){ RELAY_OPTION }, how, NULL };
	struct spawn_request req;
	_cleanup_fd_ int theirs = -1;
	STRBUF(error, 512);
	int pair[2], r;

	/* One that is about to end closes its end of the socket first. */
	if (m->fd >= 0 || m->relay.pid)
		return m->fd >= 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	m->fd = pair[0];
	theirs = pair[1];
	r = spawn_self(argv, &req);
	req.output_fd = theirs;
	if (r == 0)
		r = helper_spawn(&m->relay, &req, INT32_MAX, &error);
	fd_closep(&req.socket_fd);
	if (r == 0)
		r = loop_add(&b->loop, &m->source, m->fd, EPOLLIN);
	if (r < 0) {
		log_event(LEVEL_WARN, "relay",
			  LOG_MSG("cannot start the relay, so no connection moves: %s",
				  error.len ? error.text : strerror(-r)));
		close_relay(m);
		return false;
	}
	loop_timer_disarm(&m->relay.limit);
	/* If we are killed, it ends with the workers that have clients there. */
	(void)starter_keep(m->relay.pid, SIGTERM, INT32_MAX, 0, -1);
	return true;
}

/* --- workers that drain ----------------------------------------------------------------------- */

/* Until when they are left alone though they are idle: see idle_end.h. */
static int64_t idle_end_ms(const struct worker *w)
{
	const struct service_conf *live = w->terms->live;
	int64_t begins = idle_end_begins_ms(live);

	if (begins == INT64_MAX)
		return -1;
	begins -= loop_now(worker_loop(w)) - w->state_since_ms;
	return begins > 0 ? begins : 0;
}

static bool open_seat(struct mover *m, struct channel *c, const struct handoff_move *move)
{
	const struct relay_seat_message seat = { .channel = c->id,
						 .end_idle_ms = idle_end_ms(worker_of(c)),
						 .move = *move };
	_cleanup_fd_ int theirs = -1;
	int pair[2];

	if (c->seat >= 0)
		return true;
	if (!start_relay(m) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	c->seat = pair[0];
	theirs = pair[1];
	if (handoff_send(m->fd, &seat, sizeof(seat), &theirs, 1, MSG_DONTWAIT) < 0)
		fd_closep(&c->seat);
	return c->seat >= 0;
}

static void tell(struct mover *m, struct channel *c)
{
	struct handoff_move move = { .n_ports = 0 };
	const struct endpoint *e = c->endpoint;
	int waiting = 0;

	/*
	 * Nobody to move to; or what is there was not read yet. An app whose accept blocks, and
	 * that is not in one, would wait there for the connection that it thinks it has seen, and
	 * its clients with it.
	 */
	if (!list_find(struct balancer_member, mem, &e->round.ring, link, mem->limit > 0) ||
	    ioctl(c->rx, FIONREAD, &waiting) < 0 || waiting || c->native ||
	    !(fcntl(c->rx, F_GETFL) & O_NONBLOCK || channel_is_accepting(c)))
		return;
	handoff_header_init(&move.h, HANDOFF_MOVE);
	list_for_each (const struct listener, l, &e->listeners, endpoint_link)
		if (l->addr.port && move.n_ports < HANDOFF_MOVE_PORTS)
			move.ports[move.n_ports++] = l->addr.port;
	if (move.n_ports && open_seat(m, c, &move))
		(void)handoff_send(c->tx, &move, sizeof(move), &c->seat, 1, MSG_DONTWAIT);
}

bool service_move(struct service *s)
{
	bool drains = false;
	struct mover *m = s->broker->mover;
	int64_t now = loop_now(service_loop(s));

	if (s->conf->move == MOVE_OFF || service_leaves(s))
		return false;
	list_for_each (struct worker, w, &s->workers, link) {
		if (w->state != WORKER_DRAINING || w->conf->mode != MODE_LISTEN)
			continue;
		drains = true;
		if (now - w->move_ms < EACH_MS)
			continue;
		w->move_ms = now;
		list_for_each (struct channel, c, &w->taker.channels, link)
			tell(m, c);
	}
	return drains;
}

/* --- what comes back -------------------------------------------------------------------------- */

/* It is as one that was just accepted, but for what its client has sent. */
static void take(struct broker *b, uint64_t from, int *fd)
{
	struct channel *c = returned_from(b, from);
	struct handoff_addr peer;
	struct listener *l;

	if (!pair_option_is(*fd, SO_PROTOCOL, IPPROTO_TCP) ||
	    !pair_option_is(*fd, SO_ACCEPTCONN, 0) || tcp_peer_address(*fd, &peer) < 0)
		return;
	l = returned_through(b, *fd, true);
	if (!l)
		return;
	(void)fcntl(*fd, F_SETFL, O_RDWR);
	l->dispatch->moved++;
	if (c)
		worker_of(c)->moved_away++;
	returned_add(l, fd_take(fd), false);
}

/* False: there is none, or no room for it here. */
static bool take_next(struct mover *m)
{
	struct broker *b = m->relay.broker;
	struct relay_moved_message moved;
	struct pair_message got;
	ssize_t n = pair_receive_any(m->fd, &moved, sizeof(moved), MSG_DONTWAIT | MSG_PEEK, &got);

	fd_closep(&got.fd);
	if (got.cut_fds) {
		m->short_until_ms = loop_now(&b->loop) + SHORT_MS;
		loop_modify(&b->loop, &m->source, 0);
		broker_watch(b);
		return false;
	}
	if (n == 0 || (n < 0 && n != -EAGAIN))
		close_relay(m);
	if (n <= 0)
		return false;
	n = pair_receive_any(m->fd, &moved, sizeof(moved), MSG_DONTWAIT, &got);
	if (n == sizeof(moved) && got.fd >= 0)
		take(b, moved.channel, &got.fd);
	fd_closep(&got.fd);
	return true;
}

static void comes_back(struct loop_source *source, uint32_t events)
{
	struct mover *m = container_of(source, struct mover, source);

	(void)events;
	for (int i = 0; i < AT_ONCE && take_next(m); i++)
		;
}

void mover_watch(struct mover *m, bool wanted)
{
	struct broker *b = m->relay.broker;

	if (m->fd < 0)
		return;
	if (!wanted)
		close_relay(m); /* it goes on with what it has */
	else if (m->short_until_ms && loop_now(&b->loop) >= m->short_until_ms) {
		m->short_until_ms = 0;
		loop_modify(&b->loop, &m->source, EPOLLIN);
	}
}

void mover_init(struct mover *m, struct broker *b)
{
	helper_init(&m->relay, b, NULL);
	m->relay.wrote = relay_wrote;
	m->relay.ended = relay_ended;
	m->fd = -1;
	m->source = (struct loop_source){ .fd = -1, .ready = comes_back };
	b->mover = m;
}
