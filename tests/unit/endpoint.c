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

static void clients_connect(struct fake_listener *f, unsigned n)
{
	while (n--)
		client_connects(f, 1);
}

TEST(asks_for_a_worker_before_it_accepts)
{
	fake_start(0, QUEUE, 1);
	clients_connect(&listeners[0], 3);
	CHECK(!is_armed(&listeners[0]));
	endpoint_dispatch(endpoint);
	CHECK(!loop_turn(0));
	CHECK_EQ(n_accept_calls, 0);
	/* The first worker ends the wait. */
	worker_joins(0);
	CHECK_EQ(workers[0].n, 3);
	CHECK(is_armed(&listeners[0]));
	check_books();
	fake_stop();
}

TEST(goes_round_and_stops_when_all_are_full)
{
	fake_start(3, QUEUE, 1);
	clients_connect(&listeners[0], 3 * QUEUE + 5);
	for (unsigned i = 0; i < 3 * QUEUE; i++) {
		CHECK(loop_turn(0));
		CHECK_EQ(last_worker, i % 3);
	}
	run_loop();
	CHECK_EQ(backlog(&listeners[0]), 5);
	CHECK_EQ(n_accept_calls, 3 * QUEUE);
	CHECK_EQ(endpoint->n_pending, 0);
	CHECK(endpoint->paused && !is_armed(&listeners[0]));
	CHECK(!loop_timer_armed(&endpoint->again));
	check_books();
	fake_stop();
}

TEST(each_message_taken_lets_one_more_in)
{
	fake_start(2, QUEUE, 1);
	clients_connect(&listeners[0], 2 * QUEUE + 5);
	run_loop();
	for (unsigned left = 5; left-- > 0;) {
		worker_takes(1);
		run_loop();
		CHECK_EQ(backlog(&listeners[0]), left);
		CHECK_EQ(workers[1].n, QUEUE);
		CHECK(left == 0 || !is_armed(&listeners[0]));
	}
	/* Nobody waits any more, and there is room: new clients must be noticed. */
	worker_takes(0);
	run_loop();
	CHECK(is_armed(&listeners[0]));
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(workers[i].c.wake.events, 0);
	check_books();
	fake_stop();
}

/* A worker that joins while all wait is filled at once; its own taking must wake us then. */
TEST(a_worker_that_joins_a_paused_endpoint_wakes_it)
{
	fake_start(0, QUEUE, 1);
	clients_connect(&listeners[0], 5 * QUEUE);
	worker_joins(0);
	run_loop();
	CHECK_EQ(workers[0].n, QUEUE);
	CHECK(endpoint->paused);
	worker_takes(0);
	run_loop();
	CHECK_EQ(workers[0].n, QUEUE);

	worker_joins(1);
	worker_leaves(0);
	run_loop();
	CHECK_EQ(workers[1].n, QUEUE);
	CHECK_EQ(endpoint->n_pending, QUEUE);
	for (unsigned i = 0; i < 4 * QUEUE - 1; i++) {
		worker_takes(1);
		run_loop();
	}
	CHECK_EQ(backlog(&listeners[0]), 0);
	CHECK_EQ(endpoint->n_pending, 0);
	check_books();
	fake_stop();
}

TEST(an_armed_listener_gives_one_at_a_wake_up)
{
	fake_start(2, QUEUE, 1);
	clients_connect(&listeners[0], 3);
	for (unsigned i = 1; i <= 3; i++) {
		CHECK(loop_turn(0));
		CHECK_EQ(n_accept_calls, i);
	}
	CHECK(!loop_turn(0));
	fake_stop();
}

TEST(the_work_of_one_call_is_bounded)
{
	fake_start(0, MAX_QUEUE, 2);
	clients_connect(&listeners[0], 1000);
	clients_connect(&listeners[1], 1000);
	workers[1].c.member.limit = workers[0].c.member.limit = MAX_QUEUE;
	worker_joins(0);
	CHECK(n_accept_calls <= 64);
	worker_joins(1);
	n_accept_calls = 0;
	endpoint_dispatch(endpoint);
	CHECK(n_accept_calls <= 64);

	/* Errors that concern one connection only must not keep us either. */
	(void)endpoint_take_back(&workers[0].c, "to others");
	(void)endpoint_take_back(&workers[1].c, "to others");
	pending_refuse_all(endpoint);
	listeners[0].failure = ACCEPT_RETRY;
	listeners[0].failures_left = 1000000;
	n_accept_calls = 0;
	endpoint_dispatch(endpoint);
	CHECK(n_accept_calls <= 64);
	CHECK(is_armed(&listeners[0]));
	fake_stop();
}

/* What is pending makes no descriptor readable: the rest of it must not be forgotten. */
/* What closes a listener relies on it: "not paused" alone may mean that the bound was reached. */
TEST(says_whether_anybody_is_left)
{
	fake_start(2, MAX_QUEUE, 1);
	clients_connect(&listeners[0], 64 + 1);
	CHECK(!endpoint_dispatch(endpoint));
	CHECK(!endpoint->paused);
	CHECK_EQ(backlog(&listeners[0]), 1);
	CHECK(endpoint_dispatch(endpoint));
	CHECK_EQ(backlog(&listeners[0]), 0);
	service.dispatch.paused = true;
	CHECK(!endpoint_dispatch(endpoint));
	service.dispatch.paused = false;
	check_books();
	fake_stop();
}

TEST(pending_beyond_the_bound_is_gone_on_with)
{
	enum { N = 4 * MAX_QUEUE };

	fake_start(4, MAX_QUEUE, 1);
	clients_connect(&listeners[0], N);
	run_loop();
	for (unsigned i = 0; i < 4; i++) {
		CHECK_EQ(workers[i].n, MAX_QUEUE);
		balancer_remove(&endpoint->round, &workers[i].c.member);
		(void)endpoint_take_back(&workers[i].c, "to others");
	}
	CHECK_EQ(endpoint->n_pending, N);
	for (unsigned i = 4; i < 8; i++)
		balancer_add(&endpoint->round, &workers[i].c.member);
	n_give_calls = 0;
	endpoint_dispatch(endpoint);
	CHECK(n_give_calls <= 64);
	while (loop_waits())
		continue;
	CHECK_EQ(endpoint->n_pending, 0);
	check_books();
	fake_stop();
}

TEST(what_came_back_goes_first_and_oldest_first)
{
	fake_start(1, QUEUE, 1);
	clients_connect(&listeners[0], 3 * QUEUE);
	run_loop();
	balancer_remove(&endpoint->round, &workers[0].c.member);
	/* They come back in any order, from one channel or another. */
	workers[0].queue[0] = 2, workers[0].queue[1] = 0;
	workers[0].queue[2] = 3, workers[0].queue[3] = 1;
	(void)endpoint_take_back(&workers[0].c, "to others");
	check_books();
	worker_joins(1);
	CHECK_EQ(workers[1].n, QUEUE);
	for (unsigned i = 0; i < QUEUE; i++)
		CHECK_EQ(workers[1].queue[i], i);
	CHECK_EQ(backlog(&listeners[0]), 2 * QUEUE);
	worker_takes(1);
	run_loop();
	CHECK_EQ(workers[1].queue[QUEUE - 1], QUEUE);
	check_books();
	fake_stop();
}

TEST(a_pending_client_that_went_away_is_let_go)
{
	fake_start(1, QUEUE, 1);
	clients_connect(&listeners[0], QUEUE);
	run_loop();
	clients[0].reset = clients[2].reset = true;
	worker_leaves(0);
	CHECK_EQ(endpoint->n_pending, QUEUE);
	worker_joins(1);
	CHECK_EQ(service.dispatch.ledger.client_gone, 2);
	CHECK_EQ(workers[1].n, QUEUE - 2);
	CHECK_EQ(clients[0].owner, CLOSED);
	check_books();
	fake_stop();
}

TEST(a_shortage_pauses_and_warns_once)
{
	fake_start(2, QUEUE, 1);
	clients_connect(&listeners[0], 2);
	listeners[0].failure = ACCEPT_EXHAUSTED;
	listeners[0].failures_left = 5;
	CHECK(loop_turn(0));
	/* A listener that stays readable would spin. */
	for (unsigned i = 0; i < 4; i++) {
		CHECK(!is_armed(&listeners[0]));
		CHECK(loop_timer_armed(&endpoint->again));
		CHECK(endpoint->again.at_ms > broker.loop.now_ms);
		while (loop_turn(0))
			continue;
		if (listeners[0].failures_left)
			CHECK(loop_waits());
	}
	CHECK_EQ(n_warned, 1);
	while (loop_waits())
		continue;
	CHECK_EQ(backlog(&listeners[0]), 0);
	CHECK(is_armed(&listeners[0]));
	CHECK_EQ(n_warned, 1);

	/* The next shortage is news again. */
	clients_connect(&listeners[0], 1);
	listeners[0].failures_left = 1;
	run_loop();
	CHECK_EQ(n_warned, 2);
	while (loop_waits())
		continue;
	check_books();
	fake_stop();
}

TEST(an_error_of_accept_that_is_ours_does_not_spin)
{
	fake_start(1, QUEUE, 1);
	clients_connect(&listeners[0], 1);
	listeners[0].failure = ACCEPT_FAILED;
	listeners[0].failures_left = 3;
	CHECK(loop_turn(0));
	CHECK(!is_armed(&listeners[0]));
	CHECK(endpoint->again.at_ms > broker.loop.now_ms);
	CHECK(n_warned > 0);
	fake_stop();
}

/*
 * RLIMIT_NOFILE descriptors in flight: no event tells when that is over. The kernel reports room in
 * the channel for each attempt that failed, so that is not listened to.
 */
TEST(too_many_in_flight_keeps_the_connection_and_tries_again)
{
	int64_t rest_ms;

	fake_start(2, QUEUE, 1);
	clients_connect(&listeners[0], 3);
	workers[0].result = workers[1].result = PAIR_BUSY;
	CHECK(loop_turn(0));
	CHECK_EQ(endpoint->n_pending, 1);
	CHECK(endpoint->paused && !is_armed(&listeners[0]));
	for (int i = 0; i < 6; i++) {
		while (loop_turn(0))
			continue;
		CHECK(loop_timer_armed(&endpoint->again) && !endpoint->wakes);
		rest_ms = endpoint->again.at_ms - broker.loop.now_ms;
		CHECK_EQ(rest_ms, i < 4 ? 10 << i : 100);
		n_give_calls = 0;
		CHECK(loop_waits());
		CHECK(n_give_calls <= 1);
		CHECK_EQ(endpoint->n_pending, 1);
	}
	workers[0].result = workers[1].result = PAIR_SENT;
	CHECK(loop_waits());
	CHECK_EQ(endpoint->n_pending, 0);
	CHECK_EQ(workers[0].n + workers[1].n, 3);
	CHECK_EQ(workers[0].queue[0], 0);
	CHECK_EQ(endpoint->rest_ms, 0);
	check_books();
	fake_stop();
}

TEST(a_broken_channel_ends_its_worker_and_the_next_gets_the_connection)
{
	fake_start(4, QUEUE, 1);
	clients_connect(&listeners[0], 8);
	for (int i = 0; i < 4; i++)
		CHECK(loop_turn(0));
	for (unsigned i = 0; i < 2; i++)
		workers[i].result = PAIR_GONE;
	CHECK(loop_turn(0));
	CHECK(workers[0].c.broken && workers[1].c.broken);
	CHECK(!workers[2].c.broken && !is_in_round(0) && !is_in_round(1));
	run_loop();
	CHECK_EQ(backlog(&listeners[0]), 0);
	CHECK_EQ(endpoint->n_pending, 0);
	check_books();
	fake_stop();
}

TEST(the_last_worker_gone_while_sending_loses_nothing)
{
	fake_start(1, QUEUE, 1);
	clients_connect(&listeners[0], 2);
	CHECK(loop_turn(0));
	workers[0].result = PAIR_GONE;
	run_loop();
	CHECK_EQ(endpoint->n_pending, 2);
	CHECK(endpoint->paused && !is_armed(&listeners[0]));
	check_books();
	worker_joins(1);
	CHECK_EQ(workers[1].queue[0], 0);
	CHECK_EQ(workers[1].queue[1], 1);
	check_books();
	fake_stop();
}

TEST(a_paused_service_gives_out_what_it_has_and_accepts_nothing)
{
	fake_start(1, QUEUE, 1);
	clients_connect(&listeners[0], 2);
	run_loop();
	clients_connect(&listeners[0], 1);
	service.dispatch.paused = true;
	worker_leaves(0);
	worker_joins(1);
	CHECK_EQ(workers[1].n, 2);
	CHECK_EQ(backlog(&listeners[0]), 1);
	CHECK(!is_armed(&listeners[0]));
	service.dispatch.paused = false;
	endpoint_dispatch(endpoint);
	CHECK_EQ(workers[1].n, 3);
	CHECK(is_armed(&listeners[0]));
	fake_stop();
}

TEST(a_connection_is_accepted_as_the_next_worker_wants_it)
{
	struct handoff_page page = { .wants_nonblock = 1 };

	fake_start(2, QUEUE, 1);
	workers[0].c.page.map = &page;
	clients_connect(&listeners[0], 4);
	run_loop();
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(clients[i].nonblock, i % 2 == 0);
	/* Our copies are closed up to the second that it was given. */
	CHECK_EQ(page.closed, 2);
	check_books();
	fake_stop();
}

TEST(all_listeners_are_emptied)
{
	fake_start(0, MAX_QUEUE, 3);
	for (unsigned i = 0; i < 3; i++)
		clients_connect(&listeners[i], 7);
	worker_joins(0);
	CHECK_EQ(workers[0].n, 21);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(is_armed(&listeners[i]));
		CHECK_EQ(listeners[i].l->accepted, 7);
	}
	check_books();
	fake_stop();
}

TEST(a_connection_of_a_closing_listener_gets_its_packets)
{
	fake_start(1, QUEUE, 1);
	clients_connect(&listeners[0], 2);
	CHECK(loop_turn(0));
	CHECK(!listeners[0].filter_removed);
	listeners[0].l->closing = true;
	CHECK(loop_turn(0));
	CHECK(listeners[0].filter_removed);
	fake_stop();
}

TEST(what_nobody_can_serve_is_refused_and_counted)
{
	fake_start(1, QUEUE, 1);
	clients_connect(&listeners[0], 3);
	run_loop();
	worker_leaves(0);
	pending_refuse_all(endpoint);
	CHECK_EQ(service.dispatch.ledger.refused, 3);
	CHECK_EQ(n_closed, 3);
	check_books();
	fake_stop();
}

/*
 * Anything in any order. At each step the books balance; and when all faults are over and
 * the workers take what they are given, everybody is served: no wake-up was lost.
 */
static void random_run(unsigned long long *rnd, unsigned steps)
{
	static const enum accept_result accept_failures[] = { ACCEPT_NONE, ACCEPT_RETRY,
							      ACCEPT_EXHAUSTED, ACCEPT_FAILED };

	for (unsigned step = 0; step < steps; step++) {
		struct fake_listener *f = &listeners[tap_random(rnd, n_listeners)];
		unsigned i = tap_random(rnd, MAX_WORKERS);

		switch (tap_random(rnd, 12)) {
		case 0:
		case 1:
			clients_connect(f, 1 + tap_random(rnd, 6));
			break;
		case 2:
		case 3:
		case 4:
			if (workers[i].n)
				worker_takes(i);
			break;
		case 5:
			if (is_in_round(i))
				worker_leaves(i);
			else
				worker_joins(i);
			break;
		case 6:
			f->failure = accept_failures[tap_random(rnd, 4)];
			f->failures_left = tap_random(rnd, 3);
			break;
		case 7: /* rarely broken, sometimes at the limit in flight */
			workers[i].result = tap_random(rnd, 8) == 0   ? PAIR_GONE
					    : tap_random(rnd, 4) == 0 ? PAIR_BUSY
								      : PAIR_SENT;
			break;
		case 8:
			if (n_clients > 32)
				clients[n_clients - 1 - tap_random(rnd, 32)].reset = true;
			break;
		case 9:
			(void)loop_waits();
			break;
		case 11:
			worker_is_checked(i);
			break;
		case 10: /* watch.c: a stalled worker, one at a time, or none */
			if (is_in_round(i))
				workers[i].c.member.limit = tap_random(rnd, QUEUE + 1);
			break;
		}
		for (unsigned turns = tap_random(rnd, 4); turns > 0; turns--)
			(void)loop_turn(tap_random(rnd, MAX_LISTEN + MAX_WORKERS));
		/* Walking all clients at each step would be most of the time. */
		if (step % 16 == 0)
			check_books();
	}
}

static void settle(unsigned long long *rnd)
{
	bool more = true;
	unsigned turns = 0;

	for (unsigned i = 0; i < n_listeners; i++)
		listeners[i].failures_left = 0;
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		workers[i].result = PAIR_SENT;
		workers[i].c.member.limit = QUEUE;
	}
	/* watch.c dispatches when it raises a limit; a worker joins, if only this one. */
	if (is_in_round(0))
		endpoint_dispatch(endpoint);
	else
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

TEST(nothing_is_lost_or_doubled_whatever_happens)
{
	unsigned long long rnd = tap_seed();

	fake_start(2, QUEUE, MAX_LISTEN);
	for (int run = 0; run < 200 && n_clients < MAX_CLIENTS - 5000; run++) {
		random_run(&rnd, 300);
		settle(&rnd);
		check_books();
		CHECK_EQ(endpoint->n_pending, 0);
		for (unsigned i = 0; i < n_listeners; i++) {
			CHECK_EQ(backlog(&listeners[i]), 0);
			CHECK(is_armed(&listeners[i]));
		}
		CHECK_EQ(n_served + service.dispatch.ledger.client_gone, n_clients);
		CHECK_EQ(service.dispatch.ledger.refused, 0);
	}
	CHECK(service.dispatch.ledger.taken_back > 100 && service.dispatch.ledger.client_gone > 10);
	fake_stop();
}

TAP_MAIN()
