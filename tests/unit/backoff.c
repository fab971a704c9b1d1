#include "policy/backoff.h"
#include "tap.h"

TEST(doubles_up_to_the_cap)
{
	static const int64_t want[] = { 100, 200, 400, 800, 1000, 1000, 1000 };
	struct backoff b = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK_EQ(backoff_failed(&b, 5000, 100, 1000), want[i]);
		CHECK_EQ(b.failures, i + 1);
	}
}

TEST(waits_from_the_failure_on)
{
	struct backoff b = { 0 };

	CHECK_EQ(backoff_wait(&b, 0), 0);
	CHECK_EQ(backoff_wait(&b, 123456), 0);
	(void)backoff_failed(&b, 1000, 100, 1000);
	CHECK_EQ(backoff_wait(&b, 1000), 100);
	CHECK_EQ(backoff_wait(&b, 1099), 1);
	CHECK_EQ(backoff_wait(&b, 1100), 0);
	CHECK_EQ(backoff_wait(&b, 99999), 0);
	(void)backoff_failed(&b, 2000, 100, 1000);
	CHECK_EQ(backoff_wait(&b, 2000), 200);
}

TEST(a_reset_begins_anew)
{
	struct backoff b = { 0 };

	for (int i = 0; i < 10; i++)
		(void)backoff_failed(&b, 1000, 100, 60000);
	backoff_reset(&b);
	CHECK_EQ(b.failures, 0);
	CHECK_EQ(backoff_wait(&b, 1000), 0);
	CHECK_EQ(backoff_failed(&b, 1000, 100, 60000), 100);
}

TEST(limits_may_be_anything)
{
	struct backoff b = { 0 };
	int64_t last = 0;

	/* The largest delay that can still be added to a clock. */
	for (int i = 0; i < 200; i++) {
		int64_t d = backoff_failed(&b, 0, 3, INT64_MAX);

		CHECK(d >= last && d >= 3);
		last = d;
	}
	CHECK_EQ(last, INT64_MAX);

	/* min above max, both equal, none at all */
	backoff_reset(&b);
	CHECK_EQ(backoff_failed(&b, 0, 5000, 100), 100);
	CHECK_EQ(backoff_failed(&b, 0, 100, 100), 100);
	backoff_reset(&b);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(backoff_failed(&b, 7, 0, 0), 0);
	CHECK_EQ(backoff_wait(&b, 7), 0);
	/* A minimum of nothing stays nothing, and ends. */
	backoff_reset(&b);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(backoff_failed(&b, 7, 0, 1000), 0);
}

TEST(many_failures_neither_wrap_nor_take_long)
{
	struct backoff b = { .failures = UINT32_MAX - 1 };

	CHECK_EQ(backoff_failed(&b, 0, 1, 60000), 60000);
	CHECK_EQ(backoff_failed(&b, 0, 1, 60000), 60000);
	CHECK_EQ(b.failures, UINT32_MAX);
	CHECK_EQ(backoff_failed(&b, 0, 1, 60000), 60000);
}

TAP_MAIN()
