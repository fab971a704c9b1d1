/* links: broker/policy/pace */
#include "policy/pace.h"
#include "tap.h"

static const unsigned paces[] = { PACE_EVIDENCE, PACE_IDLE_END, PACE_SURVEY };

TEST(of_a_second_no_more_than_the_share_is_work)
{
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++)
		for (uint64_t slice = 1000; slice < 10ull * 1000 * NSEC_PER_MSEC; slice *= 3) {
			uint64_t rest = (uint64_t)pace_rest_ms(slice, paces[i]) * NSEC_PER_MSEC;

			CHECK(slice * (paces[i] + 1) <= slice + rest);
		}
}

TEST(evidence_takes_no_more_than_a_twentieth)
{
	uint64_t slice = PACE_SLICE_NS;
	uint64_t rest = (uint64_t)pace_rest_ms(slice, PACE_EVIDENCE) * NSEC_PER_MSEC;
	CHECK(slice * 20 <= slice + rest);
}

TEST(one_slice_that_was_late_is_made_up_for)
{
	CHECK_EQ(pace_rest_ms(10 * NSEC_PER_MSEC, PACE_EVIDENCE), 200);
	CHECK_EQ(pace_rest_ms(10 * NSEC_PER_MSEC, PACE_SURVEY), 20);
}

TEST(there_is_always_a_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++)
		CHECK_EQ(pace_rest_ms(1, paces[i]), 1);
}

TAP_MAIN()
