#include "move.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "service/idle_end.h"
#include "service/returned.h"
#include "sys/log.h"
#include "sys/relay.h"
#include "sys/retire.h"
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

static void close_seats(struct worker *w)
{
	list_for_each (struct channel, c, &w->taker.channels, link)
		channel_close_seat(c);
}

static void close_relay(struct mover *m)
{
	struct broker *b = m->relay.broker;

	loop_remove(&b->loop, &m->source);
	retire_fd(&m->fd);
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct worker, w, &s->workers, link)
			close_seats(w);
}

static void relay_wrote(struct helper *h, const char *bytes, size_t n)
{
	(void)h;
	log_event(LEVEL_WARN, "relay", LOG_MSG("the relay: %.*s", (int)n, bytes));
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
	m->n_seats = m->n_conns = 0;
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

/* --- workers that give away ------------------------------------------------------------------- */

/* Until when they are left alone though they are idle: see idle_end.h. */
static int64_t idle_end_ms(const struct worker *w)
{
	const struct service_conf *live = w->terms->live;
	int64_t begins = idle_end_begins_ms(live);

	if (begins == INT64_MAX || w->state != WORKER_DRAINING)
		return -1;
	begins -= loop_now(worker_loop(w)) - w->state_since_ms;
	return begins > 0 ? begins : 0;
}

/* Clients that are pinned to a held worker are why it is held. False: they are too many. */
static bool add_stays(struct worker *w, struct relay_seat_message *seat)
{
	const struct pins *pins = &service_of(w)->dispatch.pins;

	for (size_t i = 0; w->state == WORKER_HELD && i < pins->n; i++) {
		if (!pin_names(&pins->pin[i], w->name, w->generation))
			continue;
		if (seat->n_stays == RELAY_STAYS_MAX)
			return false;
		seat->stays[seat->n_stays++] = pins->pin[i].kept;
	}
	return true;
}

static bool open_seat(struct mover *m, struct channel *c, const struct handoff_move *move)
{
	struct relay_seat_message seat = { .channel = c->id,
					   .end_idle_ms = idle_end_ms(worker_of(c)),
					   .move = *move };
	_cleanup_fd_ int theirs = -1;
	int pair[2];

	if (c->seat >= 0)
		return true;
	if (!add_stays(worker_of(c), &seat) || !start_relay(m) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	c->seat = pair[0];
	theirs = pair[1];
	if (handoff_send(m->fd, &seat, sizeof(seat), &theirs, 1, MSG_DONTWAIT) < 0)
		fd_closep(&c->seat);
	m->n_seats += c->seat >= 0;
	return c->seat >= 0;
}

/* A reload is about to replace @w as well. */
static bool is_next_to_leave(const struct worker *w)
{
	const struct service *s = service_of(w);

	return s->rollout.active && s->roll_kind == ROLL_RELOAD &&
	       s->rollout.strategy == STRATEGY_START_FIRST && !w->guest &&
	       w->rollout_number != s->rollout_number;
}

/* Whoever moves during a reload is to move once. But it may take longer than the drain. */
static bool has_place(struct channel *c)
{
	const struct worker *w = worker_of(c);
	int64_t drains_ms = loop_now(worker_loop(w)) - w->state_since_ms;
	bool waits = drains_ms < w->terms->live->drain_timeout_ms / 2, any = false;

	list_for_each (struct balancer_member, m, &c->endpoint->round.ring, link) {
		if (waits && is_next_to_leave(worker_of(container_of(m, struct channel, member))))
			return false;
		any |= m->limit > 0;
	}
	return any;
}

static void tell(struct mover *m, struct channel *c)
{
	struct handoff_move move = { .n_ports = 0 };
	int waiting = 0;

	/*
	 * Nobody to move to; or what is there was not read yet. An app whose accept blocks, and
	 * that is not in one, would wait there for the connection that it thinks it has seen, and
	 * its clients with it.
	 */
	if (!has_place(c) || ioctl(c->rx, FIONREAD, &waiting) < 0 || waiting || c->native ||
	    !(fcntl(c->rx, F_GETFL) & O_NONBLOCK || channel_is_accepting(c)))
		return;
	handoff_header_init(&move.h, HANDOFF_MOVE);
	list_for_each (const struct listener, l, &c->endpoint->listeners, endpoint_link)
		if (l->addr.port && move.n_ports < HANDOFF_MOVE_PORTS)
			move.ports[move.n_ports++] = l->addr.port;
	if (move.n_ports && open_seat(m, c, &move))
		(void)handoff_send(c->tx, &move, sizeof(move), &c->seat, 1, MSG_DONTWAIT);
}

static bool gives_away(const struct worker *w)
{
	return w->conf->mode == MODE_LISTEN &&
	       (w->state == WORKER_DRAINING ||
		(w->state == WORKER_HELD && (w->gives_away || (w->held & HELD_BY_DEBUG))));
}

bool worker_moves(struct worker *w)
{
	return service_of(w)->conf->move != MOVE_OFF && gives_away(w) &&
	       list_find(struct channel, c, &w->taker.channels, link, has_place(c));
}

bool service_move(struct service *s)
{
	bool off = s->conf->move == MOVE_OFF || service_leaves(s), any = false;
	int64_t now = loop_now(service_loop(s));

	list_for_each (struct worker, w, &s->workers, link) {
		if (off || !gives_away(w)) {
			close_seats(w);
			continue;
		}
		any = true;
		/* Ever less often: what has stayed until now will stay, mostly. */
		if (now - w->move_ms < EACH_MS + (now - w->state_since_ms) / 64)
			continue;
		w->move_ms = now;
		/* Or it seems to have none: a move would hide one from the look that confirms it.
		 */
		if (w->found_none || (w->state == WORKER_HELD && worker_tracer(w)))
			continue;
		list_for_each (struct channel, c, &w->taker.channels, link)
			tell(s->broker->mover, c);
	}
	return any;
}

/* --- what comes back -------------------------------------------------------------------------- */

/* It is as one that was just accepted, but for what its client has sent. */
static void take(struct broker *b, uint64_t from, int *fd)
{
	struct channel *c = returned_from(b, from);
	struct handoff_addr peer;
	struct endpoint *e;
	struct listener *l;

	if (!pair_option_is(*fd, SO_PROTOCOL, IPPROTO_TCP) ||
	    !pair_option_is(*fd, SO_ACCEPTCONN, 0) || tcp_peer_address(*fd, &peer) < 0)
		return;
	e = returned_to(b, *fd, true, &l);
	if (!e)
		return;
	(void)fcntl(*fd, F_SETFL, O_RDWR);
	e->dispatch->moved++;
	if (c)
		worker_of(c)->moved_away++;
	returned_add(e, l, fd_take(fd), false);
}

static void count_idle(struct channel *c)
{
	if (!c)
		return;
	worker_of(c)->ended_idle++;
	service_of(worker_of(c))->measured.ended_idle++;
}

/* False: there is none, or no room for it here. */
static bool take_next(struct mover *m)
{
	struct broker *b = m->relay.broker;
	union {
		struct relay_moved_message m;
		char words[256]; /* its standard output and error are this socket, too */
	} said;
	const struct relay_moved_message *moved = &said.m;
	struct pair_message got;
	int room = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	ssize_t n;

	if (room < 0) {
		m->short_until_ms = loop_now(&b->loop) + SHORT_MS;
		loop_modify(&b->loop, &m->source, 0);
		broker_watch(b);
		return false;
	}
	fd_closep(&room);
	n = pair_receive_any(m->fd, &said, sizeof(said), MSG_DONTWAIT, &got);
	if (n == 0 || (n < 0 && n != -EAGAIN))
		close_relay(m);
	if (n <= 0)
		return false;
	if (n == sizeof(*moved) && moved->what <= RELAY_SAYS_DONE) {
		m->n_conns = moved->n_conns;
		if (moved->what == RELAY_SAYS_MOVED && got.fd >= 0)
			take(b, moved->n, &got.fd);
		else if (moved->what == RELAY_SAYS_IDLE)
			count_idle(returned_from(b, moved->n));
		/* It ends, unless another seat is on its way. */
		else if (moved->what == RELAY_SAYS_DONE && moved->n >= m->n_seats)
			(void)shutdown(m->fd, SHUT_WR);
	} else {
		relay_wrote(&m->relay, said.words, (size_t)n);
	}
	fd_closep(&got.fd);
	return true;
}

static void relay_ended(struct helper *h, int status)
{
	struct mover *m = container_of(h, struct mover, relay);

	if (!status)
		return;
	/* What it has said before. */
	while (m->fd >= 0 && take_next(m))
		;
	log_event(LEVEL_ERROR, "relay", LOG_INT("status", status), LOG_INT("lost", m->n_conns),
		  LOG_MSG("the relay has ended: the %u connections that went through it are lost",
			  m->n_conns));
}

static void comes_back(struct loop_source *source, uint32_t events)
{
	struct mover *m = container_of(source, struct mover, source);

	(void)events;
	for (int i = 0; i < AT_ONCE && take_next(m); i++)
		;
}

bool mover_watch(struct mover *m)
{
	struct broker *b = m->relay.broker;

	if (m->short_until_ms && m->fd >= 0 && loop_now(&b->loop) >= m->short_until_ms) {
		m->short_until_ms = 0;
		loop_modify(&b->loop, &m->source, EPOLLIN);
	}
	return m->short_until_ms && m->fd >= 0;
}

/* --- the life of the broker ------------------------------------------------------------------- */

void mover_init(struct mover *m, struct broker *b)
{
	helper_init(&m->relay, b, NULL);
	m->relay.wrote = relay_wrote;
	m->relay.ended = relay_ended;
	m->fd = -1;
	m->source = (struct loop_source){ .fd = -1, .ready = comes_back };
	b->mover = m;
}

void mover_keep(const struct mover *m, struct kept_run *k)
{
	k->relay = m->relay.kept;
	k->relay.limit_at_ms = 0;
	k->relay_fd = m->fd;
	k->relay_seats = m->n_seats;
	k->relay_conns = m->n_conns;
}

int mover_adopt(struct mover *m, const struct kept_run *k)
{
	if (k->relay_fd <= STDERR_FILENO)
		return 0;
	m->fd = k->relay_fd;
	m->short_until_ms = 0;
	m->n_seats = k->relay_seats;
	m->n_conns = (unsigned)k->relay_conns;
	if (helper_adopt(&m->relay, &k->relay) < 0)
		return -ENOMEM;
	return loop_add(&m->relay.broker->loop, &m->source, m->fd, EPOLLIN);
}
