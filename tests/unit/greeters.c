#include "policy/greeters.h"
#include "tap.h"

#define US   1000ull
#define WORK (50 * US)

TEST(who_greets_without_end_has_to_wait_and_others_have_not)
{
	struct greeter of[GREETERS_KEPT] = { 0 };
	uint64_t now = NSEC_PER_MSEC;
	unsigned n = 0;

	while (greeter_rest_ms(greeter_find(of, 65534, now), now, WORK, 0) == 0)
		n++;
	CHECK_EQ(n, GREETINGS_NS / WORK);
	for (uid_t uid = 1000; uid < 1000 + GREETERS_KEPT - 1; uid++)
		CHECK_EQ(greeter_rest_ms(greeter_find(of, uid, now), now, WORK, 0), 0);
	CHECK(greeter_rest_ms(greeter_find(of, 65534, now), now, 0, 0) > 0);
}

TEST(many_workers_may_start_together)
{
	struct greeter of[GREETERS_KEPT] = { 0 };

	for (int i = 0; i < 1000; i++)
		CHECK_EQ(greeter_rest_ms(greeter_find(of, 0, US), US, OF_WORKER_NS, 1000), 0);
}

TEST(who_owes_nothing_makes_room)
{
	struct greeter of[GREETERS_KEPT] = { 0 };
	uint64_t now = US;

	for (uid_t uid = 1; uid < 10 * GREETERS_KEPT; uid++, now += WORK * PACE_EVIDENCE + 1)
		CHECK_EQ(greeter_rest_ms(greeter_find(of, uid, now), now, WORK, 0), 0);
}

TEST(of_too_many_who_owe_something_the_last_share_a_place_and_no_other_is_forgotten)
{
	struct greeter of[GREETERS_KEPT] = { 0 };
	uid_t uid;

	for (uid = 1; uid <= 2 * GREETERS_KEPT; uid++)
		(void)greeter_rest_ms(greeter_find(of, uid, US), US, 2 * GREETINGS_NS, 0);
	for (uid = 1; uid < GREETERS_KEPT; uid++)
		CHECK(greeter_rest_ms(greeter_find(of, uid, US), US, 0, 0) > 0);
	CHECK(greeter_rest_ms(greeter_find(of, 9999, US), US, 0, 0) > 0);
}

TAP_MAIN()
