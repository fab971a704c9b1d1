#include "policy/demand.h"
#include "tap.h"

static enum demand_answer ask(unsigned starting, unsigned running, bool clients, bool full)
{
	return demand_answer(&(struct demand){ .wanted = 2,
					       .starting = starting,
					       .running = running,
					       .clients = clients,
					       .full = full });
}

TEST(the_first_client_starts_one)
{
	CHECK_EQ(ask(0, 0, false, false), DEMAND_SLEEP);
	CHECK_EQ(ask(0, 0, false, true), DEMAND_SLEEP);
	CHECK_EQ(ask(0, 0, true, false), DEMAND_START);
	CHECK_EQ(ask(0, 0, true, true), DEMAND_START);
}

TEST(one_starts_at_a_time)
{
	for (unsigned running = 0; running < 4; running++)
		for (int clients = 0; clients < 2; clients++)
			for (int full = 0; full < 2; full++)
				CHECK_EQ(ask(1, running, clients, full), DEMAND_NOTHING);
}

TEST(the_next_is_started_for_a_client_that_has_no_room)
{
	CHECK_EQ(ask(0, 1, false, false), DEMAND_NOTHING);
	CHECK_EQ(ask(0, 1, true, false), DEMAND_NOTHING);
	CHECK_EQ(ask(0, 1, false, true), DEMAND_NOTHING);
	CHECK_EQ(ask(0, 1, true, true), DEMAND_START);
	CHECK_EQ(ask(0, 2, true, true), DEMAND_NOTHING);
	CHECK_EQ(ask(0, 3, true, true), DEMAND_NOTHING); /* fewer are wanted now */
}

TEST(an_end_that_leaves_all_clients_waiting_is_none)
{
	CHECK(demand_ended_well(true, true));
	CHECK(demand_ended_well(true, false));
	CHECK(demand_ended_well(false, false)); /* the one that it was started for has gone */
	CHECK(!demand_ended_well(false, true));
}

TAP_MAIN()
