#include "listener.h"

#include "base/address.h"
#include "dispatch/pending.h"
#include "sys/given.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "sys/unix_listener.h"

void listener_arm(struct listener *l)
{
	bool armed = l->dispatch->asleep || (l->endpoint && !l->endpoint->paused);
	struct loop *loop = &l->dispatch->broker->loop;

	/* Watched at all, it would wake us for each error that a program makes. */
	if (l->addr.flags & HANDOFF_UDP) {
		loop_remove(loop, &l->source);
		if (armed)
			(void)loop_add(loop, &l->source, l->fd, EPOLLIN);
		return;
	}
	if (!l->bound_only)
		loop_modify(loop, &l->source, armed ? EPOLLIN : 0);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct listener *l = container_of(source, struct listener, source);

	(void)events;
	if (l->dispatch->asleep)
		l->dispatch->wanted(l->dispatch);
	else if (l->endpoint)
		(void)l->endpoint->dispatch_now(l->endpoint, l);
}

struct listener *listener_new(struct dispatch *d, const struct handoff_addr *addr, uint32_t app,
			      bool automatic, int fd, bool bound_only)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->dispatch = d;
	l->fd = fd;
	l->addr = *addr;
	l->app = app;
	l->automatic = automatic;
	l->id = ++d->broker->given.listener;
	l->source.ready = listener_ready;
	l->source.quiet = true;
	list_init(&l->endpoint_link);
	l->bound_only = bound_only;
	l->file = unix_listener_file(addr);
	l->source.fd = -1;
	/* epoll would report a socket on which nobody listens all the time. */
	if (!bound_only && !(addr->flags & HANDOFF_UDP) &&
	    loop_add(&d->broker->loop, &l->source, fd, 0) < 0) {
		free(l);
		return NULL;
	}
	l->given = given_keep(fd);
	list_append(&d->listeners, &l->link);
	return l;
}

int listener_publish(struct listener *l)
{
	int r = l->addr.flags & HANDOFF_UDP
			? 0
			: loop_add(&l->dispatch->broker->loop, &l->source, l->fd, 0);

	if (r < 0)
		return r;
	l->bound_only = false;
	listener_arm(l);
	return 0;
}

bool listener_has_ended(struct listener *l)
{
	if (!l->hidden)
		return false;
	l->bound_only = true;
	loop_remove(&l->dispatch->broker->loop, &l->source); /* it would report it all the time */
	return true;
}

void endpoint_remember(struct endpoint *e, const struct handoff_addr *addr)
{
	for (size_t i = 0; i < e->n_ports; i++)
		if (address_equal(&e->left[i], addr))
			return;
	if (e->n_ports == ARRAY_SIZE(e->ports)) {
		e->n_ports--;
		memmove(e->ports, e->ports + 1, e->n_ports * sizeof(e->ports[0]));
		memmove(e->left, e->left + 1, e->n_ports * sizeof(e->left[0]));
	}
	e->left[e->n_ports] = *addr;
	e->ports[e->n_ports++] = addr->port;
}

bool listener_outlives(const struct listener *l)
{
	return l->given == GIVEN_UNIT || (l->given == GIVEN_STORE && l->dispatch->broker->stopping);
}

void listener_free(struct listener *l)
{
	bool stays = listener_outlives(l);

	listener_detach(l);
	list_remove(&l->link);
	loop_remove(&l->dispatch->broker->loop, &l->source);
	if (!stays)
		unix_listener_remove(&l->addr, l->file);
	given_close(l->fd, l->given, stays);
	free(l);
}

void listener_attach(struct listener *l, struct endpoint *e)
{
	listener_detach(l);
	l->endpoint = e;
	list_append(&e->listeners, &l->endpoint_link);
	listener_arm(l);
}

void listener_detach(struct listener *l)
{
	if (l->endpoint)
		endpoint_remember(l->endpoint, &l->addr);
	l->endpoint = NULL;
	list_remove(&l->endpoint_link);
	listener_arm(l);
}

int listener_configure(struct listener *l, const struct service_conf *sc, struct strbuf *error)
{
	static const struct asked nothing;

	if (address_unix(&l->addr) && l->given == GIVEN_UNIT) /* its file is systemd's */
		return tcp_listen(l->fd, sc);
	if (address_unix(&l->addr))
		return unix_listener_configure(l->fd, &l->addr, l->file, sc,
					       l->dispatch->broker->conf, error);
	return tcp_configure(l->fd, sc, l->endpoint ? &l->endpoint->asked : &nothing, error);
}

static bool will_feed(const struct listener *l, const struct endpoint *e)
{
	return l->endpoint == e ||
	       (!l->endpoint && !l->automatic && l->app == address_app(&e->app_addr));
}

/* Later ones before earlier ones, as the workers were started. */
static void collect_asked(const struct endpoint *e, const struct channel *except, struct asked *ret)
{
	*ret = (struct asked){ 0 };
	list_for_each (const struct taker, t, &e->dispatch->takers, link)
		list_for_each (const struct channel, c, &t->channels, link)
			if (c->endpoint == e && c != except)
				asked_add(ret, &c->asked);
}

static int apply(struct endpoint *e, const struct asked *asked, const struct service_conf *sc,
		 struct strbuf *error)
{
	int r = 0;

	list_for_each (struct listener, l, &e->dispatch->listeners, link)
		if (r == 0 && will_feed(l, e))
			r = asked_apply(l->fd, asked, sc, error);
	return r;
}

int endpoint_ask(struct endpoint *e, const struct channel *except, const struct asked *more,
		 const struct service_conf *sc, struct strbuf *error)
{
	STRBUF(ignored, 8);
	struct asked asked;
	int r;

	collect_asked(e, except, &asked);
	asked_add(&asked, more);
	if (asked_equal(&asked, &e->asked))
		return 0;
	r = apply(e, &asked, sc, error);
	if (r == 0)
		e->asked = asked;
	else
		(void)apply(e, &e->asked, sc, &ignored);
	return r;
}

void listener_move(struct listener *l, struct dispatch *to)
{
	listener_detach(l);
	list_remove(&l->link);
	l->dispatch = to;
	list_append(&to->listeners, &l->link);
}

void endpoint_unlisten(struct endpoint *e)
{
	list_for_each_safe (struct listener, l, tmp, &e->listeners, endpoint_link) {
		const struct address_text text = address_text(&l->addr);

		if (!l->automatic)
			continue;
		log_event(LEVEL_INFO, "unlisten", LOG_STR("service", e->dispatch->service),
			  LOG_STR("address", text.text),
			  LOG_MSG("no client was served at %s, and the app has closed it: closed",
				  text.text));
		listener_free(l);
	}
	list_for_each (struct endpoint, other, &e->dispatch->endpoints, link)
		if (other != e && other->n_channels && !list_empty(&e->pending) &&
		    address_overlap(&other->app_addr, &e->app_addr)) {
			pending_move_all(e, other);
			loop_timer_arm(&e->dispatch->broker->loop, &other->again, 0);
		}
}
