#include "relay.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "base/fd.h"
#include "handoff_rights.h"
#include "policy/relay.h"
#include "sys/loop.h"
#include "sys/pair.h"
#include "sys/sandbox.h"
#include "sys/tcp.h"

/* A system call of another thread of the app may have begun before the swap, and read on. */
#define SETTLES_MS 5
/* A head that comes in pieces is looked at so often, and for so long. */
#define LOOK_MS 5
#define LATE_MS 1000
/* The broker had no room for a connection. */
#define AGAIN_MS 10
/* With seat.end_idle_ms: what nobody has used for so long is idle. */
#define IDLE_MS 256
#define TURNS	16 /* of one connection, before the others get theirs */
/* Descriptors for what may wait in a seat: nobody else has the way to these clients. */
#define SEAT_FDS 600

struct seat {
	struct list link; /* seats */
	struct loop_source source;
	int fd;	   /* owned; -1: the broker has closed it */
	bool full; /* it takes no more */
	struct relay_seat_message as;
	struct pins stays;
	unsigned n_conns;
	struct loop_timer end_idle;
};

struct relayed {
	struct list link; /* conns */
	struct seat *seat;
	struct handoff_addr peer;
	struct relay_conn state;
	struct side {
		struct relayed *of;
		int fd; /* owned */
		struct loop_source source;
		bool ended; /* it sends no more */
		bool full;  /* it takes no more for now */
	} real, pair;
	struct loop_timer again;    /* while the client's bytes wait for more */
	int64_t began_ms, waits_ms; /* waits_ms: since when they do; 0: they do not */
	struct idle_track idle;
};

static struct loop loop;
static struct list seats = { &seats, &seats }, conns = { &conns, &conns };
static struct loop_source broker;
static char buffer[64 << 10];
static size_t n_conns, n_open;	 /* connections and seats */
static uint64_t n_seats, n_said; /* that came; when there was none left, the broker was told */
static bool broker_takes = true;
static struct rlimit files;

/* --- one connection --------------------------------------------------------------------------- */

static void watch(struct side *s, uint32_t events)
{
	/* Without a wish it must not be told of hang-ups, either. */
	if (!events)
		loop_remove(&loop, &s->source);
	else if (s->source.fd < 0)
		(void)loop_add(&loop, &s->source, s->fd, events);
	else if (s->source.events != events)
		loop_modify(&loop, &s->source, events);
}

static int tell(enum relay_says what, uint64_t n, const int *fd, int flags)
{
	const struct relay_moved_message m = { n, what, (unsigned)n_conns };
	int e = handoff_send(RELAY_FD, &m, sizeof(m), fd, fd ? 1 : 0, flags);

	broker_takes = e != -EPIPE && e != -ECONNRESET;
	return e;
}

static void end_if_done(void)
{
	list_for_each_safe (struct seat, s, tmp, &seats, link) {
		if (s->fd >= 0 || s->n_conns)
			continue;
		loop_timer_disarm(&s->end_idle);
		pins_deinit(&s->stays);
		list_remove(&s->link);
		n_open--;
		free(s);
	}
	if (!list_empty(&seats))
		return;
	if (broker.fd >= 0 && n_seats > n_said) {
		/* There is nothing else to do, so this may wait until the broker has room. */
		(void)tell(RELAY_SAYS_DONE, n_seats, NULL, 0);
		n_said = n_seats;
	}
	loop.stop = broker.fd < 0;
}

/* The broker has not changed its mind, nor ended. */
static bool may_move(const struct relayed *r)
{
	struct seat *seat = list_find(struct seat, s, &seats, link,
				      s->fd >= 0 && s->as.channel == r->seat->as.channel);

	return broker_takes && seat && !pins_match(&seat->stays, &r->peer);
}

static void drop(struct relayed *r)
{
	watch(&r->real, 0);
	watch(&r->pair, 0);
	loop_timer_disarm(&r->again);
	fd_closep(&r->real.fd);
	fd_closep(&r->pair.fd);
	r->seat->n_conns--;
	n_conns--;
	list_remove(&r->link);
	free(r);
	(void)tell(RELAY_SAYS_HAS, 0, NULL, MSG_DONTWAIT);
	end_if_done();
}

static bool has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* Bytes in @from, which stay there; 0: it has ended; -EAGAIN: there are none. */
static ssize_t peek(const struct side *from)
{
	ssize_t n = recv(from->fd, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

/* The first @n of them go to @to. How many did; -EAGAIN: @to is full. */
static ssize_t pass(const struct side *from, struct side *to, size_t n)
{
	ssize_t sent = send(to->fd, buffer, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	char *at = buffer;

	to->full = sent < (ssize_t)n && (sent >= 0 || errno == EAGAIN);
	if (sent < 0)
		return -errno;
	/* They are the same bytes. */
	for (ssize_t left = sent; left > 0;) {
		ssize_t got = recv(from->fd, at, (size_t)left, MSG_DONTWAIT);

		if (got <= 0)
			return got < 0 ? -errno : -EPIPE;
		at += got;
		left -= got;
	}
	return sent;
}

/* What the app has written. False: the connection is over. */
static bool pass_answer(struct relayed *r)
{
	for (int i = 0; i < TURNS && !r->real.full && !r->pair.ended; i++) {
		ssize_t n = peek(&r->pair);

		if (n > 0) {
			n = pass(&r->pair, &r->real, (size_t)n);
			if (n > 0) {
				relay_answered(&r->state, buffer, (size_t)n);
			}
		} else if (n == 0) {
			r->pair.ended = true;
			if (has_hung_up(r->pair.fd))
				return false;
			relay_half_closed(&r->state);
			(void)shutdown(r->real.fd, SHUT_WR);
		}
		if (n == -EAGAIN)
			return true;
		if (n < 0)
			return false;
	}
	return true;
}

/* The connection goes to the broker. False: it does not, for now. */
static bool give(struct relayed *r)
{
	/* Else its registration would live on, and the broker closes its copy. */
	watch(&r->real, 0);
	return tell(RELAY_SAYS_MOVED, r->seat->as.channel, &r->real.fd, MSG_DONTWAIT) == 0;
}

static void wait_for(struct relayed *r, int64_t ms)
{
	if (!r->waits_ms)
		r->waits_ms = loop_now(&loop);
	loop_timer_arm(&loop, &r->again, ms);
}

/* What the client has sent. False: the connection is over here. */
static bool pass_request(struct relayed *r)
{
	int64_t now = loop_now(&loop);

	for (int i = 0; i < TURNS && !r->pair.full && !r->real.ended; i++) {
		ssize_t n = peek(&r->real);
		struct relay_verdict v;
		bool moves;

		if (n == -EAGAIN)
			return true;
		if (n < 0)
			return false;
		if (n == 0) {
			r->real.ended = true;
			relay_half_closed(&r->state);
			(void)shutdown(r->pair.fd, SHUT_WR);
			return true;
		}
		v = relay_ask(&r->state, buffer, (size_t)n);
		moves = v.what == RELAY_MOVE && may_move(r);
		if (moves && now - r->began_ms >= SETTLES_MS && give(r))
			return false;
		moves &= broker_takes;
		if (moves || (v.what == RELAY_WAIT && n < (ssize_t)sizeof(buffer) &&
			      (!r->waits_ms || now - r->waits_ms < LATE_MS))) {
			wait_for(r, moves ? AGAIN_MS : LOOK_MS);
			return true;
		}
		r->waits_ms = 0;
		n = pass(&r->real, &r->pair, v.n);
		if (n > 0) {
			relay_passed(&r->state, buffer, (size_t)n);
		} else if (n != -EAGAIN) {
			return false;
		}
	}
	return true;
}

/* As far as it goes. The answer first: it may be what a request waits for. */
static void pump(struct relayed *r)
{
	bool closed;

	loop_timer_disarm(&r->again);
	closed = !pass_answer(r);
	/* The app has closed it. A request that has come meanwhile is not lost with it. */
	if (closed && r->state.state == RELAY_BETWEEN && peek(&r->real) > 0) {
		r->pair.full = false;
		r->pair.ended = true;
		closed = !pass_request(r) || !loop_timer_armed(&r->again);
	} else if (!closed) {
		closed = !pass_request(r) || (r->real.ended && r->pair.ended);
	}
	if (closed) {
		drop(r);
		return;
	}
	watch(&r->real,
	      (r->real.ended || r->pair.full || loop_timer_armed(&r->again) ? 0 : EPOLLIN) |
		      (r->real.full ? EPOLLOUT : 0));
	watch(&r->pair,
	      (r->pair.ended || r->real.full ? 0 : EPOLLIN) | (r->pair.full ? EPOLLOUT : 0));
}

static void side_ready(struct loop_source *source, uint32_t events)
{
	struct side *s = container_of(source, struct side, source);

	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		s->full = false;
	/* It has nothing more to say, and nobody can say anything to it. */
	if (s->ended && (events & (EPOLLERR | EPOLLHUP)))
		drop(s->of);
	else
		pump(s->of);
}

static void again_expired(struct loop_timer *timer)
{
	pump(container_of(timer, struct relayed, again));
}

/* --- seats ------------------------------------------------------------------------------------ */

/* Two ends of a connection of the worker's own would send each other the same bytes for ever. */
static bool is_of_service(const struct handoff_move *move, int fd)
{
	uint16_t port = tcp_local_port(fd);

	for (size_t i = 0; i < move->n_ports; i++)
		if (port && move->ports[i] == port)
			return pair_option_is(fd, SO_ACCEPTCONN, 0);
	return false;
}

static void begin(struct seat *seat, int *real, int *pair)
{
	struct relayed *r = calloc(1, sizeof(*r));
	struct idle_sample now;
	bool stays;

	if (!r)
		return;
	r->seat = seat;
	seat->n_conns++;
	n_conns++;
	stays = tcp_sample(*real, &now) < 0 || tcp_peer_address(*real, &r->peer) < 0;
	relay_begin(&r->state, stays ? NULL : &now);
	r->real =
		(struct side){ r, fd_take(real), { .fd = -1, .ready = side_ready }, false, false };
	r->pair =
		(struct side){ r, fd_take(pair), { .fd = -1, .ready = side_ready }, false, false };
	r->began_ms = loop_now(&loop);
	loop_timer_init(&r->again, again_expired);
	list_append(&conns, &r->link);
	(void)tell(RELAY_SAYS_HAS, 0, NULL, MSG_DONTWAIT);
	pump(r);
}

static void offered(struct loop_source *source, uint32_t events)
{
	struct seat *seat = container_of(source, struct seat, source);
	struct handoff_received got;
	union handoff_message offer;

	handoff_receive(seat->fd, &offer, sizeof(offer), MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 2, &got);
	if (got.n == 0 && !got.control && seat->full && !(events & EPOLLHUP)) {
		loop_modify(&loop, source, 0); /* of its end we are told all the same */
		return;
	}
	if (got.n == 0 && !got.control) {
		loop_remove(&loop, source);
		fd_closep(&seat->fd);
		end_if_done();
		return;
	}
	if (got.n > 0 && handoff_check(&offer, (size_t)got.n, HANDOFF_OFFER) &&
	    is_of_service(&seat->as.move, got.fds[0]) &&
	    pair_option_is(got.fds[1], SO_DOMAIN, AF_UNIX) &&
	    pair_option_is(got.fds[1], SO_TYPE, SOCK_STREAM))
		begin(seat, &got.fds[0], &got.fds[1]);
	fd_closep(&got.fds[0]);
	fd_closep(&got.fds[1]);
	/* Those that can still be taken are no more than these. */
	if (2 * n_conns + SEAT_FDS * n_open > files.rlim_cur) {
		seat->full = true;
		(void)shutdown(seat->fd, SHUT_RD);
	}
}

/* From now on, those of the seat that are idle are closed, as the others become so. */
static void end_idle_expired(struct loop_timer *timer)
{
	struct seat *seat = container_of(timer, struct seat, end_idle);
	struct idle_sample now;

	seat->n_conns++; /* it outlives them */
	list_for_each_safe (struct relayed, r, tmp, &conns, link)
		if (r->seat == seat && !r->pair.full && !r->real.full &&
		    r->state.state != RELAY_UNDERWAY && tcp_sample(r->real.fd, &now) == 0 &&
		    idle_now(&r->idle, &now, IDLE_MS) &&
		    tell(RELAY_SAYS_IDLE, seat->as.channel, NULL, MSG_DONTWAIT) != -EAGAIN)
			drop(r);
	seat->n_conns--;
	loop_timer_arm(&loop, timer, IDLE_MS / 4);
	end_if_done();
}

static void open_seat(const struct relay_seat_message *m, int *fd)
{
	struct seat *seat = calloc(1, sizeof(*seat));

	if (!seat)
		return;
	seat->source = (struct loop_source){ .fd = -1, .ready = offered };
	loop_timer_init(&seat->end_idle, end_idle_expired);
	if (loop_add(&loop, &seat->source, *fd, EPOLLIN) < 0) {
		free(seat);
		return;
	}
	seat->fd = fd_take(fd);
	seat->as = *m;
	for (size_t i = 0; i < m->n_stays; i++) {
		struct pin pin = { .kept = m->stays[i] }, old;

		(void)pins_add(&seat->stays, &pin, &old);
	}
	if (m->end_idle_ms >= 0)
		loop_timer_arm(&loop, &seat->end_idle, m->end_idle_ms);
	list_append(&seats, &seat->link);
	n_open++;
}

static void broker_says(struct loop_source *source, uint32_t events)
{
	struct relay_seat_message m;
	struct pair_message got;
	ssize_t n = pair_receive_any(RELAY_FD, &m, sizeof(m), MSG_DONTWAIT, &got);

	(void)events;
	n_seats += n > 0;
	if (n == sizeof(m) && got.fd >= 0)
		open_seat(&m, &got.fd);
	fd_closep(&got.fd);
	if (n == 0 || (n < 0 && n != -EAGAIN))
		loop_remove(&loop, source);
	end_if_done();
}

static void signalled(struct loop *l, int signo)
{
	(void)signo;
	l->stop = true;
}

int relay_run(enum conf_seccomp seccomp)
{
	static const int handled[] = { SIGTERM };
	STRBUF(error, 256);

	(void)prctl(PR_SET_NAME, "broker-relay");
	(void)fcntl(RELAY_FD, F_SETFD, FD_CLOEXEC);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	broker = (struct loop_source){ .fd = -1, .ready = broker_says };
	if (loop_init(&loop, handled, ARRAY_SIZE(handled), signalled) < 0 ||
	    loop_add(&loop, &broker, RELAY_FD, EPOLLIN) < 0)
		return 1;
	/* Where it cannot be, the broker has said so of itself. */
	if (seccomp != SECCOMP_NO)
		(void)sandbox_enter(seccomp, &error);
	loop_run(&loop);
	return 0;
}
