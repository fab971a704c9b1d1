#include "asks.h"

#include <unistd.h>
#include "base/address.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/listener.h"
#include "service/listeners.h"
#include "service/open.h"
#include "sys/log.h"
#include "sys/proc.h"
#include "sys/tcp.h"

/* The option in [broker] whose address a listener on @addr would collide with, or NULL. */
static const char *own_address(const struct broker_conf *bc, const struct handoff_addr *addr)
{
	if (bc->metrics.addr.family && address_overlap(&bc->metrics.addr, addr))
		return "metrics";
	if (bc->agent_check.addr.family && address_overlap(&bc->agent_check.addr, addr))
		return "agent_check";
	return NULL;
}

/*
 * Whether @l will have clients for @w, which asks for @addr. One that leaves with the rollout that
 * has started @w has not; but if it is at @addr, only its line goes.
 */
static bool is_for(const struct listener *l, const struct worker *w,
		   const struct handoff_addr *addr)
{
	return !l->closing &&
	       (!l->leaves_with || !worker_is_of_rollout(w) || address_equal(&l->addr, addr));
}

/*
 * Whether the app of @s may inherit @l, which is about to close (its section was renamed, its line
 * is gone, or the app has moved): to close it and bind again would refuse clients in between.
 */
static bool may_take_over(const struct service *s, const struct listener *l)
{
	return !service_leaves(s) && !s->broker->stopping &&
	       (l->closing || l->leaves_with || l->dispatch->stopping);
}

static bool is_published(const struct service_conf *sc, uint32_t app)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (sc->listen[i].app == app)
			return true;
	return false;
}

/* See ip(7), ip_unprivileged_port_start. */
static bool is_privileged(uint16_t port)
{
	char text[16];
	ssize_t n = proc_read(0, "sys/net/ipv4/ip_unprivileged_port_start", text, sizeof(text));

	return port < (n > 0 ? atoi(text) : 1024);
}

/*
 * Whether @w may have @addr for its app. The broker's rights are not for the program of another
 * user: a port that this could not bind itself takes a `listen` line. And what such a line of
 * another service names is that service's, whether it has it at the moment or not.
 */
static int check_claim(const struct worker *w, const struct handoff_addr *addr,
		       struct strbuf *reason)
{
	const struct service *s = service_of(w), *owner;
	bool udp = addr->flags & HANDOFF_UDP; /* the lines of its service are not about that */

	if (address_unix(addr) || (!udp && is_published(w->conf, address_app(addr))))
		return 0;
	if (w->uid != geteuid() && is_privileged(addr->port)) {
		strbuf_addf(reason,
			    "port %u is privileged, and the program runs as another user than the "
			    "broker, which does not bind it unasked: ",
			    addr->port);
		if (udp)
			strbuf_add(reason, "let the program itself change its user, or lower "
					   "net.ipv4.ip_unprivileged_port_start");
		else
			strbuf_addf(reason, "write listen = %s in [service:%s]",
				    address_text(addr).text, s->name);
		return -EACCES;
	}
	owner = service_named_for(s->broker, addr, s);
	if (!owner)
		return 0;
	strbuf_addf(reason, "%s belongs to [service:%s], which has a listen line for it",
		    address_text(addr).text, owner->name);
	if (!udp)
		strbuf_addf(reason, "; publish this one elsewhere, as in: listen = 8080 for %s",
			    address_app_text(address_app(addr)).text);
	return -EADDRINUSE;
}

/* Binds what the app asked for and no line provides. @comes_with as of service_add_listener(). */
static int add_automatic(struct service *s, struct endpoint *e, unsigned comes_with,
			 struct strbuf *reason)
{
	struct listener *l = listener_find(s->broker, &e->app_addr, address_overlap);
	const char *own;
	int fd = -1, r;

	if (l && address_equal(&l->addr, &e->app_addr) && may_take_over(s, l)) {
		service_keep_listener(s, l, address_app(&e->app_addr), true);
		listener_attach(l, e);
		return 0;
	}
	if (l && l->dispatch != &s->dispatch)
		return strbuf_fail(reason, -EADDRINUSE,
				   "%s is served for [service:%s] already; publish one of the two "
				   "elsewhere, as in: listen = 8080 for %s",
				   address_app_words(address_app(&l->addr)).text,
				   l->dispatch->service,
				   address_app_text(address_app(&e->app_addr)).text);
	own = own_address(s->broker->conf, &e->app_addr);
	if (own)
		return strbuf_fail(reason, -EADDRINUSE,
				   "port %u is the broker's own (%s in [broker]); choose another "
				   "one there",
				   e->app_addr.port, own);
	r = service_bind(s->broker, s, s->conf, &e->asked, &e->app_addr, !comes_with, reason, &fd);
	if (r < 0)
		return reason->len ? r : tcp_explain(&e->app_addr, r, reason);
	l = service_add_listener(s, &e->app_addr, address_app(&e->app_addr), true, fd, comes_with);
	if (!l)
		return strbuf_fail(reason, -ENOMEM, "the broker is out of memory");
	listener_attach(l, e);
	return 0;
}

/* Among those there are; the port decides. */
static int endpoint_for_guest(const struct worker *w, const struct handoff_addr *addr,
			      struct endpoint **ret, struct strbuf *reason)
{
	*ret = service_endpoint_on(service_of(w), address_app(addr), addr, false);
	return *ret ? 0
		    : strbuf_fail(reason, -EADDRNOTAVAIL,
				  "[service:%s] does not listen on %s, so a guest cannot",
				  service_of(w)->name, address_app_words(address_app(addr)).text);
}

static bool holds(const struct taker *t, const struct endpoint *e)
{
	return list_find(struct channel, c, &t->channels, link,
			 c->endpoint == e && channel_has_holder(c));
}

/*
 * Nobody was served by @e, and @w has left it: it looked whether the port is free. Other workers
 * run the same program, and if they are not as far yet, they will be. But if others listen there
 * and @w never did, then @w is the one that is not as far: it may be looking just now.
 */
static bool was_probe(const struct worker *w, const struct endpoint *e)
{
	if (e->served || holds(&w->taker, e))
		return false;
	return address_equal(&w->left, &e->app_addr) || taker_serves(&w->taker, e) ||
	       !list_find(struct taker, t, &e->dispatch->takers, link, holds(t, e));
}

/*
 * The app binds otherwise than before (0.0.0.0 for 127.0.0.1, say) on a port that we hold for it.
 * Both cannot be bound at once, so the old one serves on. NULL: nothing is in the way of @addr.
 */
static struct endpoint *find_in_the_way(struct worker *w, const struct handoff_addr *addr)
{
	struct service *s = service_of(w);

	list_for_each (struct listener, l, &s->dispatch.listeners, link) {
		struct endpoint *e = l->endpoint;

		if (!l->automatic || !address_overlap(&l->addr, addr) || !e)
			continue;
		if (was_probe(w, e)) {
			endpoint_unlisten(e);
			return find_in_the_way(w, addr);
		}
		/* Many servers bind [::] and 0.0.0.0: by the first they have both. */
		if (taker_serves(&w->taker, e) && address_contains(&l->addr, addr))
			return e;
		if (e->served) /* else it may be a probe */
			log_event(LEVEL_WARN, "listen", LOG_SERVICE(s), LOG_INT("port", addr->port),
				  LOG_MSG("the app now asks for another address on port %u; the "
					  "broker keeps the one it has until it is restarted",
					  addr->port));
		return e;
	}
	return NULL;
}

int service_refuse_unlisted(const struct worker *w, const char *socket, struct strbuf *reason)
{
	return strbuf_fail(reason, -EADDRNOTAVAIL,
			   "no listen line names the socket %s: write listen = %s in [service:%s]",
			   socket, socket, service_of(w)->name);
}

int service_endpoint_for(struct worker *w, const struct handoff_addr *addr,
			 const struct asked *asked, struct endpoint **ret, struct strbuf *reason)
{
	struct service *s = service_of(w);
	struct endpoint *known = service_find_endpoint(s, addr), *e = known;
	bool has_line =
		list_find(const struct listener, l, &s->dispatch.listeners, link,
			  !l->automatic && l->app == address_app(addr) && is_for(l, w, addr));
	bool fed = has_line || (e && list_find(const struct listener, l, &e->listeners,
					       endpoint_link, is_for(l, w, addr)));
	/* What a new worker of a reload asks for is not published before that has got so far. */
	unsigned comes_with =
		worker_is_of_rollout(w) && s->roll_kind == ROLL_RELOAD ? s->rollout_number : 0;
	int r;

	if (w->guest)
		return endpoint_for_guest(w, addr, ret, reason);
	if (asked->elsewhere && !has_line)
		return strbuf_fail(reason, -EADDRNOTAVAIL,
				   "the app listens in another network namespace than the broker, "
				   "whose clients are not those of the app; start the broker in "
				   "that namespace (ip netns exec NAME broker), or say with "
				   "listen = ADDRESS:%u where in the broker's they are to connect",
				   addr->port);
	r = check_claim(w, addr, reason);
	/* An app may have removed the file of a socket before it binds it. */
	if (e && fed)
		list_for_each_safe (struct listener, l, tmp, &e->listeners, endpoint_link)
			if (r == 0 && !l->closing)
				r = service_restore(l, reason);
	if (r < 0)
		return r;
	*ret = e && fed ? e : comes_with ? NULL : find_in_the_way(w, addr);
	if (*ret)
		return endpoint_ask(*ret, NULL, asked, w->conf, reason);
	if (!e)
		e = endpoint_new(&s->dispatch, addr);
	if (!e)
		return strbuf_fail(reason, -ENOMEM, "the broker is out of memory");
	r = endpoint_ask(e, NULL, asked, w->conf, reason);
	if (r == 0 && !fed)
		r = address_unix(addr) ? service_refuse_unlisted(w, address_unix(addr), reason)
				       : add_automatic(s, e, comes_with, reason);
	if (r < 0 && !known)
		endpoint_free(e);
	else
		*ret = e;
	return r;
}

int service_reopen_for(struct worker *w, struct strbuf *error)
{
	int r = 0;

	list_for_each (const struct channel, c, &w->taker.channels, link) {
		struct endpoint *e = c->endpoint;
		const struct listener *l =
			listener_find(w->terms->broker, &e->app_addr, address_equal);

		if (r == 0 && !is_published(w->conf, address_app(&e->app_addr)) &&
		    (!l || l->closing || l->dispatch != w->terms->dispatch))
			r = add_automatic(service_of(w), e, 0, error);
	}
	return r;
}

int service_share_udp(struct worker *w, const struct handoff_addr *addr, int *ret_fd,
		      struct strbuf *reason)
{
	struct service *s = service_of(w);
	struct listener *l = listener_find(s->broker, addr, address_equal);
	int fd, r;

	if (!w->conf->udp)
		return strbuf_fail(reason, -EOPNOTSUPP, "%s: udp = yes is not set for it", w->name);
	r = check_claim(w, addr, reason);
	if (r < 0)
		return r;
	if (l && l->dispatch != &s->dispatch)
		return strbuf_fail(reason, -EADDRINUSE, "%s is that of [service:%s] already",
				   address_text(addr).text, l->dispatch->service);
	if (!l) {
		r = service_bind(s->broker, s, w->conf, NULL, addr, true, reason, &fd);
		if (r < 0)
			return reason->len ? r : tcp_explain(addr, r, reason);
		l = service_add_listener(s, addr, address_app(addr), true, fd, 0);
	}
	if (!l)
		return strbuf_fail(reason, -ENOMEM, "the broker is out of memory");
	w->has_udp = true;
	*ret_fd = l->fd;
	return 0;
}
