#include "route.h"

#include "dispatch/channel.h"
#include "dispatch/flow.h"
#include "sys/log.h"

static struct channel *channel_at(const struct endpoint *e, const struct taker *t)
{
	return list_find(struct channel, c, &t->channels, link,
			 c->endpoint == e && channel_is_usable(c));
}

static struct channel *channel_of(const struct endpoint *e, struct pin *pin)
{
	const struct taker *t = pin_taker(e->dispatch, pin);

	return t ? channel_at(e, t) : NULL;
}

/* By the queue that was configured: .limit is the round's, which may have shut it out. */
static bool is_full(struct channel *c)
{
	unsigned queue = c->taker->conf->queue;

	if (c->member.waiting >= queue)
		c->member.waiting = channel_waiting(c);
	return c->member.waiting >= queue;
}

static bool has_room(struct channel *c)
{
	return !is_full(c) || (c->taker->gate == TAKER_PINNED && channel_has_unpinned(c));
}

bool route_must_make_room(struct channel *c)
{
	return c->taker->gate == TAKER_PINNED && is_full(c);
}

struct channel *route_find(struct endpoint *e, const struct handoff_addr *peer,
			   struct pin **ret_pin)
{
	struct pin *pin = pins_match(&e->dispatch->pins, peer);
	struct channel *c = pin ? channel_of(e, pin) : NULL;

	if (!c || !has_room(c))
		return NULL;
	*ret_pin = pin;
	return c;
}

/* There may be many more pins than takers. */
bool route_has_room(struct endpoint *e)
{
	struct channel *c;

	list_for_each (struct taker, t, &e->dispatch->takers, link) {
		c = channel_at(e, t);
		if (c && has_room(c) && taker_is_pinned(t))
			return true;
	}
	return false;
}

void route_say_off(const struct dispatch *d, const struct pin *pin, const char *reason,
		   const char *message)
{
	const struct pin_source_text source = pin_source_text(&pin->source);

	log_event(LEVEL_INFO, "unpin", LOG_STR("service", d->service),
		  LOG_STR("worker", pin->worker), LOG_STR("source", source.text),
		  LOG_STR("kind", pin_kind_names[pin->kind]), LOG_STR("reason", reason),
		  LOG_MSG("%s", message));
}

void route_used(struct dispatch *d, struct pin *pin)
{
	struct pin copy = *pin;
	STRBUF(message, 128);

	if (!pins_use(&d->pins, pin))
		return;
	strbuf_addf(&message, "the next connection has gone to %s", copy.worker);
	route_say_off(d, &copy, "used", message.text);
}

void route_missed(struct endpoint *e, const struct handoff_addr *peer)
{
	struct dispatch *d = e->dispatch;
	struct pin *pin = pins_match(&d->pins, peer);
	struct pin_source_text source;

	if (!pin || pin->missed)
		return;
	pin->missed = true;
	source = pin_source_text(&pin->source);
	log_event(LEVEL_WARN, "pin-missed", LOG_STR("service", d->service),
		  LOG_STR("worker", pin->worker), LOG_STR("source", source.text),
		  LOG_STR("kind", pin_kind_names[pin->kind]),
		  LOG_MSG("a connection of %s went to the round instead: %s %s", source.text,
			  pin->worker,
			  channel_of(e, pin) ? "has no room" : "does not serve this address now"));
}
