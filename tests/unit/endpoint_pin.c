/* links: broker/dispatch/endpoint broker/dispatch/flow broker/dispatch/pending */
/* links: broker/dispatch/listener broker/dispatch/route broker/dispatch/channel */
/* links: broker/service/pin */
/* links: broker/policy/balancer broker/base/heap broker/policy/pins */
/* links: broker/sys/retire broker/policy/histogram */
/* links: broker/base/units broker/base/strbuf broker/base/address */
/* links: broker/base/paths */
/* wrap: recv close */
#include "endpoint_fake.h"

#define QUEUE 4
#define MINE  9 /* the host that is pinned in most tests */

static void connect_from(uint8_t host, unsigned n)
{
	while (n--)
		client_connects(&listeners[0], host);
}

static struct pin pin_of(enum pin_kind kind, const char *source, unsigned worker)
{
	struct pin pin = { .kind = kind };
	STRBUF(error, 256);

	if (source)
		CHECK_EQ(pin_source_parse(source, &pin.source, &error), 0);
	(void)snprintf(pin.worker, sizeof(pin.worker), "web.%u", worker);
	return pin;
}

static void make_pin(enum pin_kind kind, const char *source, unsigned worker)
{
	struct pin pin = pin_of(kind, source, worker);
	STRBUF(error, 256);

	CHECK_EQ(service_pin(&service, &pin, &error), 0);
	(void)loop_catches_up();
}

static void worker_is_held(unsigned i)
{
	worker_goes(i, WORKER_HELD);
}

/* Like a running worker: for a while it may take what it has. */
static void worker_is_held_with_all_it_has(unsigned i)
{
	worker_enters(i, WORKER_HELD);
	endpoint_dispatch(endpoint);
}

/* How many of host @host wait at worker @i. */
static unsigned count_of(unsigned i, uint8_t host)
{
	unsigned n = 0;

	for (unsigned k = 0; k < workers[i].n; k++)
		n += clients[workers[i].queue[k]].host == host;
	return n;
}

static void worker_takes_all(unsigned i)
{
	while (workers[i].n) {
		worker_takes(i);
		run_loop();
	}
}

#define unpin(...) service_unpin(&service, &(struct pin_filter){ __VA_ARGS__ }, "test")

TEST(a_pin_goes_past_the_round_and_takes_nobodys_turn)
{
	fake_start(3, MAX_QUEUE, 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 1);
	for (unsigned i = 0; i < 12; i++) {
		connect_from(1, 1);
		CHECK(loop_turn(0));
		CHECK_EQ(last_worker, i % 3);
		connect_from(MINE, i % 4);
		for (unsigned k = 0; k < i % 4; k++) {
			CHECK(loop_turn(0));
			CHECK_EQ(last_worker, 1);
		}
	}
	CHECK(!endpoint->wakes);
	check_books();
	fake_stop();
}

/* No more are accepted while the others wait; but those who are here get what is theirs. */
TEST(what_is_pinned_comes_back_although_too_many_others_are_pending)
{
	fake_start(3, QUEUE, 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 0);
	make_pin(PIN_BY_HAND, "10.0.0.0/8", 2);
	worker_is_held(2);
	connect_from(MINE, QUEUE);
	connect_from(1, QUEUE + ENDPOINT_AHEAD_MAX);
	run_loop();
	CHECK_EQ(endpoint->n_ahead, ENDPOINT_AHEAD_MAX);
	worker_is_held(0);
	CHECK_EQ(count_of(0, MINE), QUEUE);
	CHECK_EQ(endpoint->n_pending, ENDPOINT_AHEAD_MAX);
	check_books();
	fake_stop();
}

TEST(a_held_worker_gets_what_is_pinned_and_nothing_else)
{
	fake_start(2, MAX_QUEUE, 1);
	make_pin(PIN_DEBUG, "127.0.0.9", 0);
	worker_is_held(0);
	for (int i = 0; i < 5; i++) {
		connect_from(1, 2);
		connect_from(MINE, 1);
	}
	run_loop();
	CHECK_EQ(workers[0].n, 5);
	CHECK_EQ(count_of(0, MINE), 5);
	CHECK_EQ(workers[1].n, 10);
	check_books();
	fake_stop();
}

TEST(what_is_pinned_comes_back_when_its_worker_is_held_and_the_rest_leaves)
{
	fake_start(2, MAX_QUEUE, 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 0);
	connect_from(1, 4);
	connect_from(MINE, 3);
	connect_from(1, 4);
	run_loop();
	CHECK_EQ(workers[0].n, 7);
	n_give_calls = 0;
	worker_is_held(0);
	CHECK_EQ(workers[0].n, 3);
	CHECK_EQ(count_of(0, MINE), 3);
	CHECK_EQ(workers[1].n, 8);
	CHECK_EQ(n_give_calls, 7); /* each once */
	for (unsigned k = 1; k < 3; k++)
		CHECK(workers[0].queue[k - 1] < workers[0].queue[k]);
	check_books();
	fake_stop();
}

TEST(who_came_by_the_round_makes_room_for_what_is_pinned_to_a_held_worker)
{
	fake_start(2, QUEUE, 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 0);
	connect_from(1, 2);
	connect_from(MINE, 1);
	connect_from(1, 2);
	connect_from(1, 2);
	run_loop();
	CHECK_EQ(workers[0].n, QUEUE);
	CHECK_EQ(count_of(0, MINE), 1);
	worker_is_held_with_all_it_has(0);
	CHECK_EQ(workers[0].n, QUEUE);
	/* Also if no other worker has room. */
	connect_from(1, 1);
	connect_from(MINE, 2);
	do
		run_loop();
	while (loop_waits());
	CHECK_EQ(workers[0].n, 3);
	CHECK_EQ(count_of(0, MINE), 3);
	for (unsigned k = 1; k < 3; k++)
		CHECK(workers[0].queue[k - 1] < workers[0].queue[k]);
	CHECK_EQ(n_warned, 0);
	check_books();
	/* A channel that is full of pinned connections does not make room for more of them. */
	connect_from(MINE, 3);
	run_loop();
	CHECK_EQ(count_of(0, MINE), QUEUE);
	CHECK(!loop_timer_armed(&endpoint->again));
	check_books();
	fake_stop();
}

/* One worker, held: everybody waits in the order of arrival, and one's own request gets through. */
TEST(with_the_whole_round_held_a_pinned_client_still_gets_through)
{
	fake_start(1, MAX_QUEUE, 1);
	make_pin(PIN_DEBUG, "127.0.0.9", 0);
	worker_is_held(0);
	connect_from(1, 20);
	connect_from(MINE, 1);
	connect_from(1, 10);
	connect_from(MINE, 2);
	run_loop();
	CHECK_EQ(workers[0].n, 3);
	CHECK_EQ(count_of(0, MINE), 3);
	CHECK_EQ(endpoint->n_pending, 30);
	CHECK_EQ(endpoint->n_ahead, 30);
	CHECK(is_armed(&listeners[0]));
	check_books();
	/* It comes back: first who waited longest, behind those that it has. */
	worker_joins(0);
	run_loop();
	CHECK_EQ(endpoint->n_pending, 0);
	CHECK_EQ(endpoint->n_ahead, 0);
	for (unsigned k = 4; k < workers[0].n; k++)
		CHECK(workers[0].queue[k - 1] < workers[0].queue[k]);
	CHECK(is_armed(&listeners[0]) && !endpoint->wakes);
	check_books();
	fake_stop();
}

TEST(as_many_as_the_bound_are_accepted_in_vain_and_then_the_backlog_waits)
{
	fake_start(2, QUEUE, 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 0);
	worker_is_held(0);
	worker_is_held(1);
	n_accept_calls = 0;
	connect_from(1, ENDPOINT_AHEAD_MAX + 40);
	connect_from(MINE, 1);
	run_loop();
	CHECK_EQ(endpoint->n_pending, ENDPOINT_AHEAD_MAX);
	CHECK_EQ(n_accept_calls, ENDPOINT_AHEAD_MAX);
	CHECK_EQ(backlog(&listeners[0]), 41);
	CHECK(!is_armed(&listeners[0]));
	CHECK(!loop_timer_armed(&endpoint->again)); /* and nothing spins */
	check_books();
	worker_joins(1);
	run_loop();
	CHECK_EQ(workers[1].n, QUEUE);
	while (workers[1].n || workers[0].n) {
		for (unsigned i = 0; i < 2; i++)
			if (workers[i].n)
				worker_takes(i);
		run_loop();
	}
	CHECK_EQ(n_served, ENDPOINT_AHEAD_MAX + 41);
	check_books();
	fake_stop();
}

/* Not the round: only the pinned channel can wake the dispatcher. */
TEST(room_in_the_channel_of_a_held_worker_lets_the_next_pinned_one_in)
{
	fake_start(1, QUEUE, 1);
	make_pin(PIN_DEBUG, "127.0.0.9", 0);
	worker_is_held(0);
	connect_from(MINE, 3 * QUEUE);
	connect_from(1, 2);
	run_loop();
	CHECK_EQ(workers[0].n, QUEUE);
	CHECK(!is_armed(&listeners[0]));
	CHECK(!loop_timer_armed(&endpoint->again));
	for (unsigned i = 0; i < 3 * QUEUE; i++) {
		CHECK(workers[0].n > 0);
		CHECK_EQ(workers[0].queue[0], i); /* in order */
		n_wakes = 0;
		worker_takes(0);
		run_loop();
		CHECK(n_wakes <= 3);
	}
	CHECK_EQ(workers[0].n, 0);
	CHECK_EQ(endpoint->n_pending, 2);
	check_books();
	fake_stop();
}

TEST(a_full_or_missing_worker_is_passed_over_and_that_is_said_once)
{
	fake_start(2, QUEUE, 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 0);
	connect_from(MINE, QUEUE + 3);
	run_loop();
	CHECK_EQ(workers[0].n, QUEUE);
	CHECK_EQ(workers[1].n, 3);
	CHECK_EQ(n_warned, 1);
	worker_takes_all(0);
	worker_takes_all(1);
	worker_leaves(0);
	connect_from(MINE, 2);
	run_loop();
	CHECK_EQ(workers[0].n, 0);
	CHECK_EQ(workers[1].n, 2);
	CHECK_EQ(n_warned, 1);
	/* A new one in the slot is meant as well. */
	worker_joins(0);
	connect_from(MINE, 2);
	run_loop();
	CHECK_EQ(workers[0].n, 2);
	check_books();
	fake_stop();
}

TEST(a_pin_of_one_generation_does_not_mean_the_next)
{
	struct pin pin;
	STRBUF(error, 256);

	fake_start(2, QUEUE, 1);
	pin = pin_of(PIN_DEBUG, "127.0.0.9", 0);
	pin.generation = 2;
	CHECK_EQ(service_pin(&service, &pin, &error), 0);
	connect_from(MINE, 4);
	run_loop();
	CHECK_EQ(workers[1].n, 2);
	workers[0].w.generation = 2; /* as if it were another worker */
	service.dispatch.taker_changes++;
	connect_from(MINE, 2);
	run_loop();
	CHECK_EQ(workers[0].n, 4);
	(void)unpin(.worker = workers[0].w.name, .generation = 2);
	CHECK_EQ(service.dispatch.pins.n, 0);
	fake_stop();
}

TEST(next_is_for_one_connection)
{
	fake_start(3, QUEUE, 1);
	make_pin(PIN_NEXT, NULL, 2);
	connect_from(1, 1);
	CHECK(loop_turn(0));
	CHECK_EQ(last_worker, 2);
	CHECK_EQ(service.dispatch.pins.n, 0);
	connect_from(1, 1);
	CHECK(loop_turn(0));
	CHECK_EQ(last_worker, 0);
	/* For a held one too, and with nobody in the round. */
	for (unsigned i = 0; i < 3; i++)
		worker_is_held(i);
	CHECK_EQ(endpoint->n_pending, 2);
	make_pin(PIN_NEXT, NULL, 1);
	CHECK_EQ(workers[1].n, 1);
	CHECK_EQ(workers[1].queue[0], 0); /* who waited longest is the next */
	CHECK_EQ(service.dispatch.pins.n, 0);
	connect_from(1, 5);
	run_loop();
	CHECK_EQ(backlog(&listeners[0]), 5);
	check_books();
	fake_stop();
}

TEST(a_worker_for_pinned_sources_is_never_in_the_round)
{
	fake_start(1, QUEUE, 1);
	workers[3].w.pinned_only = true;
	worker_joins(3);
	CHECK(!is_in_round(3));
	connect_from(1, QUEUE + 1);
	run_loop();
	CHECK_EQ(workers[3].n, 0);
	CHECK_EQ(backlog(&listeners[0]), 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 3);
	connect_from(MINE, 2);
	run_loop();
	CHECK_EQ(workers[3].n, 2);
	CHECK_EQ(endpoint->n_pending, 1);
	check_books();
	fake_stop();
}

TEST(a_pin_that_is_taken_off_leaves_nobody_behind)
{
	fake_start(2, QUEUE, 1);
	worker_is_held(0);
	worker_is_held(1);
	make_pin(PIN_BY_HAND, "127.0.0.0/24", 0);
	connect_from(MINE, QUEUE + 5);
	run_loop();
	CHECK_EQ(workers[0].n, QUEUE);
	CHECK_EQ(unpin(.worker = NULL), 1);
	CHECK(!is_armed(&listeners[0]));
	CHECK_EQ(workers[0].c.wake.events, 0);
	worker_joins(1);
	run_loop();
	worker_takes_all(1);
	CHECK_EQ(backlog(&listeners[0]), 0);
	CHECK_EQ(endpoint->n_pending, 0);
	CHECK(is_armed(&listeners[0]));
	check_books();
	fake_stop();
}

TEST(a_pin_ends_by_itself)
{
	struct pin pin = pin_of(PIN_BY_HAND, "127.0.0.9", 0);
	STRBUF(error, 256);

	fake_start(2, QUEUE, 1);
	pin.expires_ms = broker.loop.now_ms + 500;
	CHECK_EQ(service_pin(&service, &pin, &error), 0);
	CHECK(loop_timer_armed(&service.pin_timer));
	CHECK_EQ(service.pin_timer.at_ms, broker.loop.now_ms + 500);
	make_pin(PIN_BY_HAND, "127.0.0.8", 1);
	broker.loop.now_ms += 500;
	loop_timer_disarm(&service.pin_timer);
	service.pin_timer.expired(&service.pin_timer);
	CHECK_EQ(service.dispatch.pins.n, 1);
	CHECK_STR(service.dispatch.pins.pin[0].worker, "web.1");
	CHECK(!loop_timer_armed(&service.pin_timer));
	fake_stop();
}

TEST(a_table_that_is_full_takes_no_pin)
{
	struct pin pin = pin_of(PIN_DEBUG, "127.0.0.9", 0);
	STRBUF(error, 256);

	fake_start(1, QUEUE, 1);
	for (unsigned i = 0; i < PINS_MAX; i++) {
		struct pin other = { .source = {
					     4, 32, { 10, 0, (uint8_t)(i >> 8), (uint8_t)i } } };

		CHECK_EQ(pins_add(&service.dispatch.pins, &other, &other), 0);
	}
	CHECK_EQ(service_pin(&service, &pin, &error), -ENOSPC);
	CHECK_CONTAINS(error.text, "10000 pins");
	fake_stop();
}

TEST(too_many_in_flight_keeps_a_pinned_one_and_tries_again)
{
	fake_start(2, QUEUE, 1);
	make_pin(PIN_BY_HAND, "127.0.0.9", 0);
	workers[0].result = PAIR_BUSY;
	connect_from(MINE, 1);
	run_loop();
	CHECK_EQ(endpoint->n_pending, 1);
	CHECK(loop_timer_armed(&endpoint->again));
	CHECK(endpoint->again.at_ms > broker.loop.now_ms);
	workers[0].result = PAIR_SENT;
	CHECK(loop_waits());
	CHECK_EQ(workers[0].n, 1);
	/* Its channel broken: round it goes. */
	workers[0].result = PAIR_GONE;
	connect_from(MINE, 1);
	run_loop();
	CHECK(workers[0].stopped);
	CHECK_EQ(workers[1].n, 2);
	check_books();
	fake_stop();
}

/* Any order of everything: nothing is lost, doubled or forgotten, and pins are kept. */
static void random_step(unsigned long long *rnd)
{
	static const char *const sources[] = { "127.0.0.9", "127.0.0.8/31", "127.0.0.0/29" };
	unsigned i = tap_random(rnd, MAX_WORKERS);

	switch (tap_random(rnd, 13)) {
	case 0:
	case 1:
	case 2:
		connect_from((uint8_t)(1 + tap_random(rnd, 12)), 1 + tap_random(rnd, 6));
		break;
	case 3:
	case 4:
	case 5:
		if (workers[i].n)
			worker_takes(i);
		break;
	case 6:
		if (is_in_round(i) && tap_random(rnd, 2))
			worker_is_held(i);
		else if (is_in_round(i))
			worker_is_held_with_all_it_has(i);
		else
			worker_joins(i);
		break;
	case 7:
		if (is_in_round(i) || workers[i].w.state == WORKER_HELD)
			worker_leaves(i);
		break;
	case 8:
		if (service.dispatch.pins.n < 10)
			make_pin((enum pin_kind)tap_random(rnd, 3),
				 tap_random(rnd, 4) ? sources[tap_random(rnd, 3)] : NULL, i);
		break;
	case 9:
		if (tap_random(rnd, 4) == 0)
			(void)unpin(.worker = workers[i].w.name);
		break;
	case 10:
		workers[i].result = tap_random(rnd, 4) == 0 ? PAIR_BUSY : PAIR_SENT;
		break;
	case 11:
		(void)loop_waits();
		break;
	case 12:
		worker_is_checked(i);
		break;
	}
	for (unsigned turns = tap_random(rnd, 4); turns > 0; turns--)
		(void)loop_turn(tap_random(rnd, MAX_LISTEN + MAX_WORKERS));
}

static void settle(unsigned long long *rnd)
{
	bool more = true;
	unsigned turns = 0;

	for (unsigned i = 0; i < MAX_WORKERS; i++)
		workers[i].result = PAIR_SENT;
	if (!is_in_round(0))
		worker_joins(0);
	while (more) {
		more = false;
		while (loop_turn(tap_random(rnd, MAX_LISTEN + MAX_WORKERS)))
			CHECK(++turns < 1000000);
		for (unsigned i = 0; i < MAX_WORKERS; i++)
			if (workers[i].n) {
				worker_takes(i);
				more = true;
			}
		if (!more)
			more = loop_waits();
	}
}

TEST(nothing_is_lost_or_forgotten_whatever_is_pinned)
{
	unsigned long long rnd = tap_seed();

	fake_start(2, QUEUE, 1);
	for (int run = 0; run < 200 && n_clients < MAX_CLIENTS - 5000; run++) {
		for (unsigned step = 0; step < 300; step++) {
			random_step(&rnd);
			CHECK(endpoint->n_ahead <= ENDPOINT_AHEAD_MAX + 1);
			if (step % 16 == 0)
				check_books();
		}
		settle(&rnd);
		check_books();
		CHECK_EQ(endpoint->n_pending, 0);
		CHECK_EQ(endpoint->n_ahead, 0);
		CHECK_EQ(backlog(&listeners[0]), 0);
		CHECK(is_armed(&listeners[0]));
		CHECK_EQ(n_served, n_clients);
	}
	fake_stop();
}

TAP_MAIN()
