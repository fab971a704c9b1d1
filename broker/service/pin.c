#include "pin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "service/service.h"
#include "base/units.h"
#include "sys/channel.h"
#include "sys/log.h"

static struct loop *loop_of(const struct service *s)
{
	return &s->broker->loop;
}

/* --- where a pin leads --------------------------------------------------------------- */

static bool takes_connections(const struct worker *w)
{
	return w->state == WORKER_READY || w->state == WORKER_HELD;
}

/* The newest, if two of the name overlap in a reload. */
static struct worker *worker_of(const struct service *s, const struct pin *pin)
{
	struct worker *w, *best = NULL;

	list_for_each (w, &s->workers, link)
		if (takes_connections(w) && pin_names(pin, w->name, w->generation) &&
		    (!best || w->generation > best->generation))
			best = w;
	return best;
}

static struct channel *channel_of(const struct endpoint *e, const struct pin *pin)
{
	struct worker *w = worker_of(e->service, pin);
	struct channel *c;

	if (w)
		list_for_each (c, &w->channels, link)
			if (c->endpoint == e && channel_is_usable(c))
				return c;
	return NULL;
}

/* By the queue that was configured: .limit is the round's, which may have shut it out. */
static bool is_full(struct channel *c)
{
	unsigned queue = c->worker->conf->queue;

	if (c->member.waiting >= queue)
		c->member.waiting = channel_waiting(c->rx);
	return c->member.waiting >= queue;
}

static bool has_room(struct channel *c)
{
	return !is_full(c) || (c->worker->state == WORKER_HELD && channel_has_unpinned(c));
}

bool pin_make_room(struct channel *c)
{
	/* Robbed between poll(2) and a blocking accept(2) it is freed by the one that comes now. */
	return c->worker->state == WORKER_HELD && is_full(c) &&
	       channel_take_back(c, "room for one that is pinned");
}

struct channel *pin_channel(struct endpoint *e, const struct handoff_addr *peer,
			    struct pin **ret_pin)
{
	struct pin *pin = pins_match(&e->service->pins, peer);
	struct channel *c = pin ? channel_of(e, pin) : NULL;

	if (!c || !has_room(c))
		return NULL;
	*ret_pin = pin;
	return c;
}

bool pin_any_room(struct endpoint *e)
{
	const struct pins *pins = &e->service->pins;

	for (size_t i = 0; i < pins->n; i++) {
		struct channel *c = channel_of(e, &pins->pin[i]);

		if (c && has_room(c))
			return true;
	}
	return false;
}

bool worker_is_pinned(const struct worker *w)
{
	const struct pins *pins = &w->service->pins;

	for (size_t i = 0; takes_connections(w) && i < pins->n; i++)
		if (pin_names(&pins->pin[i], w->name, w->generation))
			return true;
	return false;
}

/* --- made and taken off -------------------------------------------------------------- */

/* What waits may have another way now; and other channels may be the ones to wake us. */
static void changed(struct service *s)
{
	int64_t first = pins_next_expiry(&s->pins);
	struct endpoint *e;

	if (first)
		loop_timer_arm(loop_of(s), &s->pin_timer, first - loop_now(loop_of(s)));
	else
		loop_timer_disarm(&s->pin_timer);
	list_for_each (e, &s->endpoints, link)
		endpoint_pins_changed(e);
}

/*
 * Who waits at a worker that is held waits there for a pin, as long as it takes. Without that pin
 * others may have room. With a worker in the round that is watch.c's business, which is told that
 * what waits there has no reason to stay.
 */
static void let_go(struct service *s, const struct pin *pin)
{
	struct channel *c;
	struct worker *w;

	list_for_each (w, &s->workers, link)
		if (pin_names(pin, w->name, w->generation))
			list_for_each (c, &w->channels, link) {
				c->sent_unpinned = c->sent;
				if (w->state == WORKER_HELD)
					(void)channel_take_back(c, "the pin is off");
			}
}

static void say_off(const struct service *s, const struct pin *pin, const char *reason,
		    const char *message)
{
	STRBUF(source, 64);

	pin_source_format(&pin->source, &source);
	log_event(LEVEL_INFO, "unpin", LOG_STR("service", service_name(s)),
		  LOG_STR("worker", pin->worker), LOG_STR("source", source.text),
		  LOG_STR("kind", pin_kind_name(pin->kind)), LOG_STR("reason", reason),
		  LOG_MSG("%s", message));
}

static void taken_off(struct service *s, const struct pin *pin, const char *reason)
{
	STRBUF(message, 256);

	if (pin->kind == PIN_NEXT) {
		strbuf_addf(&message, "the next connection goes round as any other: %s", reason);
	} else {
		strbuf_add(&message, "connections of ");
		pin_source_format(&pin->source, &message);
		strbuf_addf(&message, " go round again: %s", reason);
	}
	say_off(s, pin, reason, message.text);
	let_go(s, pin);
}

/* By the name of a slot whose worker is about to start, too. */
static bool knows(const struct service *s, const char *name)
{
	char slot[PIN_WORKER_SIZE];
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (!strcmp(w->name, name))
			return true;
	for (unsigned i = 0; i < s->want; i++) {
		snprintf(slot, sizeof(slot), "%s.%u", service_name(s), i);
		if (!strcmp(slot, name))
			return true;
	}
	return false;
}

int service_pin(struct service *s, const struct pin *pin, struct strbuf *error)
{
	int64_t left = pin->expires_ms ? pin->expires_ms - loop_now(loop_of(s)) : 0;
	struct pin old = { .worker = "" };
	STRBUF(source, 64);
	STRBUF(until, 64);

	if (!knows(s, pin->worker)) {
		strbuf_addf(error, "service %s has no worker %s", service_name(s), pin->worker);
		return -ENOENT;
	}
	if (pins_add(&s->pins, pin, &old) < 0) {
		strbuf_addf(error, "service %s has %d pins already: take one off first",
			    service_name(s), PINS_MAX);
		return -ENOSPC;
	}
	pin_source_format(&pin->source, &source);
	if (left > 0) {
		strbuf_add(&until, " for ");
		units_add_duration(&until, left);
	}
	log_event(LEVEL_INFO, "pin", LOG_STR("service", service_name(s)),
		  LOG_STR("worker", pin->worker), LOG_STR("source", source.text),
		  LOG_STR("kind", pin_kind_name(pin->kind)), LOG_INT("ms", left),
		  LOG_MSG("%s %s goes to %s%s",
			  pin->kind == PIN_NEXT ? "the next connection of" : "every connection of",
			  source.text, pin->worker, until.text));
	if (old.worker[0])
		let_go(s, &old);
	changed(s);
	return 0;
}

unsigned service_unpin_source(struct service *s, const struct pin_source *source)
{
	unsigned n = 0;
	struct pin pin;

	for (; pins_pop_source(&s->pins, source, &pin); n++)
		taken_off(s, &pin, "taken off");
	changed(s);
	return n;
}

unsigned service_unpin_worker(struct service *s, const char *worker)
{
	unsigned n = 0;
	struct pin pin;

	for (; pins_pop_worker(&s->pins, worker, &pin); n++)
		taken_off(s, &pin, "taken off");
	changed(s);
	return n;
}

unsigned service_unpin_all(struct service *s)
{
	unsigned n = 0;
	struct pin pin;

	for (; pins_pop(&s->pins, &pin); n++)
		taken_off(s, &pin, "taken off");
	changed(s);
	return n;
}

void service_unpin_generation(const struct worker *w, const char *reason)
{
	struct service *s = w->service;
	unsigned n = 0;
	struct pin pin;

	for (; pins_pop_generation(&s->pins, w->name, w->generation, &pin); n++)
		taken_off(s, &pin, reason);
	if (n)
		changed(s);
}

static void timer_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, pin_timer);
	struct pin pin;

	while (pins_pop_expired(&s->pins, loop_now(loop_of(s)), &pin))
		taken_off(s, &pin, "its time is over");
	changed(s);
}

void service_pins_init(struct service *s)
{
	loop_timer_init(&s->pin_timer, timer_expired);
}

void service_pins_deinit(struct service *s)
{
	loop_timer_disarm(&s->pin_timer);
}

/* --- used and missed ----------------------------------------------------------------- */

void pin_used(struct service *s, struct pin *pin)
{
	struct pin copy = *pin;
	STRBUF(message, 128);

	if (!pins_use(&s->pins, pin))
		return;
	strbuf_addf(&message, "the next connection has gone to %s", copy.worker);
	say_off(s, &copy, "used", message.text);
}

void pin_missed(struct endpoint *e, const struct handoff_addr *peer)
{
	struct service *s = e->service;
	struct pin *pin = pins_match(&s->pins, peer);
	STRBUF(source, 64);

	if (!pin || pin->missed)
		return;
	pin->missed = true;
	pin_source_format(&pin->source, &source);
	log_event(LEVEL_WARN, "pin-missed", LOG_STR("service", service_name(s)),
		  LOG_STR("worker", pin->worker), LOG_STR("source", source.text),
		  LOG_STR("kind", pin_kind_name(pin->kind)),
		  LOG_MSG("a connection of %s went round instead: %s %s", source.text, pin->worker,
			  channel_of(e, pin) ? "has no room" : "does not serve this address now"));
}
