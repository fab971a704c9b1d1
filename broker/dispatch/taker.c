/*
 * All channels of one taker at once: see channel.h.
 */
#include "dispatch/channel.h"
#include "dispatch/flow.h"

void taker_publish(struct taker *t)
{
	list_for_each (struct channel, c, &t->channels, link) {
		if (channel_is_in_round(c) || !channel_is_usable(c))
			continue;
		c->member.waiting = channel_waiting(c);
		channel_trust(c);
		c->moved_ms = loop_now(channel_loop(c));
		endpoint_join(c->endpoint, c);
		if (c->endpoint->wakes)
			endpoint_wake(c->endpoint);
	}
}

void taker_withdraw(struct taker *t)
{
	list_for_each (struct channel, c, &t->channels, link)
		endpoint_leave(c->endpoint, c);
}

bool taker_listens_on(const struct taker *t, uint32_t app)
{
	return list_find(const struct channel, c, &t->channels, link,
			 address_app(&c->endpoint->app_addr) == app);
}

bool taker_serves(const struct taker *t, const struct endpoint *e)
{
	return list_find(const struct channel, c, &t->channels, link, c->endpoint == e);
}

struct channel *taker_find_channel(struct taker *t, uint64_t id)
{
	return list_find(struct channel, c, &t->channels, link, c->id == id);
}

uint64_t taker_taken(const struct taker *t)
{
	uint64_t n = t->self->served;

	list_for_each (struct channel, c, &t->channels, link)
		n += channel_taken(c, channel_backlog(c));
	return n;
}

unsigned taker_waiting(const struct taker *t)
{
	unsigned n = 0;

	list_for_each (struct channel, c, &t->channels, link)
		n += channel_backlog(c);
	return n;
}

void taker_nudge(struct taker *t)
{
	list_for_each (struct channel, c, &t->channels, link) {
		if (c->taken_back_since_given)
			pair_nudge(c->tx);
		c->taken_back_since_given = false;
	}
}

void taker_init(struct taker *t)
{
	list_init(&t->channels);
	list_append(&t->dispatch->takers, &t->link);
	t->dispatch->taker_changes++;
}

void taker_deinit(struct taker *t)
{
	list_for_each_safe (struct channel, c, tmp, &t->channels, link)
		channel_close(c);
	list_remove(&t->link);
	t->dispatch->taker_changes++;
}
