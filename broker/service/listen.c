/*
 * The addresses of a service: which endpoint a worker's listen(2) belongs to, and which
 * listeners feed it.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>
#include "service/service.h"
#include "base/address.h"
#include "sys/listener.h"
#include "sys/log.h"
#include "sys/sockdiag.h"

static struct endpoint *find_endpoint(struct service *s, const struct handoff_addr *addr)
{
	struct endpoint *e;

	list_for_each (e, &s->endpoints, link)
		if (address_equal(&e->app_addr, addr))
			return e;
	return NULL;
}

/* For a listener: the endpoint of the app's port, of the same family if there is one. */
static struct endpoint *endpoint_for_listener(struct service *s, const struct listener *l)
{
	struct endpoint *e, *best = NULL;

	list_for_each (e, &s->endpoints, link) {
		if (e->app_addr.port != l->app_port || e->n_channels == 0)
			continue;
		if (!best || e->app_addr.family == l->addr.family)
			best = e;
	}
	return best;
}

/*
 * Each configured listener to the endpoint of its port, the better one if another has come.
 * Automatic ones stay where they were made for.
 */
void service_attach_listeners(struct service *s)
{
	struct listener *l;

	list_for_each (l, &s->listeners, link) {
		struct endpoint *e = l->automatic ? NULL : endpoint_for_listener(s, l);

		if (e && e != l->endpoint) {
			listener_attach(l, e);
			endpoint_dispatch(e);
		}
	}
}

int service_add_listener(struct service *s, const struct handoff_addr *addr, uint16_t app_port,
			 bool automatic, int fd)
{
	struct listener *l = listener_new(s, addr, app_port, automatic, fd);
	STRBUF(text, 80);

	if (!l)
		return -ENOMEM;
	address_format(addr, &text);
	log_event(LEVEL_INFO, "listen", LOG_STR("service", service_name(s)),
		  LOG_STR("address", text.text), LOG_INT("port", addr->port),
		  LOG_INT("app_port", app_port),
		  LOG_MSG("listening on %s%s", text.text, automatic ? ", as the app asked" : ""));
	return 0;
}

static bool has_listen_line_for(const struct service *s, uint16_t port)
{
	const struct listener *l;

	list_for_each (l, &s->listeners, link)
		if (!l->automatic && !l->closing && l->app_port == port)
			return true;
	return false;
}

struct listener *listener_find_overlap(struct broker *b, const struct handoff_addr *addr)
{
	struct service *s;
	struct listener *l;

	list_for_each (s, &b->services, link)
		list_for_each (l, &s->listeners, link)
			if (address_overlap(&l->addr, addr))
				return l;
	return NULL;
}

struct port_user {
	const struct handoff_addr *addr;
	uint64_t inode;
};

static bool uses_port(void *arg, const struct sockdiag_socket *s)
{
	struct port_user *user = arg;

	if (address_overlap(&s->local, user->addr))
		user->inode = s->inode;
	return !user->inode;
}

void listener_explain_bind(const struct handoff_addr *addr, int error, struct strbuf *reason)
{
	struct port_user user = { .addr = addr };
	pid_t pid = 0;

	strbuf_add(reason, "cannot listen on ");
	address_format(addr, reason);
	strbuf_addf(reason, ": %s", strerror(-error));
	switch (-error) {
	case EADDRINUSE:
		(void)sockdiag_dump(1u << TCP_LISTEN, addr->port, uses_port, &user);
		if (user.inode)
			pid = proc_find_socket_owner(user.inode);
		if (pid) {
			char name[32];

			proc_name(pid, name, sizeof(name));
			strbuf_addf(reason, " by %s (pid %d)", name, (int)pid);
		}
		strbuf_add(reason, "; stop what uses it, or choose another port");
		break;
	case EACCES:
		strbuf_add(reason, "; ports below 1024 need root or CAP_NET_BIND_SERVICE");
		break;
	case EADDRNOTAVAIL:
		strbuf_add(reason,
			   "; this machine has no such address (ip_freebind = yes allows it)");
		break;
	}
}

/*
 * Whether a listener that nobody wants any more goes on as the one that the app of @s asks for. Its
 * section was renamed, its `listen` line is gone, or the app has moved: it must not be closed and
 * bound anew, as clients would be refused in between.
 */
static bool may_take_over(const struct service *s, const struct listener *l)
{
	if (service_leaves(s) || s->broker->stopping)
		return false;
	return l->closing || l->service->stopping;
}

/* Binds what the app asked for and no `listen` line provides. */
static int add_automatic(struct service *s, struct endpoint *e, struct strbuf *reason)
{
	struct listener *l = listener_find_overlap(s->broker, &e->app_addr);
	const char *own;
	int fd, r;

	if (l && address_equal(&l->addr, &e->app_addr) && may_take_over(s, l)) {
		if (l->closing)
			listener_remove_filter(l->fd);
		l->closing = false;
		l->automatic = true;
		l->app_port = e->app_addr.port;
		listener_move(l, s);
		listener_attach(l, e);
		return 0;
	}
	if (l && l->service != s) {
		strbuf_addf(reason,
			    "port %u is served for [service:%s] already; publish one of the two "
			    "elsewhere, as in: listen = 8080 for %u",
			    l->addr.port, service_name(l->service), e->app_addr.port);
		return -EADDRINUSE;
	}
	own = broker_own_address(s->broker->conf, &e->app_addr);
	if (own) {
		strbuf_addf(
			reason,
			"port %u is the broker's own (%s in [broker]); choose another one there",
			e->app_addr.port, own);
		return -EADDRINUSE;
	}
	r = listener_open(&e->app_addr, s->conf, &fd);
	if (r < 0) {
		listener_explain_bind(&e->app_addr, r, reason);
		return r;
	}
	r = service_add_listener(s, &e->app_addr, e->app_addr.port, true, fd);
	if (r < 0) {
		(void)close(fd);
		strbuf_add(reason, "the broker is out of memory");
		return r;
	}
	listener_attach(container_of(s->listeners.prev, struct listener, link), e);
	return 0;
}

static bool is_fed(const struct endpoint *e)
{
	const struct listener *l;

	list_for_each (l, &e->listeners, endpoint_link)
		if (!l->closing)
			return true;
	return false;
}

int service_endpoint_for(struct service *s, const struct handoff_addr *addr, struct endpoint **ret,
			 struct strbuf *reason)
{
	struct endpoint *e = find_endpoint(s, addr), *other;
	struct listener *l;
	int r;

	if (e) {
		bool fed = has_listen_line_for(s, addr->port) || is_fed(e);

		r = fed ? 0 : add_automatic(s, e, reason);
		if (r == 0)
			*ret = e;
		return r;
	}
	/*
	 * The app binds otherwise than before (127.0.0.1 has become 0.0.0.0, say) on a port that
	 * the broker holds for it. Both cannot be bound at once, so the old one serves on.
	 */
	list_for_each (l, &s->listeners, link) {
		if (!l->automatic || !address_overlap(&l->addr, addr) || !l->endpoint)
			continue;
		other = l->endpoint;
		log_event(
			LEVEL_WARN, "listen", LOG_STR("service", service_name(s)),
			LOG_INT("port", addr->port),
			LOG_MSG("the app now asks for another address on port %u; the broker keeps "
				"the one it has until it is restarted",
				addr->port));
		*ret = other;
		return 0;
	}
	e = endpoint_new(s, addr);
	if (!e) {
		strbuf_add(reason, "the broker is out of memory");
		return -ENOMEM;
	}
	if (!has_listen_line_for(s, addr->port)) {
		r = add_automatic(s, e, reason);
		if (r < 0) {
			endpoint_free(e);
			return r;
		}
	}
	*ret = e;
	return 0;
}

/* Whether a worker that is to stay has a channel of @e, in the round or not. */
static bool is_wanted(const struct service *s, const struct endpoint *e)
{
	const struct worker *w;
	const struct channel *c;

	list_for_each (w, &s->workers, link)
		if (worker_state_is_current(w->state))
			list_for_each (c, &w->channels, link)
				if (c->endpoint == e)
					return true;
	return false;
}

static bool is_published(const struct service_conf *sc, uint16_t app_port)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (sc->listen[i].app_port == app_port)
			return true;
	return false;
}

static bool has_open_listener(const struct service *s, const struct handoff_addr *addr)
{
	const struct listener *l;

	list_for_each (l, &s->listeners, link)
		if (!l->closing && address_equal(&l->addr, addr))
			return true;
	return false;
}

int service_reopen_for(struct worker *w, struct strbuf *error)
{
	const struct channel *c;
	int r = 0;

	list_for_each (c, &w->channels, link) {
		struct endpoint *e = c->endpoint;

		if (r == 0 && !is_published(w->conf, e->app_addr.port) &&
		    !has_open_listener(w->service, &e->app_addr))
			r = add_automatic(w->service, e, error);
	}
	return r;
}

struct endpoint *service_endpoint_asking_for(struct service *s, const struct handoff_addr *addr)
{
	struct endpoint *e = find_endpoint(s, addr);

	return e && is_wanted(s, e) ? e : NULL;
}

/* Each address that others of the service serve is expected of a newcomer too. */
static bool listens_like_others(const struct worker *w)
{
	const struct worker *other;
	const struct channel *c, *own;

	list_for_each (other, &w->service->workers, link) {
		if (other == w || other->guest ||
		    (other->state != WORKER_READY && other->state != WORKER_HELD))
			continue;
		list_for_each (c, &other->channels, link) {
			bool found = false;

			list_for_each (own, &w->channels, link)
				found = found || own->endpoint == c->endpoint;
			if (!found)
				return false;
		}
	}
	return true;
}

bool worker_listens_on(const struct worker *w, uint16_t port)
{
	const struct channel *c;

	list_for_each (c, &w->channels, link)
		if (c->endpoint->app_addr.port == port)
			return true;
	return false;
}

bool worker_listens_as_configured(const struct worker *w)
{
	if (list_empty(&w->channels))
		return false;
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!worker_listens_on(w, w->conf->listen[i].app_port))
			return false;
	return true;
}

/* How long a worker that listens on some addresses may take for the rest. */
#define SETTLE_MS 1000

void service_worker_listens(struct worker *w)
{
	service_attach_listeners(w->service);
	/* Of a guest nothing is expected: one address is enough. */
	if (w->guest)
		worker_event(w, EV_LISTEN);
	if (w->state != WORKER_STARTING || !worker_listens_as_configured(w))
		return;
	loop_timer_disarm(&w->settle);
	if (listens_like_others(w))
		worker_event(w, EV_LISTEN);
	else
		loop_timer_arm(&w->service->broker->loop, &w->settle, SETTLE_MS);
}

void service_close_unused(struct service *s)
{
	struct listener *l, *l_tmp;
	struct endpoint *e, *e_tmp;

	list_for_each_safe (l, l_tmp, &s->listeners, link) {
		STRBUF(text, 80);

		if (!l->automatic || !l->endpoint || is_wanted(s, l->endpoint))
			continue;
		address_format(&l->addr, &text);
		log_event(LEVEL_INFO, "unlisten", LOG_STR("service", service_name(s)),
			  LOG_STR("address", text.text),
			  LOG_MSG("the app does not ask for %s any more: closed", text.text));
		listener_free(l);
	}
	list_for_each_safe (e, e_tmp, &s->endpoints, link)
		if (e->n_channels == 0 && list_empty(&e->listeners))
			endpoint_free(e);
}
