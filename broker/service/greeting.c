/*
 * Nothing that a worker says is trusted. Who it is comes from its token, its process and user
 * from SO_PEERCRED; a bad message costs the connection that brought it and nothing else.
 */
#include "greeting.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/address.h"
#include "base/paths.h"
#include "dispatch/channel.h"
#include "dispatch/listener.h"
#include "service/asks.h"
#include "service/listeners.h"
#include "service/returned.h"
#include "sys/asked_socket.h"
#include "sys/log.h"
#include "worker/output.h"
#include "worker/step.h"

/* The token is the proof; the rest of the message only says where to look. */
static struct worker *find_worker(struct broker *b, const struct handoff_hello *hello)
{
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct worker, w, &s->workers, link)
			if (!memcmp(w->token, hello->token, sizeof(w->token)))
				return w;
	return NULL;
}

static int welcome(struct greeting *g, const struct channel *c)
{
	struct handoff_welcome msg = { .channel = c->id };
	const struct handoff_addr *addr = &c->endpoint->app_addr;
	const struct listener *l;
	const int fds[] = { c->rx, c->tx, c->page.fd };

	handoff_header_init(&msg.h, HANDOFF_WELCOME);
	l = list_find(struct listener, it, &c->endpoint->listeners, endpoint_link,
		      !address_unix(&it->addr));
	if (address_unix(addr))
		strcpy(msg.path, address_unix(addr));
	else if (l)
		addr = &l->addr;
	msg.addr = address_outside(addr);
	return handoff_send(g->fd, &msg, sizeof(msg), fds, c->page.fd < 0 ? 2 : 3, MSG_DONTWAIT);
}

/* Gives the worker its ends of @c: its connection is a holder. @reason is empty if it is gone. */
static int hand_over(struct greeting *g, struct channel *c, struct strbuf *reason)
{
	int r = welcome(g, c);

	if (r == -EPIPE || r == -ECONNRESET)
		return r;
	if (r < 0)
		return strbuf_fail(reason, r, "the broker cannot pass it a channel: %m");
	r = channel_add_holder(c, g->fd, g->peer.pid);
	if (r < 0)
		return strbuf_fail(reason, r, "the broker cannot watch its connection: %m");
	g->fd = -1; /* the channel's now */
	if (c->taker->gate == TAKER_OPEN)
		taker_publish(c->taker);
	return 0;
}

/* The listening socket came through exec(3), or by a descriptor passed: one more holder. */
static int adopt(struct greeting *g, struct worker *w, const struct handoff_hello *hello,
		 const struct asked *more, struct strbuf *reason)
{
	struct channel *c = taker_find_channel(&w->taker, hello->channel);
	struct asked before;
	int r;

	if (!c)
		return strbuf_fail(reason, -ENOENT,
				   "the inherited listening socket is not one of this worker's");
	before = c->asked;
	asked_add(&c->asked, more);
	r = endpoint_ask(c->endpoint, NULL, more, w->conf, reason);
	if (r < 0)
		c->asked = before;
	else
		g->channel = c->id;
	return r;
}

/* @r: what came of asking for @addr. It may go on with another one. */
static void note_busy(struct worker *w, const struct handoff_addr *addr, int r,
		      const struct strbuf *reason)
{
	if (r != -EADDRINUSE && !w->busy.family)
		return;
	w->busy = r == -EADDRINUSE ? *addr : (struct handoff_addr){ 0 };
	worker_output_refused(w, r == -EADDRINUSE ? reason->text : "");
}

/* How long a worker that listens on some addresses may take for the rest. */
#define SETTLE_MS 1000

/* @w has a new channel: is it ready with that? */
static void listens(struct worker *w)
{
	service_attach_listeners(service_of(w));
	/* Of a guest nothing is expected: one address is enough. */
	if (w->guest)
		worker_event(w, EV_LISTEN);
	if ((w->state != WORKER_STARTING && w->state != WORKER_CLOSED) ||
	    !worker_listens_as_configured(w))
		return;
	loop_timer_disarm(&w->settle);
	if (!service_missing_endpoint(w))
		worker_event(w, EV_LISTEN);
	/*
	 * A reload replaces the workers that listen on the rest: without them nobody would. So it
	 * waits for a new worker until start_timeout, unless the rest is given up.
	 */
	else if (!worker_is_of_rollout(w) || service_of(w)->fewer_ports)
		loop_timer_arm(worker_loop(w), &w->settle, SETTLE_MS);
}

static int join(struct greeting *g, struct worker *w, const struct handoff_hello *hello,
		const struct asked *asked, struct strbuf *reason)
{
	struct handoff_addr addr = hello->addr;
	struct endpoint *e = NULL;
	struct channel *c;
	int r = 0;

	/* Only configurations make names known: a program could make up any number. */
	if (addr.family == HANDOFF_UNIX && !paths_find(hello->path, strlen(hello->path)))
		r = service_refuse_unlisted(w, hello->path, reason);
	else if (addr.family == HANDOFF_UNIX)
		r = address_of_unix(hello->path, &addr, reason);
	if (r == 0)
		r = service_endpoint_for(w, &addr, asked, &e, reason);
	note_busy(w, &addr, r, reason);
	if (r < 0)
		return r;
	r = channel_new(&w->taker, e, &c);
	if (r < 0)
		return strbuf_fail(reason, r, "the broker cannot make a channel: %m");
	c->asked = *asked;
	c->backend = hello->backend;
	c->native = c->backend == HANDOFF_BACKEND_NATIVE;
	channel_tell_draining(c, w->state == WORKER_DRAINING);
	g->channel = c->id;
	log_event(
		c->backend == HANDOFF_BACKEND_LOADED ? LEVEL_INFO : LEVEL_DEBUG, "channel",
		LOG_WORKER_PID(w, g->peer.pid), LOG_STR("address", address_text(&addr).text),
		LOG_STR("backend", channel_backend(c)),
		LOG_MSG("listens on %s%s", address_text(&addr).text,
			c->backend == HANDOFF_BACKEND_LOADED
				? "; worker-shim has loaded the program, as ptrace(2) is forbidden"
				: ""));
	return 0;
}

int greeting_welcome(struct greeting *g, struct strbuf *reason)
{
	struct channel *c = returned_from(g->broker, g->channel);
	bool first = c && list_empty(&c->holders) && !loop_timer_armed(&c->verdict);
	int r;

	if (!c)
		return -EPIPE;
	g->worker = worker_of(c);
	r = hand_over(g, c, reason);
	if (r < 0 && first)
		channel_close(c);
	else if (first)
		listens(g->worker);
	return r;
}

/* The app waits for the socket before it goes on, so that it is ready with that. */
static int share_udp(struct greeting *g, struct worker *w, const struct handoff_hello *hello,
		     struct strbuf *reason)
{
	struct handoff_welcome msg = { .addr = hello->addr };
	struct handoff_addr addr = hello->addr;
	int fd, r;

	addr.flags |= HANDOFF_UDP;
	r = service_share_udp(w, &addr, &fd, reason);
	note_busy(w, &addr, r, reason);
	if (r < 0)
		return r;
	handoff_header_init(&msg.h, HANDOFF_WELCOME);
	listens(w);
	loop_settle(&g->broker->loop); /* as greeting_welcome() */
	(void)handoff_send(g->fd, &msg, sizeof(msg), &fd, 1, MSG_DONTWAIT);
	return 0;
}

size_t greeting_workers(const struct broker *b)
{
	size_t n = 0;

	list_for_each (const struct service, s, &b->services, link)
		n += list_count(&s->workers);
	return n;
}

/* What a worker may make the broker hold in any case, as one with a few listeners and processes. */
#define HELD_MIN 64

/* All workers together leave half of the descriptors for clients and us: has @w its share? */
static bool holds_its_share(const struct worker *w)
{
	struct rlimit limit = { .rlim_cur = 0 };
	size_t held = 0;

	list_for_each (const struct channel, c, &w->taker.channels, link)
		held += 3 + list_count(&c->holders);
	return held >= HELD_MIN && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	       held * greeting_workers(w->terms->broker) * 2 >= limit.rlim_cur;
}

int greeting_answer(struct greeting *g, const struct handoff_hello *hello, int sock,
		    struct strbuf *reason)
{
	struct worker *w = find_worker(g->broker, hello);
	struct asked asked = { 0 };
	int r = 0;

	g->worker = w;
	if (!w)
		return strbuf_fail(
			reason, -EPERM,
			"a process asked to be a worker with a token that no worker has");
	/* It may have leaked: by a log that has the environment, say. */
	if (g->peer.uid != w->uid && g->peer.uid != 0)
		return strbuf_fail(reason, -EPERM,
				   "a process of another user asked to be a worker; if it is the "
				   "app, which has changed its user itself, set user in its "
				   "service instead");
	if (holds_its_share(w))
		return strbuf_fail(
			reason, -EMFILE,
			"it has as many listening sockets and processes that hold them "
			"as the limit of open files leaves for each worker: close some, or "
			"raise LimitNOFILE of the broker");
	/*
	 * Of a guest nothing is asked: it joins what is there. g->fd would not do: the kernel makes
	 * it in the network namespace of the worker.
	 */
	if (!w->guest && sock >= 0 && hello->addr.family != HANDOFF_UNIX)
		r = asked_read(sock, g->at->source.fd, &asked, reason);
	if (r < 0)
		return r;
	if (hello->flags & HANDOFF_HELLO_ADOPT)
		return adopt(g, w, hello, &asked, reason);
	/* One that drains may open it again; it gets nothing by it. */
	if (!worker_state_is_current(w->state) && w->state != WORKER_DRAINING)
		return strbuf_fail(reason, -ECONNREFUSED,
				   "a worker that was told to end wants to listen");
	if (hello->flags & HANDOFF_HELLO_UDP)
		return share_udp(g, w, hello, reason);
	return join(g, w, hello, &asked, reason);
}
