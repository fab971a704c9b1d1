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

TAP_MAIN()
