/* links: broker/policy/rollout */
#include "policy/rollout.h"
#include "tap.h"

#include <limits.h>

#define MAX 40

/* --- one rollout, as service_roll.c performs it, with workers that are only numbers -- */

struct place {
	bool old;      /* the old worker lives */
	bool told;     /* ... and was told to leave */
	bool asked;    /* it was, even if it is gone by now */
	bool starting; /* a new one was started */
	bool ready;    /* ... and serves */
	bool proven;   /* ... and has taken a connection */
	bool failed;   /* ... or will never */
};

static struct rollout r;
static struct place places[MAX];

static struct sim {
	enum conf_strategy strategy;
	unsigned surge;
	size_t n;
	unsigned begun_with, crashes; /* old workers that lived, and that left unasked */
	unsigned n_probations, n_finished, n_aborted;
	bool failed;
} sim;

static void begin(enum conf_strategy strategy, unsigned surge, size_t n, const bool *has_old)
{
	sim = (struct sim){ .strategy = strategy, .surge = surge, .n = n };
	memset(places, 0, sizeof(places));
	for (size_t i = 0; i < n; i++) {
		places[i].old = has_old[i];
		sim.begun_with += has_old[i];
	}
	rollout_begin(&r, strategy, surge, 0, n, has_old);
}

static unsigned count_serving(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < sim.n; i++)
		n += (places[i].old && !places[i].told) || places[i].ready;
	return n;
}

static void check_promise(void)
{
	unsigned in_flight = 0, missing = 0;

	for (size_t i = 0; i < sim.n; i++) {
		const struct place *p = &places[i];

		in_flight += (p->starting || p->ready || p->asked) && !p->proven;
		missing += p->asked && !p->ready;
		/* An app that cannot run twice never does. */
		if (sim.strategy == STRATEGY_STOP_FIRST)
			CHECK(!(p->old && (p->starting || p->ready)));
	}
	if (!sim.failed)
		CHECK(in_flight <= sim.surge);
	CHECK(r.in_flight <= sim.surge);
	CHECK(count_serving() + sim.crashes + missing >= sim.begun_with);
	if (sim.failed)
		return; /* a new one may have crashed when its old one had left already */
	if (sim.strategy == STRATEGY_START_FIRST)
		CHECK_EQ(missing, 0);
	CHECK(missing <= sim.surge);
}

static void start_slot(size_t i)
{
	struct place *p = &places[i];

	CHECK(i < sim.n && !p->starting && !p->ready && !sim.failed);
	CHECK(sim.strategy == STRATEGY_START_FIRST || !p->old);
	/* Vacant slots come first: with one left, none that serves may be begun. */
	if (p->old) {
		for (size_t k = 0; k < sim.n; k++)
			CHECK(places[k].old || places[k].starting || places[k].ready);
	}
	p->starting = true;
}

static void retire_slot(size_t i)
{
	struct place *p = &places[i];

	CHECK(i < sim.n && p->old && !p->told && !sim.failed);
	if (sim.strategy == STRATEGY_START_FIRST)
		CHECK(p->proven);
	else
		CHECK(!p->starting && !p->ready);
	p->told = p->asked = true;
}

/* Performs all that is said until it says NOTHING; bounded. */
static void pump(void)
{
	for (size_t steps = 0; steps <= 3 * sim.n + 2; steps++) {
		size_t i = SIZE_MAX;

		switch (rollout_next(&r, &i)) {
		case ROLLOUT_NOTHING:
			return;
		case ROLLOUT_START:
			start_slot(i);
			break;
		case ROLLOUT_RETIRE:
			retire_slot(i);
			break;
		case ROLLOUT_PROBATION:
			CHECK(!sim.failed && !sim.n_probations++);
			for (size_t k = 0; k < sim.n; k++) {
				CHECK_EQ(r.slots[k].phase, ROLLOUT_DONE);
				CHECK(places[k].proven && (!places[k].old || places[k].told));
			}
			break;
		case ROLLOUT_FINISHED:
			sim.n_finished++;
			CHECK(!sim.failed && sim.n_probations);
			break;
		case ROLLOUT_ABORTED:
			sim.n_aborted++;
			CHECK(sim.failed);
			break;
		}
		CHECK(sim.n_finished + sim.n_aborted <= 1);
		CHECK_EQ(r.active, sim.n_finished + sim.n_aborted == 0);
		check_promise();
	}
	tap_fail(__FILE__, __LINE__, "it never says NOTHING");
}

static void fail_new(size_t i)
{
	sim.failed = true;
	places[i].starting = places[i].ready = places[i].proven = false;
	places[i].failed = true;
	rollout_new_failed(&r, i);
}

/* Something happens to somebody. False: there is nobody to whom anything could happen. */
static bool something_happens(unsigned long long *rnd, unsigned fail_one_in)
{
	size_t start = sim.n ? tap_random(rnd, (unsigned)sim.n) : 0;

	for (size_t k = 0; k < sim.n; k++) {
		size_t i = (start + k) % sim.n;
		struct place *p = &places[i];

		if (r.active && (p->starting || p->ready) && fail_one_in &&
		    tap_random(rnd, fail_one_in) == 0) {
			fail_new(i);
			return true;
		}
		if (p->old && p->told && tap_random(rnd, 2)) {
			p->old = p->told = false;
			rollout_old_gone(&r, i);
			return true;
		}
		if (p->old && !p->told && tap_random(rnd, 40) == 0) {
			p->old = false;
			sim.crashes++;
			rollout_old_gone(&r, i);
			return true;
		}
		if (p->starting && tap_random(rnd, 2)) {
			p->starting = false;
			p->ready = true;
			rollout_new_ready(&r, i);
			return true;
		}
		if (p->ready && !p->proven && tap_random(rnd, 2)) {
			p->proven = true;
			rollout_new_proven(&r, i);
			return true;
		}
	}
	for (size_t i = 0; i < sim.n; i++)
		if (places[i].starting || places[i].told || (places[i].ready && !places[i].proven))
			return true; /* all were slow this time */
	return false;
}

/* Late and foreign news: of slots where nothing of the kind can happen. */
static void noise(unsigned long long *rnd)
{
	size_t i = tap_random(rnd, (unsigned)sim.n + 3);

	if (i >= sim.n || (!places[i].starting && !places[i].ready)) {
		rollout_new_ready(&r, i);
		rollout_new_proven(&r, i);
		rollout_new_failed(&r, i);
	}
	if (i >= sim.n || !places[i].old)
		rollout_old_gone(&r, i);
}

static void random_rollout(unsigned long long *rnd, enum conf_strategy strategy)
{
	size_t n = tap_random(rnd, MAX + 1);
	unsigned surge = tap_random(rnd, 4) ? 1 + tap_random(rnd, MAX) : UINT_MAX;
	unsigned fail_one_in = tap_random(rnd, 2) ? 0 : 1 + tap_random(rnd, 60);
	bool has_old[MAX], going = true;

	for (size_t i = 0; i < n; i++)
		has_old[i] = tap_random(rnd, 5) != 0;
	begin(strategy, surge, n, has_old);
	pump();
	for (unsigned steps = 0; going; steps++) {
		CHECK(steps < 100000);
		going = something_happens(rnd, fail_one_in);
		check_promise();
		/* Several things may happen before the plan is asked. */
		if (tap_random(rnd, 3))
			pump();
		if (tap_random(rnd, 3) == 0)
			noise(rnd);
		/* The probation lasts as long as something may still fail in it. */
		if (!going && r.active) {
			pump();
			rollout_passed(&r);
			pump();
			going = r.active && n;
		}
	}
	CHECK_EQ(sim.n_finished, !sim.failed);
	CHECK_EQ(sim.n_aborted, sim.failed);
	noise(rnd);
	pump();
	CHECK_EQ(sim.n_finished + sim.n_aborted, 1);
}

TEST(start_first_keeps_its_promise_in_any_order_of_events)
{
	unsigned long long rnd = tap_seed();

	for (int run = 0; run < 5000; run++)
		random_rollout(&rnd, STRATEGY_START_FIRST);
}

TEST(stop_first_keeps_its_promise_in_any_order_of_events)
{
	unsigned long long rnd = tap_seed();

	for (int run = 0; run < 5000; run++)
		random_rollout(&rnd, STRATEGY_STOP_FIRST);
}

/* --- the plan, step by step ---------------------------------------------------------- */

#define CHECK_NEXT(action, slot)                                                                   \
	do {                                                                                       \
		size_t i_ = SIZE_MAX;                                                              \
		CHECK_EQ(rollout_next(&r, &i_), action);                                           \
		CHECK_EQ(i_, (size_t)(slot));                                                      \
	} while (0)
#define NOWHERE SIZE_MAX

static void prove(size_t slot)
{
	rollout_new_ready(&r, slot);
	rollout_new_proven(&r, slot);
}

static void check_finished(void)
{
	rollout_passed(&r); /* too early: it is not on probation yet */
	CHECK_NEXT(ROLLOUT_PROBATION, NOWHERE);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	rollout_passed(&r);
	CHECK_NEXT(ROLLOUT_FINISHED, NOWHERE);
}

static const bool all_old[MAX] = { true, true, true, true, true };

TEST(no_slots_finish_at_once)
{
	begin(STRATEGY_START_FIRST, 1, 0, NULL);
	check_finished();
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
}

TEST(start_first_one_after_another)
{
	begin(STRATEGY_START_FIRST, 1, 2, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	prove(0);
	CHECK_NEXT(ROLLOUT_RETIRE, 0);
	/* The drain of the old one holds nobody up. */
	CHECK_NEXT(ROLLOUT_START, 1);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	rollout_old_gone(&r, 0);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	prove(1);
	CHECK_NEXT(ROLLOUT_RETIRE, 1);
	check_finished();
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
}

TEST(stop_first_waits_for_the_exit)
{
	begin(STRATEGY_STOP_FIRST, 1, 2, all_old);
	CHECK_NEXT(ROLLOUT_RETIRE, 0);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	rollout_old_gone(&r, 0);
	CHECK_NEXT(ROLLOUT_START, 0);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	prove(0);
	CHECK_NEXT(ROLLOUT_RETIRE, 1);
	rollout_old_gone(&r, 1);
	CHECK_NEXT(ROLLOUT_START, 1);
	prove(1);
	check_finished();
}

TEST(vacant_slots_come_first)
{
	const bool has_old[] = { true, false, true, false };

	begin(STRATEGY_STOP_FIRST, 1, 4, has_old);
	CHECK_NEXT(ROLLOUT_START, 1);
	prove(1);
	CHECK_NEXT(ROLLOUT_START, 3);
	prove(3);
	CHECK_NEXT(ROLLOUT_RETIRE, 0);
}

TEST(as_many_at_a_time_as_surge_says)
{
	begin(STRATEGY_START_FIRST, 3, 5, all_old);
	for (unsigned i = 0; i < 3; i++)
		CHECK_NEXT(ROLLOUT_START, i);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	prove(1);
	CHECK_NEXT(ROLLOUT_RETIRE, 1);
	CHECK_NEXT(ROLLOUT_START, 3);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
}

TEST(nobody_is_retired_after_a_failure)
{
	begin(STRATEGY_START_FIRST, 2, 3, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	CHECK_NEXT(ROLLOUT_START, 1);
	prove(0);
	rollout_new_failed(&r, 1);
	CHECK_NEXT(ROLLOUT_ABORTED, NOWHERE);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	prove(2);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
}

TEST(ready_is_not_proven)
{
	begin(STRATEGY_START_FIRST, 1, 2, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	rollout_new_proven(&r, 0); /* not even ready */
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	rollout_new_ready(&r, 0);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	rollout_new_failed(&r, 0);
	rollout_new_proven(&r, 0);
	CHECK_NEXT(ROLLOUT_ABORTED, NOWHERE);
	CHECK_EQ(r.done, 0);
}

TEST(a_new_worker_that_crashes_after_its_turn_aborts_the_rest)
{
	begin(STRATEGY_START_FIRST, 1, 2, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	prove(0);
	CHECK_NEXT(ROLLOUT_RETIRE, 0);
	CHECK_NEXT(ROLLOUT_START, 1);
	rollout_new_failed(&r, 0);
	CHECK_NEXT(ROLLOUT_ABORTED, NOWHERE);
}

TEST(a_failure_on_probation_aborts_it_all)
{
	begin(STRATEGY_START_FIRST, 1, 1, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	prove(0);
	CHECK_NEXT(ROLLOUT_RETIRE, 0);
	CHECK_NEXT(ROLLOUT_PROBATION, NOWHERE);
	rollout_new_failed(&r, 0);
	rollout_passed(&r);
	CHECK_NEXT(ROLLOUT_ABORTED, NOWHERE);
}

TEST(an_old_worker_that_crashed_need_not_be_retired)
{
	begin(STRATEGY_START_FIRST, 1, 1, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	rollout_old_gone(&r, 0);
	prove(0);
	check_finished();

	begin(STRATEGY_START_FIRST, 1, 1, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	prove(0);
	rollout_old_gone(&r, 0);
	check_finished();
}

TEST(one_slot_alone_and_no_other)
{
	for (unsigned i = 0; i < 2; i++) {
		bool stop_first = i == 1;

		rollout_begin(&r, stop_first ? STRATEGY_STOP_FIRST : STRATEGY_START_FIRST, 1, 3, 1,
			      all_old);
		CHECK_EQ(r.of, 1);
		if (stop_first) {
			CHECK_NEXT(ROLLOUT_RETIRE, 3);
			CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
			rollout_old_gone(&r, 2); /* a crash elsewhere is not its news */
			CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
			rollout_old_gone(&r, 3);
		}
		CHECK_NEXT(ROLLOUT_START, 3);
		CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
		prove(2);
		rollout_new_failed(&r, 4);
		CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
		CHECK_EQ(r.done, 0);
		prove(3);
		if (!stop_first)
			CHECK_NEXT(ROLLOUT_RETIRE, 3);
		CHECK_EQ(r.done, 1);
		check_finished();
		CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	}
}

TEST(one_slot_alone_that_fails)
{
	rollout_begin(&r, STRATEGY_START_FIRST, 1, 3, 1, all_old);
	CHECK_NEXT(ROLLOUT_START, 3);
	rollout_new_failed(&r, 3);
	CHECK_NEXT(ROLLOUT_ABORTED, NOWHERE);
}

TEST(aborted_by_hand_is_aborted_as_by_a_failure)
{
	begin(STRATEGY_START_FIRST, 2, 3, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	CHECK_NEXT(ROLLOUT_START, 1);
	prove(0);
	rollout_abort(&r);
	/* Nobody is told to leave any more, and nobody begun. */
	CHECK_NEXT(ROLLOUT_ABORTED, NOWHERE);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
	rollout_abort(&r);
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
}

TEST(a_cancelled_one_says_nothing_more)
{
	begin(STRATEGY_START_FIRST, 2, 3, all_old);
	CHECK_NEXT(ROLLOUT_START, 0);
	prove(0);
	r.active = false;
	CHECK_NEXT(ROLLOUT_NOTHING, NOWHERE);
}

TAP_MAIN()
