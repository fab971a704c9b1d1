/*
 * The state of a broker that outlives it, as the bytes of policy/kept.h.
 */
#include "master/master.h"
#include "service/types.h"

static void keep_endpoint(const struct endpoint *e, struct strbuf *out)
{
	kept_add(out, KEPT_ENDPOINT, &e->kept);
	list_for_each (const struct listener, l, &e->listeners, endpoint_link)
		kept_add(out, KEPT_LISTENER, &l->kept);
	list_for_each (const struct pending_conn, p, &e->pending, link)
		kept_add(out, KEPT_PENDING, &p->kept);
	list_for_each (const struct taker, t, &e->dispatch->takers, link)
		list_for_each (const struct channel, c, &t->channels, link) {
			if (c->endpoint != e)
				continue;
			kept_add(out, KEPT_CHANNEL, &c->kept);
			list_for_each (const struct channel_holder, h, &c->holders, link)
				kept_add(out, KEPT_HOLDER, &h->kept);
		}
}

static void keep_service(const struct service *s, struct strbuf *out)
{
	const struct dispatch *d = &s->dispatch;
	unsigned n = ROLLOUT_MAX;

	kept_add(out, KEPT_SERVICE, &s->kept);
	kept_add(out, KEPT_DISPATCH, &d->kept);
	while (n > 0 && !s->slots[n - 1].current && !s->slots[n - 1].restarts)
		n--;
	for (unsigned i = 0; i < n; i++)
		kept_add(out, KEPT_SLOT, &s->slots[i].kept);
	for (size_t i = 0; i < d->pins.n; i++)
		kept_add(out, KEPT_PIN, &d->pins.pin[i]);
	list_for_each (const struct worker, w, &s->workers, link)
		kept_add(out, KEPT_WORKER, &w->kept);
	list_for_each (const struct listener, l, &d->listeners, link)
		if (!l->endpoint)
			kept_add(out, KEPT_LISTENER, &l->kept);
	list_for_each (const struct endpoint, e, &d->endpoints, link)
		keep_endpoint(e, out);
}

void master_keep(const struct master *m, struct strbuf *out)
{
	kept_add(out, KEPT_BROKER, &m->broker.kept);
	kept_add(out, KEPT_MASTER, &m->kept);
	list_for_each (const struct service, s, &m->broker.services, link)
		keep_service(s, out);
	kept_end(out);
}
