/*
 * The state of a broker that outlives it, as the records of policy/kept.h.
 */
#include "config/conf.h"
#include "dispatch/adopt.h"
#include "master/master.h"
#include "service/types.h"
#include "worker/adopt.h"

/* --- configurations: each that is in use has a number ------------------------------------ */

struct numbering {
	struct strbuf *out; /* NULL: all numbers are forgotten */
	unsigned sources, services;
};

static void keep_source(struct numbering *n, struct conf_source *source,
			const struct conf_names *names)
{
	if (!n->out) {
		source->number = 0;
	} else if (!source->number) {
		source->number = ++n->sources;
		kept_add_text(n->out, KEPT_CONF, source->bytes, source->len);
		if (names)
			kept_add_text(n->out, KEPT_NAMES, names,
				      sizeof(*names) + names->n * sizeof(names->of[0]));
	}
}

static void keep_conf(struct numbering *n, struct service_conf *sc)
{
	struct strbuf text = STRBUF_GROWS(CONF_FILE_MAX + (64 << 10));

	if (!sc)
		return;
	keep_source(n, sc->conf->source, sc->names);
	if (!n->out) {
		sc->number = 0;
	} else if (!sc->number) {
		sc->number = ++n->services;
		service_conf_keep(sc, &text);
		kept_add_text(n->out, KEPT_SERVICE_CONF, text.text, text.len);
		n->out->cut |= text.cut;
	}
	strbuf_deinit(&text);
}

static void keep_confs(const struct master *m, struct strbuf *out)
{
	struct numbering n = { .out = out };

	keep_source(&n, m->conf->source, m->conf->broker.names);
	keep_source(&n, m->conf_start->source, m->conf_start->broker.names);
	for (size_t i = 0; i < m->conf->n_services; i++)
		keep_conf(&n, m->conf->services[i]);
	list_for_each (const struct service, s, &m->broker.services, link) {
		keep_conf(&n, s->conf);
		keep_conf(&n, s->target);
		keep_conf(&n, s->after);
		keep_conf(&n, s->rollback.conf);
		list_for_each (const struct worker, w, &s->workers, link)
			keep_conf(&n, w->conf);
	}
}

static unsigned number_of(const struct service_conf *sc)
{
	return sc ? sc->number : 0;
}

/* --- the rest ---------------------------------------------------------------------------- */

static void keep_endpoint(const struct endpoint *e, struct strbuf *out)
{
	kept_add(out, KEPT_ENDPOINT, &e->kept);
	list_for_each (const struct listener, l, &e->listeners, endpoint_link) {
		const struct kept_listener k = listener_keep(l);

		kept_add(out, KEPT_LISTENER, &k);
	}
	list_for_each (const struct pending_conn, p, &e->pending, link)
		kept_add(out, KEPT_PENDING, &p->kept);
	list_for_each (const struct taker, t, &e->dispatch->takers, link)
		list_for_each (const struct channel, c, &t->channels, link) {
			if (c->endpoint != e)
				continue;
			channel_keep(c, out);
			list_for_each (const struct channel_holder, h, &c->holders, link)
				kept_add(out, KEPT_HOLDER, &h->kept);
		}
}

static bool was_never_used(const struct slot *slot)
{
	return !slot->current && !slot->next && !slot->restarts && !slot->left_ms;
}

static void keep_slots(const struct service *s, struct strbuf *out)
{
	unsigned n = ROLLOUT_MAX;

	while (n > 0 && was_never_used(&s->slots[n - 1]))
		n--;
	for (unsigned i = 0; i < n; i++) {
		kept_add(out, KEPT_SLOT, &s->slots[i].kept);
		if (s->troubles[i].in_a_row)
			kept_add(out, KEPT_TROUBLE, &s->troubles[i]);
	}
}

static unsigned place_of(const struct worker *w)
{
	const struct slot *slot = w->guest ? NULL : &service_of(w)->slots[w->slot];

	return !slot		    ? PLACE_NONE
	       : slot->current == w ? PLACE_CURRENT
	       : slot->next == w    ? PLACE_NEXT
				    : PLACE_NONE;
}

static void keep_service(const struct service *s, struct strbuf *out)
{
	const struct dispatch *d = &s->dispatch;
	size_t slots = s->rollout.active ? s->rollout.first + s->rollout.of : 0;
	struct kept_service k = s->kept;

	k.conf_number = number_of(s->conf);
	k.target_number = number_of(s->target);
	k.after_number = number_of(s->after);
	k.rollback_number = number_of(s->rollback.conf);
	k.rollback_generation = s->rollback.generation;
	k.rollback_want = s->rollback.want;
	k.window_at_ms = loop_timer_at(&s->rollback.over);
	k.probation_at_ms = loop_timer_at(&s->probation);
	kept_add(out, KEPT_SERVICE, &k);
	kept_add(out, KEPT_DISPATCH, &d->kept);
	kept_add(out, KEPT_TERMS, &s->terms.kept);
	kept_add_text(out, KEPT_ROLLOUT, &s->rollout,
		      offsetof(struct rollout, slots) + slots * sizeof(s->rollout.slots[0]));
	keep_slots(s, out);
	for (size_t i = 0; i < d->pins.n; i++)
		kept_add(out, KEPT_PIN, &d->pins.pin[i]);
	list_for_each (const struct worker, w, &s->workers, link)
		worker_keep(w, place_of(w), out);
	list_for_each (const struct listener, l, &d->listeners, link) {
		const struct kept_listener k_l = listener_keep(l);

		if (!l->endpoint)
			kept_add(out, KEPT_LISTENER, &k_l);
	}
	list_for_each (const struct endpoint, e, &d->endpoints, link)
		keep_endpoint(e, out);
}

void master_keep(const struct master *m, struct strbuf *out)
{
	struct kept_master k = m->kept;

	for (size_t i = 1; i <= paths_count(); i++) {
		const char *name = paths_name((uint16_t)i);

		kept_add_text(out, KEPT_PATH, name, strlen(name) + 1);
	}
	keep_confs(m, NULL);
	keep_confs(m, out);
	k.conf_number = m->conf->source->number;
	k.conf_start_number = m->conf_start->source->number;
	kept_add(out, KEPT_MASTER, &k);
	kept_add(out, KEPT_BROKER, &m->broker.kept);
	list_for_each (const struct service, s, &m->broker.services, link)
		keep_service(s, out);
}
