#include "listeners.h"

#include <errno.h>
#include "base/address.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"
#include "dispatch/taker.h"
#include "sys/log.h"
#include "sys/tcp.h"

struct endpoint *service_find_endpoint(struct service *s, const struct handoff_addr *addr)
{
	struct endpoint *e;

	return list_find(e, &s->dispatch.endpoints, link, address_equal(&e->app_addr, addr));
}

struct endpoint *service_endpoint_on(struct service *s, uint16_t port, uint8_t family, bool served)
{
	struct endpoint *e, *best = NULL;

	list_for_each (e, &s->dispatch.endpoints, link)
		if (e->app_addr.port == port && (e->n_channels || !served) &&
		    (!best || e->app_addr.family == family))
			best = e;
	return best;
}

void service_attach_listeners(struct service *s)
{
	struct listener *l;

	list_for_each (l, &s->dispatch.listeners, link) {
		struct endpoint *e =
			l->automatic ? NULL
				     : service_endpoint_on(s, l->app_port, l->addr.family, true);

		if (e && e != l->endpoint) {
			listener_attach(l, e);
			endpoint_wake(e);
		}
	}
}

void service_keep_listener(struct service *s, struct listener *l, uint16_t app_port, bool automatic)
{
	if (l->closing)
		tcp_remove_filter(l->fd);
	l->closing = false;
	l->automatic = automatic;
	if (l->dispatch != &s->dispatch || l->app_port != app_port) {
		listener_move(l, &s->dispatch);
		l->app_port = app_port;
	}
}

int service_add_listener(struct service *s, const struct handoff_addr *addr, uint16_t app_port,
			 bool automatic, int fd, struct listener **ret_listener)
{
	struct listener *l = listener_new(&s->dispatch, addr, app_port, automatic, fd);
	STRBUF(text, 80);

	if (!l)
		return -ENOMEM;
	if (ret_listener)
		*ret_listener = l;
	address_format(addr, &text);
	log_event(LEVEL_INFO, "listen", LOG_STR("service", service_name(s)),
		  LOG_STR("address", text.text), LOG_INT("port", addr->port),
		  LOG_INT("app_port", app_port),
		  LOG_MSG("listening on %s%s", text.text, automatic ? ", as the app asked" : ""));
	return 0;
}

struct listener *listener_find(struct broker *b, const struct handoff_addr *addr, match_fn *match)
{
	struct service *s;
	struct listener *l;

	list_for_each (s, &b->services, link)
		list_for_each (l, &s->dispatch.listeners, link)
			if (match(&l->addr, addr))
				return l;
	return NULL;
}

bool service_wants_endpoint(const struct service *s, const struct endpoint *e)
{
	const struct worker *w;

	return list_find(w, &s->workers, link,
			 worker_state_is_current(w->state) && taker_serves(&w->taker, e));
}

void service_close_unused(struct service *s)
{
	struct listener *l, *l_tmp;
	struct endpoint *e, *e_tmp;

	list_for_each_safe (l, l_tmp, &s->dispatch.listeners, link) {
		STRBUF(text, 80);

		if (!l->automatic || !l->endpoint || service_wants_endpoint(s, l->endpoint))
			continue;
		address_format(&l->addr, &text);
		log_event(LEVEL_INFO, "unlisten", LOG_STR("service", service_name(s)),
			  LOG_STR("address", text.text),
			  LOG_MSG("the app no longer asks for %s: closed", text.text));
		listener_free(l);
	}
	list_for_each_safe (e, e_tmp, &s->dispatch.endpoints, link)
		if (e->n_channels == 0 && list_empty(&e->listeners))
			endpoint_free(e);
}
