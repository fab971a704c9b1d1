#include "pin.h"

#include "base/units.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/route.h"
#include "sys/log.h"

/* What waits may have another way now; and other channels may be the ones to wake us. */
static void changed(struct service *s)
{
	int64_t first = pins_next_expiry(&s->dispatch.pins);

	if (first)
		loop_timer_arm(service_loop(s), &s->pin_timer, first - loop_now(service_loop(s)));
	else
		loop_timer_disarm(&s->pin_timer);
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
		endpoint_pins_changed(e);
	/* The relay is to know who stays. */
	list_for_each (struct worker, w, &s->workers, link)
		if (w->state == WORKER_HELD)
			list_for_each (struct channel, c, &w->taker.channels, link)
				channel_close_seat(c);
}

/*
 * What waits at a held worker waits there for a pin, as long as it takes. Without that pin another
 * worker may have room. At a worker in the round the watch takes back what stands still: it is
 * told that nothing has a reason to stay.
 */
static void let_go(struct service *s, const struct pin *pin)
{
	list_for_each (struct worker, w, &s->workers, link)
		if (pin_names(pin, w->name, w->generation))
			list_for_each (struct channel, c, &w->taker.channels, link) {
				c->sent_unpinned = c->sent;
				if (w->state == WORKER_HELD)
					(void)endpoint_take_back(c, "the pin is removed");
			}
}

static void taken_off(struct service *s, const struct pin *pin, const char *reason)
{
	STRBUF(message, 256);

	if (pin->kind == PIN_NEXT)
		strbuf_addf(&message, "the next connection goes round as any other: %s", reason);
	else
		strbuf_addf(&message, "connections of %s go to the round again: %s",
			    pin_source_text(&pin->source).text, reason);
	route_say_off(&s->dispatch, pin, reason, message.text);
	let_go(s, pin);
}

int service_pin(struct service *s, const struct pin *pin, struct strbuf *error)
{
	int64_t left = pin->expires_ms ? pin->expires_ms - loop_now(service_loop(s)) : 0;
	struct pin old = { .worker = "" };
	const struct pin_source_text source = pin_source_text(&pin->source);
	STRBUF(until, 64);

	if (pin->source.family && !list_empty(&s->dispatch.listeners) &&
	    !list_find(const struct listener, l, &s->dispatch.listeners, link,
		       l->addr.family != HANDOFF_UNIX))
		return strbuf_fail(error, -EAFNOSUPPORT,
				   "clients of %s have no address, as they come by Unix sockets: "
				   "`next %s` leads one of them to this worker",
				   s->name, pin->worker);
	if (pins_add(&s->dispatch.pins, pin, &old) < 0)
		return strbuf_fail(error, -ENOSPC,
				   "service %s already has %d pins: remove one first", s->name,
				   PINS_MAX);
	if (left > 0) {
		strbuf_add(&until, " for ");
		units_add(&until, units_durations, left);
	}
	log_event(LEVEL_INFO, "pin", LOG_SERVICE(s), LOG_STR("worker", pin->worker),
		  LOG_STR("source", source.text), LOG_STR("kind", pin_kind_names[pin->kind]),
		  LOG_INT("ms", left),
		  LOG_MSG("%s %s goes to %s%s",
			  pin->kind == PIN_NEXT ? "the next connection of" : "every connection of",
			  source.text, pin->worker, until.text));
	if (old.worker[0])
		let_go(s, &old);
	changed(s);
	return 0;
}

unsigned service_unpin(struct service *s, const struct pin_filter *which, const char *reason)
{
	size_t at = s->dispatch.pins.n;
	unsigned n = 0;
	struct pin pin;

	for (; pins_pop(&s->dispatch.pins, which, &at, &pin); n++)
		taken_off(s, &pin, reason);
	changed(s);
	return n;
}

void service_pin_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, pin_timer);
	const struct pin_filter expired = { .now_ms = loop_now(service_loop(s)) };

	(void)service_unpin(s, &expired, "its time is over");
}
