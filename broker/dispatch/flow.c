#include "flow.h"

#include "dispatch/listener.h"
#include "sys/log.h"

/* A shortage of descriptors or memory ends without an event: look again after this time. */
#define SHORTAGE_MS 100
/* One of what is in flight ends soon, as workers take it: at first. */
#define FLIGHT_LIMIT_MS 10

static struct loop *loop_of(const struct endpoint *e)
{
	return &e->dispatch->broker->loop;
}

struct taker *pin_taker(const struct dispatch *d, struct pin *pin)
{
	struct taker *best = NULL;

	if (pin->way_at == d->taker_changes)
		return pin->way;
	list_for_each (struct taker, t, &d->takers, link)
		if (t->gate != TAKER_SHUT && pin_names(pin, t->self->name, t->self->generation) &&
		    (!best || t->self->generation > best->self->generation))
			best = t;
	pin->way = best;
	pin->way_at = d->taker_changes;
	return best;
}

bool taker_is_pinned(const struct taker *t)
{
	struct dispatch *d = t->dispatch;

	for (size_t i = 0; t->gate != TAKER_SHUT && i < d->pins.n; i++)
		if (pin_taker(d, &d->pins.pin[i]) == t)
			return true;
	return false;
}

/*
 * While nobody has room, each message taken (EPOLLOUT, edge-triggered) wakes us. The MOD itself
 * reports the present state once, so a message taken just now is not missed.
 */
static void arm_wake(struct channel *c, bool armed)
{
	loop_modify(channel_loop(c), &c->wake, armed ? EPOLLOUT | EPOLLET : 0);
}

/* Room in @c is of use to somebody: by the round, or by a pin. */
static bool is_of_use(const struct channel *c)
{
	return channel_is_in_round(c) || taker_is_pinned(c->taker);
}

/* The channels that pins lead to and that are not in the round. */
static void arm_wakes_outside(struct endpoint *e)
{
	list_for_each (struct taker, t, &e->dispatch->takers, link)
		list_for_each (struct channel, c, &t->channels, link)
			if (c->endpoint == e && !channel_is_in_round(c))
				arm_wake(c, e->wakes && is_of_use(c));
}

void endpoint_set_wakes(struct endpoint *e, bool wakes)
{
	if (e->wakes == wakes)
		return;
	e->wakes = wakes;
	list_for_each (struct balancer_member, m, &e->round.ring, link)
		arm_wake(container_of(m, struct channel, member), wakes);
	if (e->dispatch->pins.n)
		arm_wakes_outside(e);
}

void endpoint_set_listening(struct endpoint *e, bool listening)
{
	if (e->paused == !listening)
		return;
	e->paused = !listening;
	e->paused_ms = loop_now(loop_of(e));
	list_for_each (struct listener, l, &e->listeners, endpoint_link)
		listener_arm(l);
}

void endpoint_set_paused(struct endpoint *e, bool paused)
{
	/* Also if it is paused: it may have been since before its first worker. */
	if (paused && e->dispatch->wanted)
		e->dispatch->wanted(e->dispatch);
	endpoint_set_listening(e, !paused);
	endpoint_set_wakes(e, paused);
}

void endpoint_pause_for(struct endpoint *e, int64_t ms)
{
	endpoint_set_paused(e, true);
	loop_timer_arm(loop_of(e), &e->again, ms);
}

/*
 * No wake-ups either: the kernel gives the buffer of a message back that it did not send, which
 * looks like one that was taken.
 */
void endpoint_rest(struct endpoint *e)
{
	e->rest_ms = e->rest_ms ? e->rest_ms * 2 : FLIGHT_LIMIT_MS;
	if (e->rest_ms > SHORTAGE_MS)
		e->rest_ms = SHORTAGE_MS;
	endpoint_set_listening(e, false);
	endpoint_set_wakes(e, false);
	loop_timer_arm(loop_of(e), &e->again, e->rest_ms);
}

void endpoint_wake(struct endpoint *e)
{
	loop_timer_arm(loop_of(e), &e->again, 0);
}

void endpoint_join(struct endpoint *e, struct channel *c)
{
	if (channel_is_in_round(c))
		return;
	if (c->taker->gate == TAKER_OPEN)
		balancer_add(&e->round, &c->member);
	if (e->wakes)
		arm_wake(c, is_of_use(c));
}

void endpoint_leave(struct endpoint *e, struct channel *c)
{
	if (!channel_is_in_round(c))
		return;
	balancer_remove(&e->round, &c->member);
	if (e->wakes)
		arm_wake(c, is_of_use(c));
}

void endpoint_pins_changed(struct endpoint *e)
{
	arm_wakes_outside(e);
	if (e->wakes || !list_empty(&e->pending))
		endpoint_wake(e);
}

/* Somebody waits for a process to end. */
void endpoint_say_full(struct endpoint *e)
{
	const struct dispatch *d = e->dispatch;
	int64_t now = loop_now(&d->broker->loop);

	if (!dispatch_is_full(d) || (e->full_said_ms && now - e->full_said_ms < FULL_EACH_MS))
		return;
	e->full_said_ms = now;
	log_event(LEVEL_WARN, "limit", LOG_STR("service", d->service),
		  LOG_MSG("%u connections have a process each: others wait in the backlog "
			  "until one ends; raise processes in its section if the machine "
			  "can run more",
			  d->in_use));
}

void endpoint_shortage(struct endpoint *e)
{
	if (!e->warned_full)
		log_event(
			LEVEL_WARN, "limit", LOG_STR("service", e->dispatch->service),
			LOG_MSG("no descriptor or memory left to accept connections: clients wait "
				"in the backlog; raise the descriptor limit of the broker (ulimit "
				"-n, LimitNOFILE=)"));
	e->warned_full = true;
	endpoint_pause_for(e, SHORTAGE_MS);
}
