#include "listening.h"

bool worker_listens_on(const struct worker *w, uint16_t port)
{
	const struct channel *c;

	list_for_each (c, &w->taker.channels, link)
		if (c->endpoint->app_addr.port == port)
			return true;
	return false;
}

bool worker_listens_as_configured(const struct worker *w)
{
	if (list_empty(&w->taker.channels))
		return false;
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!worker_listens_on(w, w->conf->listen[i].app_port))
			return false;
	return true;
}

static bool listens_at(const struct worker *w, const struct endpoint *e)
{
	const struct channel *c;

	list_for_each (c, &w->taker.channels, link)
		if (c->endpoint == e)
			return true;
	return false;
}

const struct endpoint *worker_missing_endpoint(const struct worker *w, const struct worker *other)
{
	const struct channel *c;

	list_for_each (c, &other->taker.channels, link)
		if (channel_is_usable(c) && !listens_at(w, c->endpoint))
			return c->endpoint;
	return NULL;
}
