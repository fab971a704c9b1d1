#include "publish.h"

#include <stdio.h>
#include <string.h>
#include "base/address.h"
#include "dispatch/listener.h"
#include "service/closing.h"
#include "service/listeners.h"
#include "sys/log.h"
#include "sys/tcp.h"

void publish_new(struct service *s)
{
	struct listener *l;
	bool any = false;

	list_for_each (l, &s->dispatch.listeners, link) {
		int r;

		if (!l->bound_only || l->comes_with != s->rollout_number)
			continue;
		r = tcp_listen(l->fd, s->target);
		if (r == 0)
			r = listener_publish(l);
		if (r == 0) {
			service_log_listener(l);
			any = true;
			continue;
		}
		snprintf(s->abort_reason, sizeof(s->abort_reason), "cannot listen on %s: %s",
			 address_text(&l->addr).text, strerror(-r));
		rollout_abort(&s->rollout);
		return;
	}
	if (any)
		service_attach_listeners(s);
}

static bool has_other_line(const struct service *s, const struct listener *l, uint16_t port)
{
	const struct listener *o;

	return list_find(o, &s->dispatch.listeners, link,
			 o != l && !o->automatic && !o->closing && !o->leaves_with &&
				 o->app_port == port);
}

/*
 * The `listen` line is gone, but the app itself asks for this address: then it is only the line
 * that goes. To close the listener now and bind it again for the next worker would refuse clients
 * in between.
 */
static bool keep_for_app(struct listener *l)
{
	struct service *s = service_of_dispatch(l->dispatch);
	struct endpoint *e = service_find_endpoint(s, &l->addr);

	if (!e || !service_wants_endpoint(s, e) || has_other_line(s, l, e->app_addr.port))
		return false;
	l->automatic = true;
	l->app_port = e->app_addr.port;
	if (l->endpoint != e)
		listener_attach(l, e);
	return true;
}

void publish_drop(struct listener *l)
{
	if (l->bound_only)
		listener_free(l);
	else if (!keep_for_app(l))
		service_close_listener(l);
}

void publish_done(struct service *s)
{
	struct listener *l, *tmp;

	list_for_each_safe (l, tmp, &s->dispatch.listeners, link) {
		if (l->comes_with == s->rollout_number)
			l->comes_with = 0;
		if (l->leaves_with != s->rollout_number)
			continue;
		l->leaves_with = 0;
		publish_drop(l);
	}
}

/* As its `listen` line in force says, if it has one. */
static void set_back(struct service *s, struct listener *l)
{
	const struct service_conf *sc = s->conf;
	STRBUF(error, 512);

	for (size_t k = 0; k < sc->n_listen; k++)
		if (address_equal(&l->addr, &sc->listen[k].addr)) {
			l->automatic = false;
			l->app_port = sc->listen[k].app_port;
		}
	if (!l->bound_only && listener_configure(l, sc, &error) < 0)
		log_event(LEVEL_WARN, "listen", LOG_STR("service", service_name(s)),
			  LOG_INT("port", l->addr.port), LOG_MSG("%s", error.text));
}

void publish_undone(struct service *s)
{
	struct listener *l, *tmp;

	list_for_each_safe (l, tmp, &s->dispatch.listeners, link) {
		/* What a reload behind it has brought goes, too, unless that is still to come. */
		bool goes = l->comes_with && (l->comes_with == s->rollout_number || !s->after);

		if (l->closing)
			continue;
		if (l->leaves_with == s->rollout_number || !s->after)
			l->leaves_with = 0;
		if (!goes) {
			set_back(s, l);
			continue;
		}
		l->comes_with = 0;
		if (l->bound_only)
			listener_free(l);
		else
			service_close_listener(l);
	}
	service_attach_listeners(s);
}
