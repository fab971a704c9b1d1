#include "open.h"

#include <stdio.h>
#include "base/address.h"
#include "base/fd.h"
#include "dispatch/listener.h"
#include "service/listeners.h"
#include "sys/given.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "sys/unix_listener.h"

/* --- one address ------------------------------------------------------------------------- */

/* What the service manager has given for @addr, as service_bind(). -ENOENT: nothing. */
static int take_given(const struct broker *b, const struct service_conf *sc,
		      const struct asked *asked, const struct handoff_addr *addr,
		      struct strbuf *error, int *ret_fd)
{
	const struct unix_file file = unix_listener_file(addr);
	int fd = given_take(addr), r;
	enum given_by by = given_by(fd);
	bool lost = by == GIVEN_STORE && unix_listener_is_lost(addr, file);

	if (fd < 0)
		return -ENOENT;
	if (lost)
		r = -ENOENT;
	else if (!address_unix(addr))
		r = tcp_configure(fd, sc, asked, error);
	else if (by == GIVEN_UNIT) /* its file is systemd's */
		r = tcp_listen(fd, sc);
	else
		r = unix_listener_configure(fd, addr, file, sc, b->conf, error);
	if (r < 0)
		given_close(fd, by, !lost);
	else
		*ret_fd = fd;
	return r;
}

int service_bind(struct broker *b, struct service *s, const struct service_conf *sc,
		 const struct asked *asked, const struct handoff_addr *addr, bool listens,
		 struct strbuf *error, int *ret_fd)
{
	static const struct asked nothing;
	_cleanup_fd_ int fd = -1;
	bool shared = false, local = address_unix(addr), line = !asked;
	int r;

	asked = asked ? asked : &nothing;
	r = take_given(b, sc, asked, addr, error, ret_fd);
	if (r != -ENOENT)
		return r;
	r = local ? unix_listener_bind(addr, sc, b->conf, error, &fd)
		  : tcp_bind(addr, sc, asked, false, error, &fd);
	if (r == -EADDRINUSE && !local)
		list_for_each (struct service, o, &b->services, link)
			list_for_each (struct listener, l, &o->dispatch.listeners, link)
				if (address_overlap(&l->addr, addr) &&
				    (o == s || (line && l->automatic)))
					shared = tcp_share(l->fd) == 0;
	if (shared)
		r = tcp_bind(addr, sc, asked, true, error, &fd);
	if (r == 0 && listens)
		r = tcp_listen(fd, sc);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

int service_restore(struct listener *l, struct strbuf *error)
{
	struct service *s = service_of_dispatch(l->dispatch);
	int fd = -1, r;

	if (l->bound_only || !unix_listener_is_lost(&l->addr, l->file))
		return 0;
	log_event(LEVEL_INFO, "unlisten", LOG_SERVICE(s),
		  LOG_STR("address", address_text(&l->addr).text),
		  LOG_MSG("%s was removed, as programs do before they bind it: it is made again",
			  address_text(&l->addr).text));
	r = service_bind(s->broker, s, s->conf, NULL, &l->addr, true, error, &fd);
	if (r < 0)
		return r;
	if (!service_add_listener(s, &l->addr, l->app, l->automatic, fd, 0))
		return strbuf_fail(error, -ENOMEM, "the broker is out of memory");
	service_close_gently(l);
	service_attach_listeners(s);
	return 0;
}

/* --- opened ------------------------------------------------------------------------------ */

/* [::]:80 for a bare port, or 0.0.0.0:80 where the kernel has no IPv6. */
static struct handoff_addr place_of(const struct conf_listen *cl, const struct service_conf *sc)
{
	int r = cl->port_only && !sc->v6only ? tcp_try(&cl->addr, sc) : 0;

	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL
		       ? (struct handoff_addr){ .family = 4, .port = cl->addr.port }
		       : cl->addr;
}

void reload_close_opened(struct opened_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct opened *o = &list->v[i];

		if (o->fd < 0)
			continue;
		if (given_by(o->fd) == GIVEN_NOT)
			unix_listener_remove(&o->addr, unix_listener_file(&o->addr));
		given_close(o->fd, given_by(o->fd), true);
	}
	free(list->v);
	*list = (struct opened_list){ 0 };
}

int reload_open_one(struct broker *b, struct service *s, bool rolls, bool only,
		    const struct service_conf *sc, struct opened_list *list, struct strbuf *error)
{
	for (size_t k = 0; k < sc->n_listen; k++) {
		const struct handoff_addr at = place_of(&sc->listen[k], sc);
		struct listener *l = listener_find(b, &at, address_equal);
		struct opened *o;
		int r;

		if (!array_grow(list->v, list->n))
			return -ENOMEM;
		o = &list->v[list->n++];
		*o = (struct opened){ .fd = -1, .addr = at };
		if (l && only && l->dispatch != &s->dispatch && !l->dispatch->stopping &&
		    !l->automatic)
			return strbuf_fail(error, -EADDRINUSE,
					   "[service:%s]: %s belongs to [service:%s] now; only a "
					   "reload of all services moves it",
					   sc->name, address_text(&l->addr).text,
					   l->dispatch->service);
		r = l ? service_restore(l, error)
		      : service_bind(b, s, sc, NULL, &at, !rolls, error, &o->fd);
		if (r == 0)
			continue;
		if (l || error->len) /* it says so itself */
			return r;
		strbuf_addf(error, "[service:%s]: ", sc->name);
		l = r == -EADDRINUSE ? listener_find(b, &at, address_overlap) : NULL;
		if (!l)
			return tcp_explain(&sc->listen[k].addr, r, error);
		/* Both cannot be bound at once, and the one there is must not lose a client. */
		return strbuf_fail(error, r,
				   "listen = %s cannot be bound beside %s, on which the broker "
				   "listens now; such a change takes a restart of the broker",
				   address_text(&at).text, address_text(&l->addr).text);
	}
	return 0;
}

int reload_open_all(struct broker *b, const struct conf *conf, struct opened_list *list,
		    struct strbuf *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];
		struct service *s = service_find(b, sc->name);

		if (s && s->dispatch.stopping)
			s = NULL;
		r = reload_open_one(b, s, s, false, sc, list, error);
	}
	return r;
}

/* --- given to a service, taken from it ---------------------------------------------------- */

void reload_take_listeners(struct service *s, const struct service_conf *sc, struct opened *opened,
			   unsigned rollout)
{
	for (size_t k = 0; k < sc->n_listen; k++) {
		struct opened *o = &opened[k];
		struct listener *l =
			o->fd < 0 ? listener_find(s->broker, &o->addr, address_equal) : NULL;

		if (l)
			service_keep_listener(s, l, sc->listen[k].app, false);
		else if (!service_add_listener(s, &o->addr, sc->listen[k].app, false,
					       fd_take(&o->fd), rollout))
			log_event(LEVEL_ERROR, "listen", LOG_STR("service", sc->name),
				  LOG_MSG("out of memory: a listener is missing"));
	}
	service_attach_listeners(s);
}

static void configure(struct listener *l, const struct service_conf *sc)
{
	STRBUF(error, 512);

	/* Setting the backlog would let clients into one that is only bound. */
	if (!l->bound_only && listener_configure(l, sc, &error) < 0)
		log_event(LEVEL_WARN, "listen", LOG_STR("service", sc->name),
			  LOG_INT("port", l->addr.port), LOG_MSG("%s", error.text));
}

/*
 * The `listen` line is gone. If the app itself asks for this address, and has no other line, only
 * the line goes: to close and bind again for the next worker would refuse clients in between.
 */
static void drop(struct listener *l)
{
	struct service *s = service_of_dispatch(l->dispatch);
	struct endpoint *e = service_find_endpoint(s, &l->addr);

	if (!e || !service_wants_endpoint(s, e) ||
	    list_find(const struct listener, o, &s->dispatch.listeners, link,
		      o != l && !o->automatic && !o->closing && !o->leaves_with &&
			      o->app == address_app(&e->app_addr))) {
		service_close_gently(l);
		return;
	}
	l->automatic = true;
	l->app = address_app(&e->app_addr);
	if (l->endpoint != e)
		listener_attach(l, e);
}

static bool is_wanted(const struct listener *l, const struct service_conf *sc,
		      const struct opened *opened)
{
	for (size_t k = 0; k < sc->n_listen; k++)
		if (address_equal(&l->addr, &opened[k].addr))
			return true;
	return false;
}

void reload_drop_listeners(struct service *s, const struct service_conf *sc,
			   const struct opened *opened, unsigned rollout)
{
	list_for_each_safe (struct listener, l, tmp, &s->dispatch.listeners, link) {
		if (l->closing || l->bound_only)
			continue;
		if (l->automatic || is_wanted(l, sc, opened))
			configure(l, sc);
		else if (rollout)
			l->leaves_with = rollout;
		else
			drop(l);
	}
}

/* --- with a rollout ----------------------------------------------------------------------- */

void publish_new(struct service *s)
{
	list_for_each (struct listener, l, &s->dispatch.listeners, link) {
		int r;

		if (!l->bound_only || l->comes_with != s->rollout_number)
			continue;
		r = tcp_listen(l->fd, s->target);
		if (r == 0)
			r = listener_publish(l);
		if (r == 0) {
			service_log_listener(l);
			continue;
		}
		snprintf(s->abort_reason, sizeof(s->abort_reason), "cannot listen on %s: %s",
			 address_text(&l->addr).text, strerror(-r));
		rollout_abort(&s->rollout);
		return;
	}
	service_attach_listeners(s);
}

void publish_done(struct service *s)
{
	list_for_each_safe (struct listener, l, tmp, &s->dispatch.listeners, link) {
		if (l->comes_with == s->rollout_number)
			l->comes_with = 0;
		if (l->leaves_with != s->rollout_number)
			continue;
		l->leaves_with = 0;
		drop(l);
	}
}

/* As its `listen` line in force says, if it has one: of a port alone it may be at 0.0.0.0. */
static void set_back(struct listener *l, const struct service_conf *sc)
{
	const struct conf_listen *line = conf_find_listen(sc, &l->addr, address_overlap);

	if (line) {
		l->automatic = false;
		l->app = line->app;
	}
	configure(l, sc);
}

void publish_undone(struct service *s)
{
	list_for_each_safe (struct listener, l, tmp, &s->dispatch.listeners, link) {
		/* What a reload behind it has brought goes, too, unless that is still to come. */
		bool goes = l->comes_with && (l->comes_with == s->rollout_number || !s->after);

		if (l->closing)
			continue;
		if (l->leaves_with == s->rollout_number || !s->after)
			l->leaves_with = 0;
		if (!goes) {
			if (!l->comes_with)
				set_back(l, s->conf);
			continue;
		}
		l->comes_with = 0;
		service_close_gently(l);
	}
	service_attach_listeners(s);
}
