/* links: broker/policy/recycle */
#include "policy/recycle.h"
#include "tap.h"

static enum recycle_reason due(struct recycle_limits limits, struct recycle_limits so_far)
{
	return recycle_due(&limits, &so_far, 7);
}

TEST(no_limit_is_never_reached)
{
	CHECK_EQ(due((struct recycle_limits){ 0 },
		     (struct recycle_limits){ UINT64_MAX, UINT64_MAX, INT64_MAX }),
		 RECYCLE_NOT);
}

TEST(each_limit_is_reached_by_itself)
{
	const struct recycle_limits all = { 1000, 1000, 1000 };

	CHECK_EQ(due(all, (struct recycle_limits){ 899, 899, 899 }), RECYCLE_NOT);
	CHECK_EQ(due(all, (struct recycle_limits){ .connections = 1000 }), RECYCLE_CONNECTIONS);
	CHECK_EQ(due(all, (struct recycle_limits){ .memory = 1000 }), RECYCLE_MEMORY);
	CHECK_EQ(due(all, (struct recycle_limits){ .age_ms = 1000 }), RECYCLE_AGE);
	CHECK_EQ(due((struct recycle_limits){ .memory = UINT64_MAX / 4 },
		     (struct recycle_limits){ .memory = UINT64_MAX / 4 }),
		 RECYCLE_MEMORY);
}

TEST(workers_of_one_start_come_due_at_different_times)
{
	const struct recycle_limits limit = { .connections = 100000 };
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t id = 1; id <= 64; id++) {
		uint64_t n = 0;

		while (!recycle_due(&limit, &(struct recycle_limits){ .connections = n }, id))
			n += 100;
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	CHECK(least >= 90000 && least < 92000);
	CHECK(most <= 100000 && most > 98000);
}

/* --- hung ------------------------------------------------------------------------------ */

TEST(busy_is_not_hung)
{
	CHECK(!recycle_is_hung(30000, 29999, 29999, 100));
}

TEST(one_that_waited_all_the_time_is_enough)
{
	CHECK(recycle_is_hung(30000, 30000, 30000, 0));
}

TEST(where_few_clients_come_time_alone_is_no_evidence)
{
	CHECK(!recycle_is_hung(30000, 3600000, 200, 2));
	CHECK(recycle_is_hung(30000, 3600000, 200, 3));
}

/* --- once a day ------------------------------------------------------------------------ */

#define AT(h, m) ((h)*60 + (m))

/* Looks at these moments, one after the other. Which are due, as a bit each. */
static unsigned looks(int at, const struct daily_time *times, size_t n)
{
	struct daily d = { 0 };
	unsigned due = 0;

	for (size_t i = 0; i < n; i++)
		due |= (unsigned)daily_is_due(&d, times[i], at) << i;
	return due;
}

#define LOOKS(at, ...)                                                                             \
	looks(at, (const struct daily_time[]){ __VA_ARGS__ },                                      \
	      ARRAY_SIZE(((const struct daily_time[]){ __VA_ARGS__ })))

TEST(once_a_day)
{
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(2, 59) }, { 1001, 7, AT(3, 0) },
		       { 1002, 7, AT(3, 0) }, { 1003, 7, AT(3, 1) }),
		 1 << 1);
	CHECK_EQ(LOOKS(AT(0, 0), { 1000, 7, AT(23, 59) }, { 1001, 8, AT(0, 0) },
		       { 1002, 8, AT(0, 0) }),
		 1 << 1);
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(2, 59) }, { 1001, 7, AT(3, 0) },
		       { 87400, 8, AT(2, 59) }, { 87401, 8, AT(3, 0) }),
		 1 << 1 | 1 << 3);
}

TEST(what_is_over_when_the_broker_starts_is_over)
{
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(3, 0) }, { 1001, 7, AT(3, 0) }), 0);
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(12, 0) }, { 1001, 7, AT(12, 0) }), 0);
}

TEST(summer_time_begins)
{
	CHECK_EQ(LOOKS(AT(2, 30), { 1000, 88, AT(1, 59) }, { 1001, 88, AT(3, 0) },
		       { 1002, 88, AT(3, 0) }),
		 1 << 1);
}

TEST(summer_time_ends)
{
	CHECK_EQ(LOOKS(AT(2, 30), { 1000, 300, AT(2, 29) }, { 1001, 300, AT(2, 30) },
		       { 2800, 300, AT(2, 59) }, { 2801, 300, AT(2, 0) }, { 4600, 300, AT(2, 29) },
		       { 4601, 300, AT(2, 30) }),
		 1 << 1);
}

TEST(the_clock_jumps)
{
	/* Forward over it, a little and by days; back over it, where it was; asleep. */
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(2, 50) }, { 2200, 7, AT(3, 10) }), 0);
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(2, 50) }, { 900000, 17, AT(12, 0) }), 0);
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(2, 59) }, { 1001, 7, AT(3, 0) },
		       { 941, 7, AT(2, 59) }, { 942, 7, AT(3, 0) }),
		 1 << 1);
	/* Seconds are a correction. */
	CHECK_EQ(LOOKS(AT(3, 0), { 1000, 7, AT(2, 59) }, { 1010, 7, AT(3, 0) }), 1 << 1);
}

TAP_MAIN()
