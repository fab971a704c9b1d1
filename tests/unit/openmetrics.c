/* links: broker/policy/openmetrics broker/policy/histogram broker/base/buf */
#include "policy/openmetrics.h"
#include "tap.h"

static struct buf out = BUF_INIT(1 << 20);
static struct openmetrics om = { .out = &out };

static const char *text(void)
{
	buf_add(&out, "", 1);
	CHECK(!out.failed);
	return out.bytes;
}

TEST(a_counter_has_its_suffix_and_the_family_its_head)
{
	static const struct openmetrics_family family = { "broker_accepted", OPENMETRICS_COUNTER,
							  NULL, "Connections accepted" };

	openmetrics_family(&om, &family);
	openmetrics_number(&om, OPENMETRICS_LABELS({ "service", "web" }), NULL, 17);
	openmetrics_number(&om, OPENMETRICS_LABELS({ "service", "api" }, { "reason", "x" }), NULL,
			   UINT64_MAX);
	openmetrics_end(&om);
	CHECK_STR(text(), "# TYPE broker_accepted counter\n"
			  "# HELP broker_accepted Connections accepted\n"
			  "broker_accepted_total{service=\"web\"} 17\n"
			  "broker_accepted_total{service=\"api\",reason=\"x\"} "
			  "18446744073709551615\n"
			  "# EOF\n");
	buf_deinit(&out);
}

TEST(a_unit_is_said_and_times_are_exact)
{
	static const struct openmetrics_family cpu = { "cpu_seconds", OPENMETRICS_COUNTER,
						       "seconds", "CPU time" },
					       up = { "up_seconds", OPENMETRICS_GAUGE, "seconds",
						      "Since then" };

	openmetrics_family(&om, &cpu);
	openmetrics_ns(&om, OPENMETRICS_NO_LABELS, 1);
	openmetrics_ns(&om, OPENMETRICS_NO_LABELS, 0);
	openmetrics_ns(&om, OPENMETRICS_NO_LABELS, UINT64_MAX);
	openmetrics_family(&om, &up);
	openmetrics_ns(&om, OPENMETRICS_NO_LABELS, 1500000000);
	openmetrics_number(&om, OPENMETRICS_NO_LABELS, NULL, 3);
	CHECK_STR(text(), "# TYPE cpu_seconds counter\n"
			  "# UNIT cpu_seconds seconds\n"
			  "# HELP cpu_seconds CPU time\n"
			  "cpu_seconds_total 0.000000001\n"
			  "cpu_seconds_total 0.0\n"
			  "cpu_seconds_total 18446744073.709551615\n"
			  "# TYPE up_seconds gauge\n"
			  "# UNIT up_seconds seconds\n"
			  "# HELP up_seconds Since then\n"
			  "up_seconds 1.5\n"
			  "up_seconds 3\n");
	buf_deinit(&out);
}

TEST(what_could_break_a_line_is_escaped)
{
	static const struct openmetrics_family family = { "a", OPENMETRICS_GAUGE, NULL,
							  "back\\slash, \"quote\"\nand line" };

	openmetrics_family(&om, &family);
	openmetrics_number(&om, OPENMETRICS_LABELS({ "x", "\\n\n\"" }, { "y", "" }), NULL, 1);
	CHECK_STR(text(), "# TYPE a gauge\n"
			  "# HELP a back\\\\slash, \\\"quote\\\"\\nand line\n"
			  "a{x=\"\\\\n\\n\\\"\",y=\"\"} 1\n");
	buf_deinit(&out);
}

TEST(buckets_of_a_histogram_add_up)
{
	static const struct openmetrics_family family = { "t_seconds", OPENMETRICS_HISTOGRAM,
							  "seconds", "How long" };
	struct histogram h = { 0 };

	histogram_add(&h, 1000);      /* below the first bound that is written */
	histogram_add(&h, 64000);     /* 64 us: just in its bucket */
	histogram_add(&h, 64001);     /* just not */
	histogram_add(&h, 900000000); /* above the last */
	openmetrics_family(&om, &family);
	openmetrics_histogram(&om, OPENMETRICS_LABELS({ "service", "web" }), &h, 5, 8);
	CHECK_STR(text() + strlen("# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n"
				  "# HELP t_seconds How long\n"),
		  "t_seconds_bucket{service=\"web\",le=\"3.2e-05\"} 1\n"
		  "t_seconds_bucket{service=\"web\",le=\"6.4e-05\"} 2\n"
		  "t_seconds_bucket{service=\"web\",le=\"0.000128\"} 3\n"
		  "t_seconds_bucket{service=\"web\",le=\"0.000256\"} 3\n"
		  "t_seconds_bucket{service=\"web\",le=\"+Inf\"} 4\n"
		  "t_seconds_count{service=\"web\"} 4\n"
		  "t_seconds_sum{service=\"web\"} 0.900129001\n");
	buf_deinit(&out);
}

TEST(every_bound_reads_back_as_what_it_is)
{
	static const struct openmetrics_family family = { "t_seconds", OPENMETRICS_HISTOGRAM,
							  "seconds", "How long" };
	const struct histogram h = { 0 };
	const char *at;

	openmetrics_family(&om, &family);
	openmetrics_histogram(&om, OPENMETRICS_NO_LABELS, &h, 0, HISTOGRAM_BUCKETS - 2);
	at = text();
	for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		double bound;

		at = strstr(at, "le=\"") + 4;
		bound = strtod(at, NULL);
		CHECK(bound == (double)histogram_bound_us(i) / 1e6);
	}
	CHECK_CONTAINS(at, "le=\"+Inf\"");
	buf_deinit(&out);
}

TEST(states_and_information)
{
	static const struct openmetrics_family info = { "build", OPENMETRICS_INFO, NULL, "Which" },
					       state = { "state", OPENMETRICS_STATESET, NULL,
							 "What it does" };
	static const char *const states[] = { "up", "down", NULL };

	openmetrics_family(&om, &info);
	openmetrics_info(&om, OPENMETRICS_LABELS({ "version", "0.1.0" }));
	openmetrics_family(&om, &state);
	openmetrics_stateset(&om, OPENMETRICS_LABELS({ "worker", "web.0" }), states, 1);
	openmetrics_stateset(&om, OPENMETRICS_NO_LABELS, states, 0);
	CHECK_STR(text(), "# TYPE build info\n"
			  "# HELP build Which\n"
			  "build_info{version=\"0.1.0\"} 1\n"
			  "# TYPE state stateset\n"
			  "# HELP state What it does\n"
			  "state{worker=\"web.0\",state=\"up\"} 0\n"
			  "state{worker=\"web.0\",state=\"down\"} 1\n"
			  "state{state=\"up\"} 1\n"
			  "state{state=\"down\"} 0\n");
	buf_deinit(&out);
}

TEST(the_classic_format_names_families_as_their_samples)
{
	static const struct openmetrics_family counter = { "a_seconds", OPENMETRICS_COUNTER,
							   "seconds", "Counts" },
					       gauge = { "b", OPENMETRICS_GAUGE, NULL, "Is" },
					       info = { "c", OPENMETRICS_INFO, NULL, "Tells" },
					       state = { "d", OPENMETRICS_STATESET, NULL, "Does" },
					       histogram = { "e_seconds", OPENMETRICS_HISTOGRAM,
							     "seconds", "Takes" };
	static const char *const states[] = { "up", NULL };
	struct histogram h = { 0 };

	om.classic = true;
	openmetrics_family(&om, &counter);
	openmetrics_number(&om, OPENMETRICS_LABELS({ "x", "# TYPE a info" }), NULL, 1);
	openmetrics_family(&om, &gauge);
	openmetrics_number(&om, OPENMETRICS_NO_LABELS, NULL, 2);
	openmetrics_family(&om, &info);
	openmetrics_info(&om, OPENMETRICS_LABELS({ "v", "1" }));
	openmetrics_family(&om, &state);
	openmetrics_stateset(&om, OPENMETRICS_NO_LABELS, states, 0);
	openmetrics_family(&om, &histogram);
	openmetrics_histogram(&om, OPENMETRICS_NO_LABELS, &h, 20, 20);
	openmetrics_end(&om);
	om.classic = false;
	CHECK_STR(text(), "# TYPE a_seconds_total counter\n"
			  "# HELP a_seconds_total Counts\n"
			  "a_seconds_total{x=\"# TYPE a info\"} 1\n"
			  "# TYPE b gauge\n"
			  "# HELP b Is\n"
			  "b 2\n"
			  "# TYPE c_info gauge\n"
			  "# HELP c_info Tells\n"
			  "c_info{v=\"1\"} 1\n"
			  "# TYPE d gauge\n"
			  "# HELP d Does\n"
			  "d{d=\"up\"} 1\n"
			  "# TYPE e_seconds histogram\n"
			  "# HELP e_seconds Takes\n"
			  "e_seconds_bucket{le=\"1.048576\"} 0\n"
			  "e_seconds_bucket{le=\"+Inf\"} 0\n"
			  "e_seconds_count 0\n"
			  "e_seconds_sum 0.0\n");
	buf_deinit(&out);
}

TAP_MAIN()
