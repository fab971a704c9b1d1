/* links: broker/policy/metrics broker/policy/histogram broker/policy/worker_fsm */
/* links: broker/policy/worker_end broker/base/units broker/base/strbuf */
#include "policy/metrics.h"

#include <string.h>
#include "tap.h"

static struct metrics_service services[2];
static struct metrics_listener listeners[2];
static struct metrics_worker workers[2];
static struct metrics_snapshot all = {
	.version = "0.1.0",
	.services = services,
	.n_services = 2,
	.listeners = listeners,
	.n_listeners = 2,
	.workers = workers,
	.n_workers = 2,
};

static struct strbuf out = STRBUF_GROWS(1 << 20);

static void start(void)
{
	memset(services, 0, sizeof(services));
	memset(listeners, 0, sizeof(listeners));
	memset(workers, 0, sizeof(workers));
	strcpy(services[0].labels, "service=\"web\"");
	strcpy(services[1].labels, "service=\"api\"");
	strcpy(listeners[0].labels, "service=\"web\",address=\"127.0.0.1:80\"");
	strcpy(listeners[1].labels, "service=\"api\",address=\"[::]:81\"");
	strcpy(workers[0].labels, "service=\"web\",worker=\"web.0\"");
	strcpy(workers[1].labels, "service=\"api\",worker=\"api.0\"");
}

static const char *text(bool classic)
{
	size_t at = 0;

	strbuf_deinit(&out);
	while (metrics_write(&out, classic, &all, at))
		at++;
	strbuf_add_bytes(&out, "", 1);
	CHECK(!out.cut);
	return out.text;
}

/* The family whose first line is @type, without those behind it. */
static const char *family(bool classic, const char *type)
{
	char *at = strstr(text(classic), type), *end;

	CHECK(at);
	end = strstr(at + 1, "# TYPE ");
	if (end)
		*end = '\0';
	return at;
}

TEST(a_counter_has_its_suffix_and_the_family_its_head)
{
	start();
	services[0].ledger.accepted = 17;
	services[1].ledger.accepted = UINT64_MAX;
	CHECK_STR(family(false, "# TYPE broker_connections_accepted "),
		  "# TYPE broker_connections_accepted counter\n"
		  "# HELP broker_connections_accepted Connections that the broker accepted\n"
		  "broker_connections_accepted_total{service=\"web\"} 17\n"
		  "broker_connections_accepted_total{service=\"api\"} 18446744073709551615\n");
}

TEST(an_array_has_a_sample_for_each_entry)
{
	start();
	services[0].refused[METRICS_NO_MEMORY] = 3;
	services[1].refused[METRICS_NO_WORKER] = 4;
	CHECK_STR(strstr(family(false, "# TYPE broker_connections_refused "), "\nbroker_"),
		  "\n"
		  "broker_connections_refused_total{service=\"web\",reason=\"no-worker\"} 0\n"
		  "broker_connections_refused_total{service=\"web\",reason=\"no-memory\"} 3\n"
		  "broker_connections_refused_total{service=\"api\",reason=\"no-worker\"} 4\n"
		  "broker_connections_refused_total{service=\"api\",reason=\"no-memory\"} 0\n");
}

TEST(a_number_is_read_in_its_size_and_only_if_it_is_known)
{
	start();
	services[0].serving = true;
	services[0].kept.want = UINT32_MAX;
	services[0].kept.generation = 7; /* beside it */
	listeners[1].backlog = 5;
	listeners[1].asked = true;
	CHECK_CONTAINS(text(false), "\nbroker_service_serving{service=\"web\"} 1\n");
	CHECK_CONTAINS(out.text, "\nbroker_service_serving{service=\"api\"} 0\n");
	CHECK_CONTAINS(out.text, "\nbroker_service_workers_wanted{service=\"web\"} 4294967295\n");
	CHECK_CONTAINS(out.text, "\nbroker_service_generation{service=\"web\"} 7\n");
	CHECK_STR(strstr(family(false, "# TYPE broker_listener_backlog "), "\nbroker_"),
		  "\nbroker_listener_backlog{service=\"api\",address=\"[::]:81\"} 5\n");
}

TEST(a_unit_is_said_and_times_are_exact)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 1, "\nprocess_cpu_seconds_total 0.000000001\n" },
		{ 0, "\nprocess_cpu_seconds_total 0.0\n" },
		{ UINT64_MAX, "\nprocess_cpu_seconds_total 18446744073.709551615\n" },
	};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		all.cpu_ns = cases[i].ns;
		CHECK_CONTAINS(text(false), cases[i].text);
	}
	all.start_unix_ms = 1500;
	CHECK_STR(family(false, "# TYPE process_start_time_seconds "),
		  "# TYPE process_start_time_seconds gauge\n"
		  "# UNIT process_start_time_seconds seconds\n"
		  "# HELP process_start_time_seconds Start time of the broker, in seconds since "
		  "1970\n"
		  "process_start_time_seconds 1.5\n");
}

TEST(no_text_needs_to_be_escaped)
{
	start();
	CHECK(!strchr(text(false), '\\'));
	for (char *line = strtok(out.text, "\n"); line; line = strtok(NULL, "\n"))
		CHECK(strncmp(line, "# HELP", 6) != 0 || !strchr(line, '"'));
}

TEST(buckets_of_a_histogram_add_up)
{
	struct histogram *h = &services[0].waited; /* written from 8 us on, to 67 s */
	const char *at;

	start();
	histogram_add(h, 1000);		/* below the first bound that is written */
	histogram_add(h, 64000);	/* 64 us: just in its bucket */
	histogram_add(h, 64001);	/* just not */
	histogram_add(h, 900000000000); /* above the last */
	at = strstr(family(false, "# TYPE broker_wait_seconds "), "\nbroker_");
	CHECK(at);
	CHECK_CONTAINS(at, "\nbroker_wait_seconds_bucket{service=\"web\",le=\"8e-06\"} 1\n"
			   "broker_wait_seconds_bucket{service=\"web\",le=\"1.6e-05\"} 1\n"
			   "broker_wait_seconds_bucket{service=\"web\",le=\"3.2e-05\"} 1\n"
			   "broker_wait_seconds_bucket{service=\"web\",le=\"6.4e-05\"} 2\n"
			   "broker_wait_seconds_bucket{service=\"web\",le=\"0.000128\"} 3\n");
	CHECK_CONTAINS(at, "{service=\"web\",le=\"1.048576\"} 3\n");
	CHECK_CONTAINS(at, "{service=\"web\",le=\"67.108864\"} 3\n"
			   "broker_wait_seconds_bucket{service=\"web\",le=\"+Inf\"} 4\n"
			   "broker_wait_seconds_count{service=\"web\"} 4\n"
			   "broker_wait_seconds_sum{service=\"web\"} 900.000129001\n"
			   "broker_wait_seconds_bucket{service=\"api\",le=\"8e-06\"} 0\n");
}

/* @first and @last: the bounds in the table of families. */
static void check_bounds(const char *type, size_t first, size_t last)
{
	const char *at = family(false, type);

	for (size_t i = first; i <= last; i++) {
		double bound;

		at = strstr(at, "le=\"") + 4;
		bound = strtod(at, NULL);
		CHECK(bound == (double)histogram_bound_us(i) / 1e6);
	}
	CHECK_CONTAINS(at, "le=\"+Inf\"");
}

TEST(every_bound_reads_back_as_what_it_is)
{
	start();
	check_bounds("# TYPE broker_handoff_seconds ", 0, 24);
	check_bounds("# TYPE broker_reload_duration_seconds ", 14, 30);
}

TEST(states_and_information)
{
	const char *states;

	start();
	all.state = METRICS_RUNNING;
	workers[0].state = WORKER_DEAD;
	CHECK_STR(family(false, "# TYPE broker_build "),
		  "# TYPE broker_build info\n"
		  "# HELP broker_build Version of the broker\n"
		  "broker_build_info{version=\"0.1.0\"} 1\n");
	CHECK_STR(family(false, "# TYPE broker_state "),
		  "# TYPE broker_state stateset\n"
		  "# HELP broker_state State of the broker\n"
		  "broker_state{broker_state=\"starting\"} 0\n"
		  "broker_state{broker_state=\"running\"} 1\n"
		  "broker_state{broker_state=\"stopping\"} 0\n");
	states = family(false, "# TYPE broker_worker_state ");
	CHECK_CONTAINS(states, "{service=\"web\",worker=\"web.0\",broker_worker_state=\"empty\"} 1"
			       "\n");
	CHECK_CONTAINS(states, "{service=\"api\",worker=\"api.0\",broker_worker_state=\"empty\"} 0"
			       "\n");
}

TEST(the_classic_format_names_families_as_their_samples)
{
	start();
	all.cpu_ns = 1;
	all.open_fds = 2;
	all.n_workers = 0;
	CHECK_STR(family(true, "# TYPE process_cpu_seconds_total "),
		  "# TYPE process_cpu_seconds_total counter\n"
		  "# HELP process_cpu_seconds_total CPU time of the broker\n"
		  "process_cpu_seconds_total 0.000000001\n");
	CHECK_STR(family(true, "# TYPE process_open_fds "),
		  "# TYPE process_open_fds gauge\n"
		  "# HELP process_open_fds Open descriptors of the broker\n"
		  "process_open_fds 2\n");
	CHECK_STR(family(true, "# TYPE broker_build_info "),
		  "# TYPE broker_build_info gauge\n"
		  "# HELP broker_build_info Version of the broker\n"
		  "broker_build_info{version=\"0.1.0\"} 1\n");
	CHECK_STR(family(true, "# TYPE broker_worker_state "),
		  "# TYPE broker_worker_state gauge\n"
		  "# HELP broker_worker_state State of the newest worker in the slot\n");
	CHECK_CONTAINS(family(true, "# TYPE broker_handoff_seconds "),
		       "# TYPE broker_handoff_seconds histogram\n# HELP ");
	CHECK(!strstr(text(true), "# EOF") && !strstr(out.text, "# UNIT"));
	all.n_workers = 2;
	CHECK_STR(strstr(text(false), "# EOF"), "# EOF\n");
}

TAP_MAIN()
