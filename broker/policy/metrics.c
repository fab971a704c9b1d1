#include "metrics.h"

#include <stdio.h>

/* What a family is written of, once for each: the whole broker, each service, ... */
enum scope { BROKER, SERVICE, LISTENER, WORKER };

/* The value of an INFO is a const char *, of a STATESET an enum, of a HISTOGRAM a histogram. */
enum type { COUNTER, GAUGE, HISTOGRAM, INFO, STATESET };

static const struct {
	const char *name, *classic; /* in either format */
	const char *suffix;	    /* of a sample; a histogram has several */
} types[] = {
	[COUNTER] = { "counter", "counter", "_total" }, [GAUGE] = { "gauge", "gauge", "" },
	[HISTOGRAM] = { "histogram", "histogram", "" }, [INFO] = { "info", "gauge", "_info" },
	[STATESET] = { "stateset", "gauge", "" },
};

struct family {
	const char *name; /* without _total, _bucket and the like */
	enum type type;
	enum scope scope;
	const char *unit; /* the last word of the name; NULL: none */
	const char *help; /* one sentence, no full stop; no quote, backslash or newline */
	size_t at, size;  /* of the value, in the record of its scope; an array is of uint64_t */
	size_t known;	  /* of a flag that says whether there is a value; 0: there always is */
	const char *label;
	const char *const *names; /* values of the label, one for each number or state */
	size_t n;
	unsigned first, last; /* bounds of a histogram from 2^first to 2^last microseconds */
	unsigned ns;	      /* a time, of which 1 is so many; 0: it is no time */
};

/* The values of labels. */
static const char *const broker_states[] = { [METRICS_STARTING] = "starting",
					     [METRICS_RUNNING] = "running",
					     [METRICS_STOPPING] = "stopping" };
static const char *const refusals[] = {
	[METRICS_NO_WORKER] = "no-worker", [METRICS_NO_MEMORY] = "no-memory"
};
static const char *const places[] = {
	[METRICS_IN_BROKER] = "broker", [METRICS_IN_CHANNELS] = "channel"
};
static const char *const results[] = { [METRICS_DONE] = "done", [METRICS_ABORTED] = "aborted" };
static const char *const ends[] = {
	[METRICS_GOOD] = "good", [METRICS_FAILED] = "failed", [METRICS_KILLED] = "killed"
};

/* As worker_state_names, but for the last. */
static const char *const slot_states[WORKER_STATE_N] = {
	[WORKER_STARTING] = "starting", [WORKER_READY] = "ready",	[WORKER_HELD] = "held",
	[WORKER_CLOSED] = "closed",	[WORKER_DRAINING] = "draining", [WORKER_PARKED] = "parked",
	[WORKER_STOPPING] = "stopping", [WORKER_DEAD] = "empty",
};

#define RECORD(record) ((struct metrics_##record *)0)
#define OF(record, field)                                                                          \
	.at = offsetof(struct metrics_##record, field), .size = sizeof(RECORD(record)->field)
#define IF(record, field)  .known = offsetof(struct metrics_##record, field)
#define BY(label_name, of) .label = (label_name), .names = (of), .n = ARRAY_SIZE(of)
#define BOUNDS(low, high)  .first = (low), .last = (high)

/* A table is read in columns. */
/* clang-format off */
static const struct family families[] = {
	{ "broker_build", INFO, BROKER, NULL, "Version of the broker", OF(snapshot, version), .label = "version" },
	{ "broker_state", STATESET, BROKER, NULL, "State of the broker", OF(snapshot, state), BY("broker_state", broker_states) },
	{ "broker_reloads_refused", COUNTER, BROKER, NULL, "Reloads that were refused because of their configuration", OF(snapshot, reloads_refused) },
	{ "broker_loop_turn_seconds", HISTOGRAM, BROKER, "seconds", "Time in which the broker did what its events asked for, before it waited for the next", OF(snapshot, turns), BOUNDS(0, 24) },

	{ "broker_connections_accepted", COUNTER, SERVICE, NULL, "Connections that the broker accepted", OF(service, ledger.accepted) },
	{ "broker_connections_sent", COUNTER, SERVICE, NULL, "Connections put into channels of workers", OF(service, ledger.sent) },
	{ "broker_connections_taken_back", COUNTER, SERVICE, NULL, "Connections taken back from channels, to be given to other workers", OF(service, ledger.taken_back) },
	{ "broker_connections_taken", COUNTER, SERVICE, NULL, "Connections that workers took", OF(service, taken) },
	{ "broker_connections_client_gone", COUNTER, SERVICE, NULL, "Connections whose client had gone while they waited in the broker", OF(service, ledger.client_gone) },
	{ "broker_connections_ended_idle", COUNTER, SERVICE, NULL, "Connections of draining workers that the broker ended between two requests", OF(service, ended_idle) },
	{ "broker_connections_moved", COUNTER, SERVICE, NULL, "Connections of draining workers that went on with another, between two requests", OF(service, moved) },
	{ "broker_connections_refused", COUNTER, SERVICE, NULL, "Connections that the broker closed without a worker", OF(service, refused), BY("reason", refusals) },
	{ "broker_connections_waiting", GAUGE, SERVICE, NULL, "Connections that were accepted but not taken by a worker yet", OF(service, waiting), BY("place", places) },
	{ "broker_handoff_seconds", HISTOGRAM, SERVICE, "seconds", "Time from accepting a connection to sending it to a worker", OF(service, handed), BOUNDS(0, 24) },
	{ "broker_wait_seconds", HISTOGRAM, SERVICE, "seconds", "Time from accepting a connection to the accept of the worker", OF(service, waited), BOUNDS(3, 26) },

	{ "broker_service_serving", GAUGE, SERVICE, NULL, "1 if at least one worker of the service is ready, not stalled, and passes its check if it has one", OF(service, serving) },
	{ "broker_service_generation", GAUGE, SERVICE, NULL, "Generation in force", OF(service, kept.generation) },
	{ "broker_service_workers_wanted", GAUGE, SERVICE, NULL, "Workers that the service should have", OF(service, kept.want) },
	{ "broker_service_workers", GAUGE, SERVICE, NULL, "Workers by state, including old generations", OF(service, by_state), .label = "state", .names = worker_state_names, .n = WORKER_DEAD },
	{ "broker_worker_start_seconds", HISTOGRAM, SERVICE, "seconds", "Time from the start of a worker until it was ready", OF(service, started), BOUNDS(10, 27) },
	{ "broker_worker_restarts", COUNTER, SERVICE, NULL, "Workers that ended unexpectedly and were replaced", OF(service, kept.ends), BY("reason", worker_end_names) },
	{ "broker_reloads", COUNTER, SERVICE, NULL, "Reloads of the service that have ended", OF(service, reloads_ended), BY("result", results) },
	{ "broker_reload_duration_seconds", HISTOGRAM, SERVICE, "seconds", "Duration of completed reloads", OF(service, reloads), BOUNDS(14, 30) },

	{ "broker_processes", GAUGE, SERVICE, NULL, "Connections that have or wait for a process of their own", OF(service, in_use), IF(service, inetd) },
	{ "broker_processes_limit", GAUGE, SERVICE, NULL, "Limit of connections that have a process of their own", OF(service, limit), IF(service, inetd) },
	{ "broker_process_ends", COUNTER, SERVICE, NULL, "Processes of one connection that have ended: with status 0, with another, by a signal", OF(service, ends), BY("how", ends), IF(service, inetd) },
	{ "broker_process_seconds", HISTOGRAM, SERVICE, "seconds", "Time from taking a connection to the end of its process", OF(service, lasted), BOUNDS(8, 30), IF(service, inetd) },

	{ "broker_listener_accepted", COUNTER, LISTENER, NULL, "Connections accepted from the listener", OF(listener, accepted) },
	{ "broker_listener_backlog", GAUGE, LISTENER, NULL, "Connections that wait in the backlog of the kernel", OF(listener, backlog), IF(listener, asked) },
	{ "broker_listener_backlog_limit", GAUGE, LISTENER, NULL, "Limit of connections that wait in the backlog", OF(listener, backlog_limit), IF(listener, asked) },
	{ "broker_listener_overflows", COUNTER, LISTENER, NULL, "Packets that the kernel dropped at the listener, mostly because its backlog was full", OF(listener, overflows), IF(listener, asked) },

	{ "broker_worker_up", GAUGE, WORKER, NULL, "1 if the worker is ready", OF(worker, up) },
	{ "broker_worker_stalled", GAUGE, WORKER, NULL, "1 if the worker takes no connections although some wait", OF(worker, stalled) },
	{ "broker_worker_healthy", GAUGE, WORKER, NULL, "1 if the worker passes its health check", OF(worker, well), IF(worker, checked) },
	{ "broker_worker_state", STATESET, WORKER, NULL, "State of the newest worker in the slot", OF(worker, state), BY("broker_worker_state", slot_states) },
	{ "broker_worker_generation", GAUGE, WORKER, NULL, "Generation of the newest worker in the slot", OF(worker, generation), IF(worker, exists) },
	{ "broker_worker_taken", COUNTER, WORKER, NULL, "Connections that workers in the slot took", OF(worker, taken) },
	{ "broker_worker_waiting", GAUGE, WORKER, NULL, "Connections that wait in channels of the slot", OF(worker, waiting) },
	{ "broker_worker_open_connections", GAUGE, WORKER, NULL, "Connections that workers in the slot have open", OF(worker, open), IF(worker, open_found) },
	{ "broker_worker_resident_memory_bytes", GAUGE, WORKER, "bytes", "Resident memory of all processes in the slot", OF(worker, rss_bytes), IF(worker, found) },
	{ "broker_worker_cpu_seconds", COUNTER, WORKER, "seconds", "CPU time of all processes in the slot", OF(worker, cpu_ms), IF(worker, found), .ns = NSEC_PER_MSEC },

	{ "process_start_time_seconds", GAUGE, BROKER, "seconds", "Start time of the broker, in seconds since 1970", OF(snapshot, start_unix_ms), .ns = NSEC_PER_MSEC },
	{ "process_cpu_seconds", COUNTER, BROKER, "seconds", "CPU time of the broker", OF(snapshot, cpu_ns), .ns = 1 },
	{ "process_resident_memory_bytes", GAUGE, BROKER, "bytes", "Resident memory of the broker", OF(snapshot, rss_bytes) },
	{ "process_open_fds", GAUGE, BROKER, NULL, "Open descriptors of the broker", OF(snapshot, open_fds) },
	{ "process_max_fds", GAUGE, BROKER, NULL, "Limit of open descriptors of the broker", OF(snapshot, max_fds) },
};
/* clang-format on */

/* Where a family is written, and of what. */
struct writer {
	struct strbuf *out;
	const struct family *family;
	const char *labels; /* of the record; nothing in them needs to be escaped */
};

static void write_head(struct strbuf *out, const struct family *f, bool classic)
{
	const char *suffix = classic ? types[f->type].suffix : "";

	strbuf_addf(out, "# TYPE %s%s %s\n", f->name, suffix,
		    classic ? types[f->type].classic : types[f->type].name);
	if (f->unit && !classic)
		strbuf_addf(out, "# UNIT %s %s\n", f->name, f->unit);
	strbuf_addf(out, "# HELP %s%s %s\n", f->name, suffix, f->help);
}

/* Up to the blank before the value. @label: one more, which is @value; or NULL. */
static void begin(const struct writer *w, const char *suffix, const char *label, const char *value)
{
	const char *comma = *w->labels ? "," : "";

	strbuf_addf(w->out, "%s%s", w->family->name, suffix);
	if (label)
		strbuf_addf(w->out, "{%s%s%s=\"%s\"} ", w->labels, comma, label, value);
	else
		strbuf_addf(w->out, *comma ? "{%s} " : "%s ", w->labels);
}

static void add_number(struct strbuf *out, uint64_t n)
{
	strbuf_addf(out, "%llu\n", (unsigned long long)n);
}

/* Seconds, exactly, with no more digits than needed. */
static void add_seconds(struct strbuf *out, uint64_t ns)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(ns / 1000000000),
			 (unsigned long long)(ns % 1000000000));

	while (text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	strbuf_addf(out, "%.*s\n", n, text);
}

static uint64_t number_of(const void *value, size_t size)
{
	switch (size) {
	case sizeof(bool):
		return *(const bool *)value;
	case sizeof(unsigned):
		return *(const unsigned *)value;
	}
	assert(size == sizeof(uint64_t));
	return *(const uint64_t *)value;
}

static void write_numbers(const struct writer *w, const void *value)
{
	const struct family *f = w->family;
	size_t n = f->n ? f->n : 1;

	for (size_t i = 0; i < n; i++) {
		uint64_t number = f->n ? ((const uint64_t *)value)[i] : number_of(value, f->size);

		begin(w, types[f->type].suffix, f->label, f->n ? f->names[i] : NULL);
		if (f->ns)
			add_seconds(w->out, number * f->ns);
		else
			add_number(w->out, number);
	}
}

/* Bounds name series: so in the form that all write, %g of Go, and ".0" if it looks whole. */
static void format_bound(uint64_t us, char *ret, size_t size)
{
	int n = snprintf(ret, size - 2, "%.12g", (double)us / 1e6);

	if (!strpbrk(ret, ".e"))
		memcpy(ret + n, ".0", 3);
}

static void write_histogram(const struct writer *w, const struct histogram *h)
{
	uint64_t total = histogram_total(h), n = 0;
	char bound[32];

	/* What is below or above the bounds is in the first bucket or in +Inf. */
	for (size_t i = 0; i <= w->family->last; i++) {
		n += h->count[i];
		if (i < w->family->first)
			continue;
		format_bound(histogram_bound_us(i), bound, sizeof(bound));
		begin(w, "_bucket", "le", bound);
		add_number(w->out, n);
	}
	begin(w, "_bucket", "le", "+Inf");
	add_number(w->out, total);
	begin(w, "_count", NULL, NULL);
	add_number(w->out, total);
	begin(w, "_sum", NULL, NULL);
	add_seconds(w->out, h->sum_ns);
}

/* The samples of one @record, which begins with its labels. */
static void write_record(struct strbuf *out, const struct family *f, const char *record)
{
	const struct writer w = { out, f, record };
	const void *value = record + f->at;

	if (f->known && !*(const bool *)(record + f->known))
		return;
	switch (f->type) {
	case COUNTER:
	case GAUGE:
		write_numbers(&w, value);
		return;
	case HISTOGRAM:
		write_histogram(&w, value);
		return;
	case INFO:
		begin(&w, types[INFO].suffix, f->label, *(const char *const *)value);
		add_number(out, 1);
		return;
	case STATESET:
		for (size_t i = 0; i < f->n; i++) {
			begin(&w, "", f->label, f->names[i]);
			add_number(out, i == *(const unsigned *)value);
		}
		return;
	}
}

static void write_records(struct strbuf *out, const struct family *f,
			  const struct metrics_snapshot *s)
{
	const struct {
		const char (*labels)[METRICS_LABELS_SIZE]; /* the first field of each record */
		size_t n, size;
	} of[] = {
		[BROKER] = { &s->labels, 1, sizeof(*s) },
		[SERVICE] = { &s->services->labels, s->n_services, sizeof(*s->services) },
		[LISTENER] = { &s->listeners->labels, s->n_listeners, sizeof(*s->listeners) },
		[WORKER] = { &s->workers->labels, s->n_workers, sizeof(*s->workers) },
	};

	for (size_t i = 0; i < of[f->scope].n; i++)
		write_record(out, f, (const char *)of[f->scope].labels + i * of[f->scope].size);
}

bool metrics_write(struct strbuf *out, bool classic, const struct metrics_snapshot *s, size_t at)
{
	assert(at < ARRAY_SIZE(families));
	write_head(out, &families[at], classic);
	write_records(out, &families[at], s);
	if (at + 1 < ARRAY_SIZE(families))
		return true;
	if (!classic)
		strbuf_add(out, "# EOF\n");
	return false;
}

void metrics_snapshot_deinit(struct metrics_snapshot *s)
{
	free(s->services);
	free(s->listeners);
	free(s->workers);
	*s = (struct metrics_snapshot){ 0 };
}
