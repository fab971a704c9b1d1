/* links: broker/policy/progress broker/policy/worker_fsm broker/base/strbuf */
#include "policy/progress.h"
#include "tap.h"

static void check_one(struct progress_wait wait, const char *want)
{
	STRBUF(text, 256);
	struct progress p = { .out = &text };

	wait.worker = "web.1";
	progress_add(&p, &wait);
	progress_finish(&p);
	CHECK_STR(text.text, want);
}

TEST(each_state_that_is_waited_for)
{
	check_one((struct progress_wait){ .state = WORKER_STARTING,
					  .for_ms = 2999,
					  .left_ms = 27001 },
		  "web.1 to listen (2 s, 28 s left)");
	check_one((struct progress_wait){ .state = WORKER_DRAINING, .left_ms = 57000, .open = 3 },
		  "web.1 to end (draining, 3 connections open, 57 s left)");
	check_one((struct progress_wait){ .state = WORKER_DRAINING, .left_ms = 1, .open = 1 },
		  "web.1 to end (draining, 1 connection open, 1 s left)");
	check_one((struct progress_wait){ .state = WORKER_STOPPING, .left_ms = 8000 },
		  "web.1 to end (told to, 8 s left)");
}

TEST(a_limit_that_is_not_there_is_not_named)
{
	check_one((struct progress_wait){ .state = WORKER_STARTING, .left_ms = -1 },
		  "web.1 to listen (0 s)");
}

TEST(who_is_debugged_has_no_limit)
{
	check_one((struct progress_wait){ .state = WORKER_DRAINING,
					  .left_ms = 100,
					  .debugged = true,
					  .tracer = 4711,
					  .tracer_name = "gdb" },
		  "web.1 to end (draining, 0 connections open, debugged by gdb 4711: no deadline "
		  "runs)");
	check_one((struct progress_wait){ .state = WORKER_STOPPING,
					  .left_ms = 100,
					  .debugged = true },
		  "web.1 to end (told to, held for a debugger: no deadline runs)");
	check_one((struct progress_wait){ .state = WORKER_STARTING,
					  .left_ms = 100,
					  .debugged = true,
					  .tracer = 4711,
					  .tracer_name = "gdb" },
		  "web.1 to listen (0 s, debugged by gdb 4711: no deadline runs)");
}

TEST(of_many_the_first_and_how_many_more)
{
	STRBUF(text, 512);
	struct progress p = { .out = &text };

	progress_finish(&p);
	CHECK_STR(text.text, "");
	for (unsigned i = 0; i < 5; i++)
		progress_add(&p, &(struct progress_wait){ .worker = i ? "web.7" : "web.0",
							  .state = WORKER_STARTING,
							  .left_ms = 1000 });
	progress_finish(&p);
	CHECK_STR(text.text, "web.0 to listen (0 s, 1 s left), web.7 to listen (0 s, 1 s left), "
			     "web.7 to listen (0 s, 1 s left), 2 more");
}

TAP_MAIN()
