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

TEST(a_burst_does_not_rest_and_what_goes_on_has_its_share)
{
	const uint64_t work = 100 * 1000, burst = 5 * NSEC_PER_MSEC;
	uint64_t even = 0, now = NSEC_PER_MSEC, done = 0, end = now + 10000ull * NSEC_PER_MSEC;
	int64_t rest;

	for (; done < burst; done += work)
		CHECK_EQ(pace_debt_ms(&even, now, work, PACE_EVIDENCE, burst), 0);
	CHECK(pace_debt_ms(&even, now, work, PACE_EVIDENCE, burst) > 0);
	while (now < end) {
		rest = pace_debt_ms(&even, now, work, PACE_EVIDENCE, burst);
		now += work + (uint64_t)rest * NSEC_PER_MSEC;
		done += work;
	}
	CHECK(done * PACE_EVIDENCE <= end + burst * PACE_EVIDENCE);
	CHECK(done * PACE_EVIDENCE >= end / 2);
	/* Whoever waits until all is made up for may do it again. */
	CHECK_EQ(pace_debt_ms(&even, even, burst, PACE_EVIDENCE, burst), 0);
	CHECK_EQ(pace_debt_ms(&even, end * 2, 0, PACE_EVIDENCE, burst), 0);
}

TEST(there_is_always_a_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(paces); i++)
		CHECK_EQ(pace_rest_ms(1, paces[i]), 1);
}

TAP_MAIN()
