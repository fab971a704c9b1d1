/* links: broker/policy/daily */
#include "policy/daily.h"
#include "tap.h"

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
