/* links: broker/policy/scheduling */
#include "policy/scheduling.h"
#include "tap.h"

static struct scheduling s;
static struct scheduling_sample now;

/* A tenth of a second, in which @connections came; it waited @delay_us for the processor each time.
 */
static bool after(uint64_t connections, uint64_t delay_us)
{
	now.ms += 100;
	now.connections += connections;
	now.runs += 50;
	now.delay_ns += 50 * delay_us * 1000;
	return scheduling_next(&s, &now);
}

static void start(void)
{
	s = (struct scheduling){ 0 };
	now = (struct scheduling_sample){ .ms = 1000000 };
	CHECK(!scheduling_next(&s, &now));
}

TEST(it_is_a_batch_process_while_connections_come_fast)
{
	start();
	CHECK(!after(199, 20));
	CHECK(after(200, 20));
	CHECK(after(5000, 20));
	CHECK(!after(0, 20));
}

TEST(between_the_limits_it_stays_what_it_is)
{
	start();
	CHECK(!after(150, 20));
	CHECK(after(200, 20));
	CHECK(after(150, 20));
	CHECK(after(100, 20));
	CHECK(!after(99, 20));
	CHECK(!after(150, 20));
}

TEST(less_than_a_window_says_nothing)
{
	start();
	CHECK(after(200, 20));
	now.ms += 99;
	CHECK(scheduling_next(&s, &now));
	now.ms += 1;
	CHECK(!scheduling_next(&s, &now));
}

TEST(a_pause_is_no_window_of_many_connections)
{
	start();
	now.ms += 60000;
	CHECK(!after(1000, 20));
}

TEST(beside_hogs_it_is_an_ordinary_process_for_a_while)
{
	start();
	CHECK(after(1000, 20));
	CHECK(after(1000, 1000));
	CHECK(!after(1000, 1001));
	for (int i = 0; i < 99; i++)
		CHECK(!after(1000, 20));
	CHECK(after(1000, 20));
}

TEST(as_an_ordinary_process_it_may_be_late)
{
	start();
	CHECK(after(1000, 5000));
}

TAP_MAIN()
