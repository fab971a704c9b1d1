#include "rendezvous.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"
#include "service/greeting.h"
#include "service/types.h"
#include "sys/log.h"
#include "sys/pair.h"
#include "sys/retire.h"

/* Connections that have not said HELLO yet: how many, and for how long. */
#define MAX_GREETINGS 256
#define GREETING_MS   5000
/* What the turn of one has cost before it comes to it. */
#define WAKE_NS 10000
/* Taking one, and dropping it. */
#define TAKING_NS 25000
/* What a worker was given comes to an end, in turns that write a state, too. */
#define WITH_ITS_END 3
/* So many listening sockets and processes of each worker cost its user nothing. */
#define FREE_GREETINGS 8

/* If no state names its descriptor, the number may be another's at once. */
static void greeting_free(struct greeting *g)
{
	loop_remove(&g->broker->loop, &g->source);
	loop_timer_disarm(&g->timer);
	if (g->channel)
		retire_fd(&g->fd);
	fd_closep(&g->fd);
	list_remove(&g->link);
	free(g);
}

/* It has said all. */
static void put_last(struct greeting *g, struct list *list)
{
	loop_remove(&g->broker->loop, &g->source);
	loop_timer_disarm(&g->timer);
	list_remove(&g->link);
	list_append(list, &g->link);
}

static void minute_over(struct loop_timer *timer)
{
	struct rendezvous *rv = container_of(timer, struct rendezvous, minute);

	for (struct refused *by = rv->refused; by < rv->refused + ARRAY_SIZE(rv->refused); by++)
		if (by->n > REFUSALS_SAID)
			log_event(LEVEL_ERROR, "worker-failed",
				  LOG_MSG("%u more times in this minute %s was refused",
					  by->n - REFUSALS_SAID, by->who));
	memset(rv->refused, 0, sizeof(rv->refused));
}

/* Any process that reaches the rendezvous can cause thousands of lines a second. */
static bool is_said(const struct greeting *g)
{
	struct rendezvous *rv = g->rendezvous;
	struct refused *by = rv->refused;
	STRBUF(who, sizeof(by->who));

	if (g->worker)
		strbuf_add(&who, g->worker->name);
	else
		strbuf_addf(&who, "what is no worker, of user %u", (unsigned)g->peer.uid);
	while (by < rv->refused + REFUSED_OTHERS && *by->who && strcmp(by->who, who.text) != 0)
		by++;
	strcpy(by->who, by < rv->refused + REFUSED_OTHERS || !*by->who ? who.text : "another");
	if (!loop_timer_armed(&rv->minute))
		loop_timer_arm(&rv->broker->loop, &rv->minute, 60 * MSEC_PER_SEC);
	return ++by->n <= REFUSALS_SAID;
}

static void refuse(const struct greeting *g, int error, const char *reason)
{
	struct handoff_refused msg = { .error = (uint32_t)error };

	handoff_header_init(&msg.h, HANDOFF_REFUSED);
	strncpy(msg.reason, reason, sizeof(msg.reason) - 1);
	if (*reason && !is_said(g))
		reason = ""; /* in the log; the process is told */
	if (*reason && g->worker)
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(g->worker, g->peer.pid),
			  LOG_MSG("%s", reason));
	else if (*reason)
		log_event(LEVEL_ERROR, "worker-failed", LOG_INT("pid", g->peer.pid),
			  LOG_MSG("%s", reason));
	(void)handoff_send(g->fd, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
}

void rendezvous_turn(struct rendezvous *rv)
{
	if (rv->at)
		(void)greeter_rest_ms(rv->at, loop_clock_ns(),
				      (loop_cpu_ns() - rv->since_ns + WAKE_NS) * rv->times,
				      greeting_workers(rv->broker));
	rv->at = NULL;
}

/*
 * From now on this turn is for @g, with the state that is written at its end. How long it has to
 * wait: who greets in a loop takes his share of the loop's time, and no more.
 */
static int64_t begin_work(const struct greeting *g)
{
	struct rendezvous *rv = g->rendezvous;

	rendezvous_turn(rv);
	rv->at = greeter_find(rv->greeters, g->peer.uid, loop_clock_ns());
	rv->times = 1;
	rv->since_ns = loop_cpu_ns();
	return greeter_rest_ms(rv->at, loop_clock_ns(), 0, greeting_workers(rv->broker));
}

static void greeting_ready(struct loop_source *source, uint32_t events)
{
	struct greeting *g = container_of(source, struct greeting, source);
	struct loop *loop = &g->broker->loop;
	bool touched = loop->touched;
	union {
		struct handoff_hello hello;
		uint64_t align;
		unsigned char bytes[HANDOFF_MAX_SIZE];
	} buf;
	STRBUF(reason, HANDOFF_REASON_SIZE);
	struct pair_message got;
	ssize_t n = pair_receive_any(g->fd, &buf, sizeof(buf), MSG_DONTWAIT, &got);
	_cleanup_fd_ int sock = got.fd;
	bool known;
	int r = 0;

	(void)events;
	(void)begin_work(g);
	if (n == -EAGAIN)
		return;
	if (n > 0 && got.cut_fds)
		r = strbuf_fail(&reason, -EMFILE,
				"the broker has no descriptor left to look at the app's socket");
	else if (n > 0 && !handoff_check(&buf, (size_t)n, HANDOFF_HELLO))
		r = strbuf_fail(
			&reason, -EPROTO,
			"a message at the rendezvous is not a HELLO of this version: "
			"worker-shim (or the libhandoff that the program is built with) and broker "
			"are of different builds");
	else if (n > 0)
		r = greeting_answer(g, &buf.hello, sock, &reason);
	if (r < 0)
		refuse(g, -r, reason.text);
	known = g->worker;
	g->rendezvous->times = known ? WITH_ITS_END : 1;
	/* Many start at the same time, and none is to wait for that. */
	if (known && r == 0 && g->worker->greeted < FREE_GREETINGS) {
		g->worker->greeted++;
		g->rendezvous->times = 0;
	}
	if (r == 0 && g->channel)
		put_last(g, &g->rendezvous->due);
	else
		greeting_free(g);
	loop->touched = known || touched; /* of what is no worker nothing is left */
}

void rendezvous_welcome(struct rendezvous *rv)
{
	list_for_each_safe (struct greeting, g, tmp, &rv->due, link) {
		STRBUF(reason, HANDOFF_REASON_SIZE);
		int r = greeting_welcome(g, &reason);

		if (r < 0)
			refuse(g, -r, reason.text);
		greeting_free(g);
		broker_tidy(rv->broker); /* and so a state has that soon */
	}
}

static int watch(struct greeting *g)
{
	struct loop *loop = &g->broker->loop;

	loop_timer_arm(loop, &g->timer, GREETING_MS);
	return loop_add(loop, &g->source, g->fd, EPOLLIN);
}

/* It has had to wait, or says nothing. */
static void greeting_expired(struct loop_timer *timer)
{
	struct greeting *g = container_of(timer, struct greeting, timer);
	struct loop *loop = &g->broker->loop;
	bool touched = loop->touched;
	int64_t rest_ms = g->source.fd < 0 ? begin_work(g) : 0;

	if (rest_ms)
		loop_timer_arm(loop, &g->timer, rest_ms);
	else if (g->source.fd >= 0 || watch(g) < 0)
		greeting_free(g);
	loop->touched = touched;
}

/* Too many: the oldest of this user makes room, or else of all, so that none locks others out. */
static void make_room(struct rendezvous *rv, uid_t uid)
{
	struct greeting *old;

	if (list_count(&rv->greetings) < MAX_GREETINGS)
		return;
	old = list_find(struct greeting, g, &rv->greetings, link, g->peer.uid == uid);
	greeting_free(old ? old : container_of(rv->greetings.next, struct greeting, link));
}

/* @g waits for its turn. Taking more of those who do has its limit, for all, too. */
static void put_off(struct greeting *g, int64_t rest_ms)
{
	struct rendezvous *rv = g->rendezvous;

	loop_timer_arm(&rv->broker->loop, &g->timer, rest_ms);
	rest_ms = pace_debt_ms(&rv->even_ns, loop_clock_ns(), TAKING_NS, PACE_EVIDENCE,
			       NSEC_PER_MSEC);
	if (rest_ms)
		acceptor_rest(&rv->acceptor, rest_ms);
}

static struct greeting *greeting_new(struct rendezvous *rv, int fd)
{
	struct greeting *g = calloc(1, sizeof(*g));
	socklen_t len = sizeof(g->peer);

	if (!g || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &g->peer, &len) < 0) {
		(void)close(fd);
		free(g);
		return NULL;
	}
	g->rendezvous = rv;
	g->at = &rv->acceptor;
	g->broker = rv->broker;
	g->fd = fd;
	g->source = (struct loop_source){ .fd = -1, .quiet = true, .ready = greeting_ready };
	loop_timer_init(&g->timer, greeting_expired);
	g->timer.quiet = true;
	make_room(rv, g->peer.uid);
	list_append(&rv->greetings, &g->link);
	return g;
}

static void rendezvous_accepted(struct acceptor *a, int fd)
{
	struct rendezvous *rv = container_of(a, struct rendezvous, acceptor);
	bool touched = rv->broker->loop.touched;
	struct greeting *g = greeting_new(rv, fd);
	STRBUF(reason, HANDOFF_REASON_SIZE);
	int64_t rest_ms;
	int r = 0;

	if (!g)
		return;
	rest_ms = begin_work(g);
	if (rest_ms)
		put_off(g, rest_ms);
	else
		r = watch(g);
	if (r < 0) {
		(void)strbuf_fail(&reason, r,
				  "the broker cannot watch a connection to the rendezvous: %m%s",
				  r == -ENOSPC ? " (raise fs.epoll.max_user_watches)" : "");
		refuse(g, -r, reason.text);
		greeting_free(g);
	}
	rv->broker->loop.touched = touched;
}

void rendezvous_keep(const struct rendezvous *rv, bool whole, struct strbuf *out)
{
	list_for_each (const struct greeting, g, whole ? &rv->greetings : &rv->due, link)
		kept_add(out, KEPT_GREETING, &g->kept);
}

/* What was accepted has the name of the socket at which it was, and is connected. */
bool rendezvous_adopt(struct rendezvous *rv, const struct kept_greeting *k)
{
	struct sockaddr_un ours, its, peer;
	struct greeting *g;
	int fd = k->fd;
	socklen_t len = sizeof(ours), its_len = sizeof(its), peer_len = sizeof(peer);

	if (getsockname(rv->acceptor.source.fd, (struct sockaddr *)&ours, &len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&its, &its_len) < 0 || its_len != len ||
	    memcmp(&ours, &its, len) != 0 ||
	    getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return false;
	if (!k->channel) {
		rendezvous_accepted(&rv->acceptor, fd);
	} else if ((g = greeting_new(rv, fd))) {
		g->channel = k->channel;
		put_last(g, &rv->due);
	}
	return true;
}

int rendezvous_start(struct rendezvous *rv, struct broker *b, int fd)
{
	rv->broker = b;
	loop_timer_init(&rv->minute, minute_over);
	return acceptor_start(&rv->acceptor, &b->loop, fd, 1, rendezvous_accepted);
}

void rendezvous_stop(struct rendezvous *rv)
{
	acceptor_stop(&rv->acceptor);
	loop_timer_disarm(&rv->minute);
	list_for_each_safe (struct greeting, g, tmp, &rv->greetings, link)
		greeting_free(g);
	list_for_each_safe (struct greeting, g, tmp, &rv->due, link)
		greeting_free(g);
}
