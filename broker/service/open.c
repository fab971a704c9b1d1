#include "open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/address.h"
#include "dispatch/listener.h"
#include "service/listeners.h"
#include "service/publish.h"
#include "service/questions.h"
#include "sys/log.h"
#include "sys/tcp.h"

/* The kernel does not let both be bound at once, and the one there is must not lose a client. */
static void explain_overlap(const struct listener *l, const struct handoff_addr *addr,
			    struct strbuf *error)
{
	strbuf_addf(
		error,
		"listen = %s cannot be bound beside %s, on which the broker listens now; such a "
		"change takes a restart of the broker",
		address_text(addr).text, address_text(&l->addr).text);
}

/* [::]:80 for a bare port, or 0.0.0.0:80 where the kernel has no IPv6. */
static int open_one(struct service *s, const struct conf_listen *cl, const struct service_conf *sc,
		    struct opened *ret, struct strbuf *error)
{
	/* No app has asked for anything yet: service_attach_listeners() comes to that. */
	static const struct asked nothing;
	struct handoff_addr v4 = { .family = 4, .port = cl->addr.port };
	int r;

	ret->addr = cl->addr;
	r = service_bind(s, sc, &nothing, &ret->addr, error, &ret->fd);
	if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && cl->port_only && !sc->v6only) {
		ret->addr = v4;
		r = service_bind(s, sc, &nothing, &ret->addr, error, &ret->fd);
	}
	if (r == 0 && !ret->bound_only)
		r = tcp_listen(ret->fd, sc);
	return r;
}

void reload_close_opened(struct opened_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].fd >= 0)
			(void)close(list->v[i].fd);
	free(list->v);
	*list = (struct opened_list){ 0 };
}

/*
 * Appends what @sc wants to @list, and opens what is not there yet. @s: the service as it is, NULL:
 * it is new. @rolls: a rollout brings them.
 */
static int open_lines(struct broker *b, struct service *s, bool rolls,
		      const struct service_conf *sc, struct opened_list *list, struct strbuf *error)
{
	struct opened *v = realloc(list->v, (list->n + sc->n_listen + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	list->v = v;
	for (size_t k = 0; k < sc->n_listen; k++) {
		struct opened *o = &v[list->n++];
		struct listener *overlap;
		int r;

		*o = (struct opened){ .fd = -1, .addr = sc->listen[k].addr, .bound_only = rolls };
		if (listener_find(b, &o->addr, address_equal))
			continue;
		r = open_one(s, &sc->listen[k], sc, o, error);
		if (r == 0)
			continue;
		strbuf_addf(error, "[service:%s]: ", sc->name);
		overlap = r == -EADDRINUSE ? listener_find(b, &o->addr, address_overlap) : NULL;
		if (overlap)
			explain_overlap(overlap, &o->addr, error);
		else
			tcp_explain(&sc->listen[k].addr, r, error);
		return r;
	}
	return 0;
}

int reload_open_all(struct broker *b, const struct conf *conf, struct opened_list *ret,
		    struct strbuf *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];
		struct service *s = service_find(b, sc->name);

		if (s && s->dispatch.stopping)
			s = NULL;
		r = open_lines(b, s, s, sc, ret, error);
	}
	if (r < 0)
		reload_close_opened(ret);
	return r;
}

int reload_open_one(struct service *s, bool rolls, const struct service_conf *sc,
		    struct opened_list *ret, struct strbuf *error)
{
	int r;

	for (size_t k = 0; k < sc->n_listen; k++) {
		const struct listener *l =
			listener_find(s->broker, &sc->listen[k].addr, address_equal);

		if (!l || l->dispatch == &s->dispatch || l->dispatch->stopping)
			continue;
		return strbuf_fail(error, -EADDRINUSE,
				   "[service:%s]: %s belongs to [service:%s] now; only a reload of "
				   "all services moves it",
				   sc->name, address_text(&l->addr).text, l->dispatch->service);
	}
	r = open_lines(s->broker, s, rolls, sc, ret, error);
	if (r < 0)
		reload_close_opened(ret);
	return r;
}

struct opened *reload_opened_of(const struct opened_list *list, const struct conf *conf,
				size_t service)
{
	size_t at = 0;

	for (size_t i = 0; i < service; i++)
		at += conf->services[i]->n_listen;
	return list->v + at;
}

void reload_take_listeners(struct service *s, const struct service_conf *sc, struct opened *opened)
{
	assert(opened || sc->n_listen == 0);
	for (size_t k = 0; k < sc->n_listen; k++) {
		struct opened *o = &opened[k];
		struct listener *l =
			o->fd < 0 ? listener_find(s->broker, &o->addr, address_equal) : NULL;
		int fd = o->fd;

		if (l) {
			service_keep_listener(s, l, sc->listen[k].app_port, false);
			continue;
		}
		o->fd = -1;
		if (!service_add_listener(s, &o->addr, sc->listen[k].app_port, false, fd,
					  o->bound_only ? s->rollout_number + 1 : 0)) {
			log_event(LEVEL_ERROR, "listen", LOG_STR("service", sc->name),
				  LOG_MSG("out of memory: a listener is missing"));
			(void)close(fd);
		}
	}
	service_attach_listeners(s);
}

static bool is_wanted(const struct listener *l, const struct service_conf *sc,
		      const struct opened *opened)
{
	assert(opened || sc->n_listen == 0);
	for (size_t k = 0; k < sc->n_listen; k++)
		if (address_equal(&l->addr, &opened[k].addr) ||
		    address_equal(&l->addr, &sc->listen[k].addr))
			return true;
	return false;
}

void reload_drop_listeners(struct service *s, const struct service_conf *sc,
			   const struct opened *opened, unsigned rollout)
{
	struct listener *l, *tmp;

	list_for_each_safe (l, tmp, &s->dispatch.listeners, link) {
		STRBUF(error, 512);
		int r;

		/* Setting the backlog would let clients into one that is only bound. */
		if (l->closing || l->bound_only)
			continue;
		if (!l->automatic && !is_wanted(l, sc, opened)) {
			if (rollout)
				l->leaves_with = rollout;
			else
				publish_drop(l);
			continue;
		}
		r = listener_configure(l, sc, &error);
		if (r < 0)
			log_event(LEVEL_WARN, "listen", LOG_STR("service", sc->name),
				  LOG_INT("port", l->addr.port), LOG_MSG("%s", error.text));
	}
}
