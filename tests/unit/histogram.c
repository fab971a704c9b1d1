/* links: broker/policy/histogram */
#include "policy/histogram.h"
#include "tap.h"

TEST(a_time_goes_into_the_lowest_bucket_that_holds_it)
{
	static const struct {
		uint64_t ns;
		unsigned bucket;
	} cases[] = {
		{ 0, 0 },
		{ 1, 0 },
		{ 1000, 0 },
		{ 1001, 1 },
		{ 2000, 1 },
		{ 2001, 2 },
		{ 4000, 2 },
		{ 4001, 3 },
		{ 1024000, 10 },
		{ 1024001, 11 },
		{ 1000000000, 20 },
		{ UINT64_MAX, 31 },
		{ ((uint64_t)1 << 30) * 1000, 30 },
		{ ((uint64_t)1 << 30) * 1000 + 1, 31 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_EQ(handoff_page_bucket(cases[i].ns), cases[i].bucket);
}

TEST(every_time_is_within_the_bounds_of_its_bucket)
{
	unsigned long long seed = tap_seed();

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t ns = ((uint64_t)tap_random(&seed, 1u << 30) << 20 |
			       tap_random(&seed, 1u << 20)) >>
			      tap_random(&seed, 50);
		unsigned b = handoff_page_bucket(ns);

		if (b < HISTOGRAM_BUCKETS - 1)
			CHECK(ns <= histogram_bound_us(b) * 1000);
		if (b > 0)
			CHECK(ns > histogram_bound_us(b - 1) * 1000);
	}
}

TEST(adding_counts_and_sums)
{
	struct histogram h = { 0 }, other = { 0 };

	histogram_add(&h, 1500);
	histogram_add(&h, 1500);
	histogram_add(&other, 5000000);
	histogram_merge(&h, &other);
	CHECK_EQ(histogram_total(&h), 3);
	CHECK_EQ(h.count[1], 2);
	CHECK_EQ(h.count[13], 1);
	CHECK_EQ(h.sum_ns, 5003000);
}

TEST(an_honest_page_is_believed_as_it_is)
{
	struct handoff_page page = { 0 };
	struct histogram h = { 0 };

	handoff_page_add(&page, 1500);
	handoff_page_add(&page, 900000);
	histogram_believe(&h, &page, 2);
	CHECK(!memcmp(&h, &page, sizeof(h)));
	handoff_page_add(&page, 7);
	histogram_believe(&h, &page, 3);
	CHECK_EQ(histogram_total(&h), 3);
	CHECK_EQ(h.sum_ns, 901507);
}

TEST(a_page_never_counts_more_than_was_taken)
{
	struct handoff_page page = { .count = { [3] = 1000, [7] = 1000 }, .sum_ns = 1 };
	struct histogram h = { 0 };

	histogram_believe(&h, &page, 10);
	CHECK_EQ(histogram_total(&h), 10);
	histogram_believe(&h, &page, 12);
	CHECK_EQ(histogram_total(&h), 12);
	/* Less was taken than is counted already, which cannot be: nothing is added. */
	histogram_believe(&h, &page, 5);
	CHECK_EQ(histogram_total(&h), 12);
}

TEST(a_sum_is_at_most_what_the_counts_allow)
{
	static const struct {
		size_t bucket;
		uint64_t most_us;
	} cases[] = { { 0, 1 }, { 10, 1024 }, { 31, (uint64_t)1 << 31 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct handoff_page page = { .sum_ns = UINT64_MAX };
		struct histogram h = { 0 };

		page.count[cases[i].bucket] = 2;
		histogram_believe(&h, &page, 2);
		CHECK_EQ(h.sum_ns, 2 * cases[i].most_us * 1000);
	}
}

TEST(counts_and_sum_of_a_lying_page_never_shrink_and_stay_possible)
{
	unsigned long long seed = tap_seed();

	for (unsigned run = 0; run < 200; run++) {
		struct histogram h = { 0 };
		uint64_t limit = 0;

		for (unsigned step = 0; step < 50; step++) {
			struct histogram before = h;
			struct handoff_page page;
			uint64_t least = 0;

			for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
				page.count[i] = (uint64_t)tap_random(&seed, 4)
						<< tap_random(&seed, 62);
			page.sum_ns = (uint64_t)tap_random(&seed, 1u << 30)
				      << tap_random(&seed, 34);
			limit += tap_random(&seed, 100);
			histogram_believe(&h, &page, limit);
			CHECK(histogram_total(&h) <= limit);
			CHECK(h.sum_ns >= before.sum_ns);
			for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
				CHECK(h.count[i] >= before.count[i]);
				if (i)
					least += h.count[i] * histogram_bound_us(i - 1) * 1000;
			}
			CHECK(h.sum_ns >= least);
			if (histogram_total(&h) == 0)
				CHECK_EQ(h.sum_ns, 0);
		}
	}
}

TAP_MAIN()
