/* links: broker/policy/stall */
#include "policy/stall.h"
#include "tap.h"

TEST(busy_is_not_hung)
{
	CHECK(!stall_is_hang(&(struct stall_facts){ 30000, 29999, 29999, 100 }));
}

TEST(one_that_waited_all_the_time_is_enough)
{
	CHECK(stall_is_hang(&(struct stall_facts){ 30000, 30000, 30000, 0 }));
}

TEST(where_few_clients_come_time_alone_is_no_evidence)
{
	CHECK(!stall_is_hang(&(struct stall_facts){ 30000, 3600000, 200, 2 }));
	CHECK(stall_is_hang(&(struct stall_facts){ 30000, 3600000, 200, 3 }));
}

TAP_MAIN()
