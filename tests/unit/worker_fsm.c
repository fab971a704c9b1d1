/* links: broker/policy/worker_fsm */
#include "policy/worker_fsm.h"
#include "tap.h"

#define UNTOUCHED 0xdeadu

static bool is_timed(enum worker_state s)
{
	return s == WORKER_STARTING || s == WORKER_CLOSED || s == WORKER_DRAINING ||
	       s == WORKER_PARKED || s == WORKER_STOPPING;
}

struct step {
	enum worker_state from, to;
	enum worker_event ev;
	bool legal;
	unsigned actions;
};

static struct step take(enum worker_state from, enum worker_event ev)
{
	struct step s = { .from = from, .to = from, .ev = ev, .actions = UNTOUCHED };

	s.legal = worker_fsm_step(&s.to, ev, &s.actions);
	return s;
}

#define for_each_pair(s)                                                                           \
	for (unsigned state_ = 0; state_ < WORKER_STATE_N; state_++)                               \
		for (unsigned ev_ = 0; ev_ < WORKER_EVENT_N; ev_++)                                \
			if (s = take((enum worker_state)state_, (enum worker_event)ev_), true)

/* Says which pair it is about, as the table has many rows. */
#define CHECK_STEP(s, cond)                                                                        \
	do {                                                                                       \
		if (!(cond))                                                                       \
			tap_fail(__FILE__, __LINE__, "%s, event %d -> %s, actions %#x: not %s",    \
				 worker_state_names[(s).from], (s).ev, worker_state_names[(s).to], \
				 (s).actions, #cond);                                              \
	} while (0)

TEST(an_illegal_pair_changes_nothing)
{
	struct step s;
	unsigned illegal = 0;

	for_each_pair(s)
	{
		if (s.legal)
			continue;
		illegal++;
		CHECK_STEP(s, s.to == s.from);
		CHECK_STEP(s, s.actions == UNTOUCHED);
	}
	CHECK(illegal > 0);
}

TEST(nothing_moves_the_dead)
{
	for (unsigned ev = 0; ev < WORKER_EVENT_N; ev++)
		CHECK(!take(WORKER_DEAD, (enum worker_event)ev).legal);
}

TEST(every_living_state_can_exit_and_only_the_exit_releases)
{
	struct step s;

	for_each_pair(s)
	{
		if (s.ev == EV_EXIT && s.from != WORKER_DEAD)
			CHECK_STEP(s, s.legal && s.to == WORKER_DEAD);
		if (!s.legal)
			continue;
		CHECK_STEP(s, !!(s.actions & ACT_RELEASE) == (s.ev == EV_EXIT));
		CHECK_STEP(s, (s.to == WORKER_DEAD) == (s.ev == EV_EXIT));
	}
}

TEST(every_living_state_can_be_stopped_and_killed)
{
	for (unsigned from = 0; from < WORKER_DEAD; from++) {
		struct step kill = take((enum worker_state)from, EV_KILL);

		CHECK_STEP(kill, kill.legal && kill.to == WORKER_STOPPING);
		if (from != WORKER_STOPPING) {
			struct step stop = take((enum worker_state)from, EV_STOP);

			CHECK_STEP(stop, stop.legal && stop.to == WORKER_STOPPING);
			CHECK_STEP(stop, stop.actions & ACT_SIGNAL);
		}
	}
}

TEST(nothing_leaves_stopping_but_the_dead)
{
	for (unsigned ev = 0; ev < WORKER_EVENT_N; ev++) {
		struct step s = take(WORKER_STOPPING, (enum worker_event)ev);

		CHECK_STEP(s, s.to == WORKER_STOPPING || s.to == WORKER_DEAD);
	}
}

TEST(who_was_sent_away_serves_again_only_by_a_rollback)
{
	const enum worker_state away[] = { WORKER_DRAINING, WORKER_PARKED };

	for (unsigned i = 0; i < 2; i++)
		for (unsigned ev = 0; ev < WORKER_EVENT_N; ev++) {
			struct step s = take(away[i], (enum worker_event)ev);

			if (s.ev == EV_RESTORE)
				CHECK_STEP(s, s.legal && s.to == WORKER_READY);
			else
				CHECK_STEP(s, !worker_state_is_current(s.to));
		}
}

TEST(only_who_was_sent_away_can_be_restored_and_only_who_drains_can_be_parked)
{
	struct step s;

	for_each_pair(s)
	{
		if (s.ev == EV_RESTORE)
			CHECK_STEP(s, s.legal == (s.from == WORKER_DRAINING ||
						  s.from == WORKER_PARKED));
		if (s.ev == EV_PARK)
			CHECK_STEP(s, s.legal == (s.from == WORKER_DRAINING));
		if (s.legal && s.to == WORKER_PARKED)
			CHECK_STEP(s, s.ev == EV_PARK);
	}
}

/* It was drained: there is nothing to wait for, whoever asks it to leave. */
TEST(a_parked_worker_never_drains_again)
{
	for (unsigned ev = 0; ev < WORKER_EVENT_N; ev++) {
		struct step s = take(WORKER_PARKED, (enum worker_event)ev);

		CHECK_STEP(s, s.to != WORKER_DRAINING);
	}
	CHECK_EQ(take(WORKER_PARKED, EV_RETIRE).to, WORKER_STOPPING);
	CHECK_EQ(take(WORKER_PARKED, EV_TIMEOUT).to, WORKER_STOPPING);
}

TEST(a_worker_is_told_to_drain_exactly_when_we_retire_it)
{
	struct step s;

	for_each_pair(s) if (s.legal)
		CHECK_STEP(s, !!(s.actions & ACT_TELL_DRAIN) ==
				      (s.ev == EV_RETIRE && s.to == WORKER_DRAINING &&
				       s.from != WORKER_DRAINING));
}

TEST(in_the_round_exactly_while_ready)
{
	struct step s;

	for_each_pair(s)
	{
		if (!s.legal)
			continue;
		CHECK_STEP(s, !!(s.actions & ACT_PUBLISH) ==
				      (s.to == WORKER_READY && s.from != WORKER_READY));
		CHECK_STEP(s, !!(s.actions & ACT_WITHDRAW) ==
				      (s.from == WORKER_READY && s.to != WORKER_READY));
	}
}

TEST(who_leaves_the_round_or_ends_gives_back_what_waits)
{
	struct step s;

	for_each_pair(s)
	{
		if (!s.legal)
			continue;
		if (s.from == WORKER_READY && s.to != WORKER_READY)
			CHECK_STEP(s, s.actions & ACT_TAKE_BACK);
		if (s.to == WORKER_DEAD)
			CHECK_STEP(s, s.actions & ACT_TAKE_BACK);
		if (s.to == WORKER_READY)
			CHECK_STEP(s, !(s.actions & ACT_TAKE_BACK));
	}
}

TEST(a_deadline_runs_exactly_in_the_states_that_have_one)
{
	struct step s;

	for_each_pair(s)
	{
		bool armed = s.actions & ACT_ARM, disarmed = s.actions & ACT_DISARM;

		if (!s.legal)
			continue;
		CHECK_STEP(s, !armed || is_timed(s.to));
		if (s.to != s.from && is_timed(s.to))
			CHECK_STEP(s, armed);
		CHECK_STEP(s, disarmed == (is_timed(s.from) && !is_timed(s.to)));
		/* The timer has fired: without a new one nothing would ever follow. */
		if (s.ev == EV_TIMEOUT)
			CHECK_STEP(s, armed);
	}
	/* Where a deadline runs, its end must mean something; elsewhere it is an old one's. */
	for (unsigned from = 0; from < WORKER_STATE_N; from++)
		CHECK_EQ(take((enum worker_state)from, EV_TIMEOUT).legal,
			 is_timed((enum worker_state)from));
}

TEST(sigkill_only_when_asked_for_or_when_the_signal_was_ignored)
{
	struct step s;

	for_each_pair(s)
	{
		bool last_resort = s.ev == EV_TIMEOUT && s.from == WORKER_STOPPING;

		if (!s.legal)
			continue;
		CHECK_STEP(s, !!(s.actions & ACT_KILL) == (s.ev == EV_KILL || last_resort));
		CHECK_STEP(s, !(s.actions & ACT_KILL) || !(s.actions & ACT_SIGNAL));
	}
}

TEST(who_enters_stopping_is_told)
{
	struct step s;

	for_each_pair(s) if (s.legal && s.from != WORKER_STOPPING && s.to == WORKER_STOPPING)
		CHECK_STEP(s, s.actions & (ACT_SIGNAL | ACT_KILL));
}

/*
 * One worker as worker.c keeps it: what the actions of a whole life add up to. The deadline is
 * armed before the first event, when the process is started.
 */
TEST(random_lives_keep_their_books_and_end)
{
	unsigned long long rnd = tap_seed();

	for (int life = 0; life < 20000; life++) {
		enum worker_state state = WORKER_STARTING;
		bool published = false, armed = true;
		unsigned steps = tap_random(&rnd, 60), released = 0;

		for (unsigned i = 0; i <= steps && state != WORKER_DEAD; i++) {
			enum worker_event ev = (enum worker_event)tap_random(&rnd, WORKER_EVENT_N);
			unsigned actions = 0;

			if (i == steps)
				ev = EV_EXIT;
			if (ev == EV_TIMEOUT) {
				if (!armed)
					continue;
				armed = false;
			}
			if (!worker_fsm_step(&state, ev, &actions)) {
				CHECK(ev != EV_EXIT && ev != EV_TIMEOUT);
				continue;
			}
			CHECK(!(actions & ACT_PUBLISH) || !published);
			CHECK(!(actions & ACT_WITHDRAW) || published);
			published =
				(published || (actions & ACT_PUBLISH)) && !(actions & ACT_WITHDRAW);
			armed = (armed || (actions & ACT_ARM)) && !(actions & ACT_DISARM);
			released += !!(actions & ACT_RELEASE);

			CHECK_EQ(published, state == WORKER_READY);
			CHECK_EQ(armed, is_timed(state));
			CHECK_EQ(released, state == WORKER_DEAD);
		}
		CHECK_EQ(state, WORKER_DEAD);
		CHECK_EQ(released, 1);
	}
}

/* A worker that ignores everything but SIGKILL: deadlines alone must bring it there. */
TEST(deadlines_alone_lead_to_sigkill)
{
	for (unsigned from = 0; from < WORKER_DEAD; from++) {
		enum worker_state state = (enum worker_state)from;
		unsigned actions = 0, n = 0;

		if (!is_timed(state))
			continue;
		while (!(actions & ACT_KILL)) {
			CHECK(worker_fsm_step(&state, EV_TIMEOUT, &actions));
			CHECK(++n <= 3);
		}
	}
}

TEST(names_are_distinct)
{
	for (unsigned a = 0; a < WORKER_STATE_N; a++) {
		CHECK(*worker_state_names[(enum worker_state)a]);
		for (unsigned b = a + 1; b < WORKER_STATE_N; b++)
			CHECK(strcmp(worker_state_names[(enum worker_state)a],
				     worker_state_names[(enum worker_state)b]) != 0);
	}
}

TAP_MAIN()
