/* links: broker/policy/why broker/policy/worker_fsm broker/base/units broker/base/strbuf */
#include "policy/why.h"
#include "tap.h"

#include <signal.h>

TEST(a_worker_says_why)
{
	const struct {
		struct why_worker w;
		const char *text;
	} cases[] = {
		{ { .state = WORKER_READY, .left_ms = -1 }, "" },
		{ { .state = WORKER_READY, .missing = "127.0.0.1:3000" },
		  "does not listen on 127.0.0.1:3000, as others do" },
		{ { .state = WORKER_STARTING, .state_ms = 2100, .left_ms = 27900 },
		  "starting 2 s: does not listen yet, 27 s left" },
		{ { .state = WORKER_STARTING, .state_ms = 200, .left_ms = 900, .missing = "3000" },
		  "starting 200 ms: does not listen on 3000 yet, 900 ms left" },
		{ { .state = WORKER_STARTING,
		    .state_ms = 90000,
		    .left_ms = 500,
		    .debugged = true,
		    .tracer = 4711,
		    .tracer_name = "gdb" },
		  "starting 90 s: does not listen yet; debugged by gdb 4711: no deadline "
		  "runs" },
		{ { .state = WORKER_STARTING,
		    .state_ms = 2100,
		    .left_ms = 900,
		    .check = "status 503",
		    .check_failures = 4 },
		  "starting 2 s: check failing (4): status 503, 900 ms left" },
		{ { .state = WORKER_READY, .check = "status 503", .check_failures = 1 },
		  "check failing (1): status 503" },
		{ { .state = WORKER_READY, .check = "cannot be checked: x" },
		  "cannot be checked: x" },
		{ { .state = WORKER_HELD,
		    .held = HELD_BY_CHECK | HELD_BY_HAND,
		    .check = "status 503",
		    .check_failures = 9 },
		  "check failing (9): status 503; held by hand" },
		{ { .state = WORKER_HELD, .held = HELD_BY_CHECK, .check = "" },
		  "check passes again, but not often enough yet" },
		{ { .state = WORKER_DRAINING,
		    .state_ms = 12000,
		    .left_ms = 48000,
		    .open = 3,
		    .stop_signal = SIGTERM },
		  "draining 12 s: 3 connections open, SIGTERM in 48 s" },
		{ { .state = WORKER_DRAINING,
		    .state_ms = 150000,
		    .left_ms = 7200000,
		    .open = 1,
		    .waiting = 2,
		    .ended_idle = 64,
		    .stop_signal = SIGINT },
		  "draining 2 min: 1 connection open, 2 waiting, 64 ended while idle, SIGINT in "
		  "2 h" },
		{ { .state = WORKER_DRAINING, .state_ms = 1000, .left_ms = -1, .open = -1 },
		  "draining 1 s: open connections not known (its /proc cannot be read)" },
		{ { .state = WORKER_DRAINING,
		    .state_ms = 1000,
		    .left_ms = 59000,
		    .held = HELD_BY_DEBUG,
		    .debugged = true },
		  "draining 1 s: 0 connections open; held for a debugger: no deadline runs" },
		/* strace -f as a wrapper: nobody waits for it. */
		{ { .state = WORKER_DRAINING,
		    .state_ms = 1000,
		    .left_ms = 59000,
		    .stop_signal = SIGTERM,
		    .tracer = 4711,
		    .tracer_name = "strace" },
		  "draining 1 s: 0 connections open, SIGTERM in 59 s" },
		{ { .state = WORKER_STARTING,
		    .state_ms = 300,
		    .left_ms = 29700,
		    .trouble = &(struct slot_trouble){ .words = "exit 7", .in_a_row = 5 } },
		  "starting 300 ms: does not listen yet, 29 s left; before: exit 7, 5 times" },
		{ { .state = WORKER_STARTING,
		    .state_ms = 300,
		    .left_ms = 29700,
		    .trouble = &(struct slot_trouble){ .words = "exit 7", .in_a_row = 1 } },
		  "starting 300 ms: does not listen yet, 29 s left; before: exit 7" },
		{ { .state = WORKER_STOPPING,
		    .state_ms = 3000,
		    .left_ms = 7000,
		    .stop_signal = SIGTERM },
		  "told to end 3 s ago (SIGTERM), SIGKILL in 7 s" },
		{ { .state = WORKER_PARKED, .left_ms = 57000 }, "kept for a rollback, 57 s left" },
		{ { .state = WORKER_HELD, .held = HELD_BY_HAND }, "held by hand" },
		{ { .state = WORKER_HELD, .held = HELD_AS_HUNG },
		  "held, as it took no connections" },
		{ {
			  .state = WORKER_HELD,
			  .held = HELD_AS_HUNG | HELD_BY_HAND,
		  },
		  "held, as it took no connections; held by hand" },
		{ { .state = WORKER_HELD, .held = HELD_BY_STOP },
		  "stopped by a signal, until SIGCONT" },
		{ { .state = WORKER_HELD,
		    .held = HELD_BY_STOP,
		    .tracer = 4711,
		    .tracer_name = "gdb" },
		  "stopped: gdb 4711" },
		{ { .state = WORKER_HELD,
		    .held = HELD_BY_STOP | HELD_BY_DEBUG,
		    .tracer = 4711,
		    .tracer_name = "gdb" },
		  "stopped: gdb 4711; held for a debugger" },
		{ { .state = WORKER_HELD,
		    .held = HELD_BY_DEBUG | HELD_BY_HAND,
		    .tracer = 4712,
		    .tracer_name = "strace" },
		  "held for a debugger: strace 4712; held by hand" },
		{ { .state = WORKER_READY, .stalled_ms = 1200, .waiting = 2 },
		  "has taken no connection for 1 s, though 2 wait" },
		{ { .state = WORKER_READY, .stalled_ms = 1200, .waiting = 1 },
		  "has taken no connection for 1 s, though 1 waits" },
		{ { .state = WORKER_READY, .stalled_ms = 5000 },
		  "has taken no connection for 5 s: busy, or stuck" },
		{ { .state = WORKER_READY, .pinned_only = true }, "pinned sources only" },
		{ { .state = WORKER_READY, .tracer = 7, .tracer_name = "strace" },
		  "runs under strace 7" },
		{ { .state = WORKER_READY,
		    .trouble =
			    &(struct slot_trouble){ .words = "signal 11 (SIGSEGV)", .at_ms = 7000 },
		    .now_ms = 27000 },
		  "replaced after signal 11 (SIGSEGV), 20 s ago" },
		{ { .state = WORKER_READY,
		    .trouble = &(struct slot_trouble){ .words = "exit 1", .at_ms = 7000 },
		    .now_ms = 3607000 },
		  "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(text, 256);

		why_worker(&cases[i].w, &text);
		CHECK_STR(text.text, cases[i].text);
	}
}

TEST(an_empty_slot_says_why)
{
	const struct {
		struct why_slot s;
		const char *text;
	} cases[] = {
		{ { .backoff_ms = 4000,
		    .trouble = &(struct slot_trouble){ .words = "exit 1",
						       .last_output = "cannot find module",
						       .in_a_row = 3 } },
		  "back-off 4 s after exit 1, 3rd time: cannot find module" },
		{ { .backoff_ms = 100,
		    .trouble = &(struct slot_trouble){ .words = "signal 9", .in_a_row = 1 } },
		  "back-off 100 ms after signal 9" },
		{ { .backoff_ms = 30000,
		    .trouble = &(struct slot_trouble){ .words = "exit 2", .in_a_row = 12 } },
		  "back-off 30 s after exit 2, 12th time" },
		{ { .backoff_ms = 0 }, "waits for its turn to start" },
		{ { .backoff_ms = 23000 }, "back-off 23 s, as another worker has failed" },
		{ { .paused = true,
		    .service = "web",
		    .trouble = &(struct slot_trouble){ .words = "exit 0" } },
		  "paused: no workers until brokerctl start web, or a reload" },
		{ { .paused = true, .stopped = true, .service = "web" },
		  "stopped: no workers until brokerctl start web, or a reload" },
		{ { .stopping = true,
		    .backoff_ms = 4000,
		    .trouble = &(struct slot_trouble){ .words = "exit 1" } },
		  "no worker: the service is stopping" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(text, 256);

		why_slot(&cases[i].s, &text);
		CHECK_STR(text.text, cases[i].text);
	}
}

static void check_wait(struct why_worker wait, const char *want)
{
	STRBUF(text, 256);

	why_rollout_waits(&wait, "web.1", &text);
	CHECK_STR(text.text, want);
}

TEST(a_rollout_says_what_it_waits_for)
{
	check_wait((struct why_worker){ .state = WORKER_STARTING,
					.state_ms = 2999,
					.left_ms = 27001 },
		   "web.1 to listen (2 s, 28 s left)");
	check_wait((struct why_worker){ .state = WORKER_DRAINING, .left_ms = 57000, .open = 3 },
		   "web.1 to end (draining, 3 connections open, 57 s left)");
	check_wait((struct why_worker){ .state = WORKER_DRAINING, .left_ms = 1, .open = 1 },
		   "web.1 to end (draining, 1 connection open, 1 s left)");
	check_wait((struct why_worker){ .state = WORKER_STOPPING, .left_ms = 8000 },
		   "web.1 to end (told to, 8 s left)");
	check_wait((struct why_worker){ .state = WORKER_PARKED, .left_ms = 8000 },
		   "web.1 to end (parked, 8 s left)");
}

TEST(a_limit_that_is_not_there_is_not_named)
{
	check_wait((struct why_worker){ .state = WORKER_STARTING, .left_ms = -1 },
		   "web.1 to listen (0 s)");
}

TEST(who_is_debugged_has_no_limit)
{
	check_wait((struct why_worker){ .state = WORKER_DRAINING,
					.left_ms = 100,
					.debugged = true,
					.tracer = 4711,
					.tracer_name = "gdb" },
		   "web.1 to end (draining, 0 connections open, debugged by gdb 4711: no deadline "
		   "runs)");
	check_wait((struct why_worker){ .state = WORKER_STOPPING,
					.left_ms = 100,
					.debugged = true },
		   "web.1 to end (told to, held for a debugger: no deadline runs)");
	check_wait((struct why_worker){ .state = WORKER_STARTING,
					.left_ms = 100,
					.debugged = true,
					.tracer = 4711,
					.tracer_name = "gdb" },
		   "web.1 to listen (0 s, debugged by gdb 4711: no deadline runs)");
}

TAP_MAIN()
