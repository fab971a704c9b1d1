#include "metrics.h"

/* What a family is written of, once for each: the whole broker, each service, ... */
enum scope { BROKER, SERVICE, LISTENER, WORKER };

enum kind {
	NUMBER, /* uint64_t, as all but FLAG and TIMES */
	MILLISECONDS,
	NANOSECONDS,
	BY_LABEL, /* an array, a sample for each entry */
	FLAG,	  /* bool */
	TIMES,	  /* struct histogram */
	STATES,	  /* an enum, named by a list that ends with NULL */
	TEXT,	  /* const char *, which is not counted but tells something */
};

struct family {
	struct openmetrics_family head;
	enum scope scope;
	enum kind kind;
	size_t at;    /* of the value, in the record of its scope */
	size_t known; /* of a flag that says whether there is a value; 0: there always is */
	const char *label;
	const char *const *names; /* BY_LABEL: of the entries; STATES: of the states */
	size_t n;		  /* BY_LABEL: entries */
	unsigned first, last;	  /* TIMES: see openmetrics_histogram() */
};

static const char *const broker_states[] = {
	[METRICS_STARTING] = "starting",
	[METRICS_RUNNING] = "running",
	[METRICS_STOPPING] = "stopping",
	NULL,
};

/* As worker_state_names, but for the last. */
static const char *const slot_states[] = {
	[WORKER_STARTING] = "starting", [WORKER_READY] = "ready",	[WORKER_HELD] = "held",
	[WORKER_CLOSED] = "closed",	[WORKER_DRAINING] = "draining", [WORKER_PARKED] = "parked",
	[WORKER_STOPPING] = "stopping", [WORKER_DEAD] = "empty",	NULL,
};

static const char *const refusals[METRICS_REFUSED_N] = {
	[METRICS_NO_WORKER] = "no-worker",
	[METRICS_NO_MEMORY] = "no-memory",
};

static const char *const places[METRICS_WAITING_N] = {
	[METRICS_IN_BROKER] = "broker",
	[METRICS_IN_CHANNELS] = "channel",
};

static const char *const results[METRICS_RELOADS_N] = {
	[METRICS_DONE] = "done",
	[METRICS_ABORTED] = "aborted",
};

/* --- all of them ----------------------------------------------------------------------- */

#define COUNTER	  OPENMETRICS_COUNTER
#define GAUGE	  OPENMETRICS_GAUGE
#define HISTOGRAM OPENMETRICS_HISTOGRAM

#define OF(record, field)  .at = offsetof(struct metrics_##record, field)
#define IF(record, field)  .known = offsetof(struct metrics_##record, field)
#define BY(label_name, of) .label = (label_name), .names = (of), .n = ARRAY_SIZE(of)
#define BOUNDS(low, high)  .first = (low), .last = (high)

/* A table is read in columns. */
/* clang-format off */
static const struct family families[] = {
	{ { "broker_build", OPENMETRICS_INFO, NULL, "Version of the broker" }, .scope = BROKER, .kind = TEXT, OF(snapshot, version), .label = "version" },
	{ { "broker_state", OPENMETRICS_STATESET, NULL, "State of the broker" }, .scope = BROKER, .kind = STATES, OF(snapshot, state), .names = broker_states },
	{ { "broker_reloads_refused", COUNTER, NULL, "Reloads that were refused because of their configuration" }, .scope = BROKER, OF(snapshot, reloads_refused) },

	{ { "broker_connections_accepted", COUNTER, NULL, "Connections that the broker accepted" }, .scope = SERVICE, OF(service, accepted) },
	{ { "broker_connections_sent", COUNTER, NULL, "Connections put into channels of workers" }, .scope = SERVICE, OF(service, sent) },
	{ { "broker_connections_taken_back", COUNTER, NULL, "Connections taken back from channels, to be given to other workers" }, .scope = SERVICE, OF(service, taken_back) },
	{ { "broker_connections_taken", COUNTER, NULL, "Connections that workers took" }, .scope = SERVICE, OF(service, taken) },
	{ { "broker_connections_client_gone", COUNTER, NULL, "Connections whose client had gone while they waited in the broker" }, .scope = SERVICE, OF(service, client_gone) },
	{ { "broker_connections_ended_idle", COUNTER, NULL, "Connections of draining workers that the broker ended between two requests" }, .scope = SERVICE, OF(service, ended_idle) },
	{ { "broker_connections_refused", COUNTER, NULL, "Connections that the broker closed without a worker" }, .scope = SERVICE, .kind = BY_LABEL, OF(service, refused), BY("reason", refusals) },
	{ { "broker_connections_waiting", GAUGE, NULL, "Connections that were accepted but not taken by a worker yet" }, .scope = SERVICE, .kind = BY_LABEL, OF(service, waiting), BY("place", places) },
	{ { "broker_handoff_seconds", HISTOGRAM, "seconds", "Time from accepting a connection to sending it to a worker" }, .scope = SERVICE, .kind = TIMES, OF(service, handed), BOUNDS(0, 24) },
	{ { "broker_wait_seconds", HISTOGRAM, "seconds", "Time from accepting a connection to the accept of the worker" }, .scope = SERVICE, .kind = TIMES, OF(service, waited), BOUNDS(3, 26) },

	{ { "broker_service_serving", GAUGE, NULL, "1 if at least one worker of the service is ready, not stalled, and passes its check if it has one" }, .scope = SERVICE, .kind = FLAG, OF(service, serving) },
	{ { "broker_service_generation", GAUGE, NULL, "Generation in force" }, .scope = SERVICE, OF(service, generation) },
	{ { "broker_service_workers_wanted", GAUGE, NULL, "Workers that the service should have" }, .scope = SERVICE, OF(service, wanted) },
	{ { "broker_service_workers", GAUGE, NULL, "Workers by state, including old generations" }, .scope = SERVICE, .kind = BY_LABEL, OF(service, by_state), .label = "state", .names = worker_state_names, .n = WORKER_DEAD },
	{ { "broker_worker_start_seconds", HISTOGRAM, "seconds", "Time from the start of a worker until it was ready" }, .scope = SERVICE, .kind = TIMES, OF(service, started), BOUNDS(10, 27) },
	{ { "broker_worker_restarts", COUNTER, NULL, "Workers that ended unexpectedly and were replaced" }, .scope = SERVICE, .kind = BY_LABEL, OF(service, restarts), BY("reason", worker_end_names) },
	{ { "broker_reloads", COUNTER, NULL, "Reloads of the service that have ended" }, .scope = SERVICE, .kind = BY_LABEL, OF(service, reloads_ended), BY("result", results) },
	{ { "broker_reload_duration_seconds", HISTOGRAM, "seconds", "Duration of completed reloads" }, .scope = SERVICE, .kind = TIMES, OF(service, reloads), BOUNDS(14, 30) },

	{ { "broker_listener_accepted", COUNTER, NULL, "Connections accepted from the listener" }, .scope = LISTENER, OF(listener, accepted) },
	{ { "broker_listener_backlog", GAUGE, NULL, "Connections that wait in the backlog of the kernel" }, .scope = LISTENER, OF(listener, backlog), IF(listener, asked) },
	{ { "broker_listener_backlog_limit", GAUGE, NULL, "Limit of connections that wait in the backlog" }, .scope = LISTENER, OF(listener, backlog_limit), IF(listener, asked) },
	{ { "broker_listener_overflows", COUNTER, NULL, "Packets that the kernel dropped at the listener, mostly because its backlog was full" }, .scope = LISTENER, OF(listener, overflows), IF(listener, asked) },

	{ { "broker_worker_up", GAUGE, NULL, "1 if the worker is ready" }, .scope = WORKER, .kind = FLAG, OF(worker, up) },
	{ { "broker_worker_stalled", GAUGE, NULL, "1 if the worker takes no connections although some wait" }, .scope = WORKER, .kind = FLAG, OF(worker, stalled) },
	{ { "broker_worker_healthy", GAUGE, NULL, "1 if the worker passes its health check" }, .scope = WORKER, .kind = FLAG, OF(worker, well), IF(worker, checked) },
	{ { "broker_worker_state", OPENMETRICS_STATESET, NULL, "State of the newest worker in the slot" }, .scope = WORKER, .kind = STATES, OF(worker, state), .names = slot_states },
	{ { "broker_worker_generation", GAUGE, NULL, "Generation of the newest worker in the slot" }, .scope = WORKER, OF(worker, generation), IF(worker, exists) },
	{ { "broker_worker_taken", COUNTER, NULL, "Connections that workers in the slot took" }, .scope = WORKER, OF(worker, taken) },
	{ { "broker_worker_waiting", GAUGE, NULL, "Connections that wait in channels of the slot" }, .scope = WORKER, OF(worker, waiting) },
	{ { "broker_worker_open_connections", GAUGE, NULL, "Connections that workers in the slot have open" }, .scope = WORKER, OF(worker, open), IF(worker, open_found) },
	{ { "broker_worker_resident_memory_bytes", GAUGE, "bytes", "Resident memory of all processes in the slot" }, .scope = WORKER, OF(worker, rss_bytes), IF(worker, found) },
	{ { "broker_worker_cpu_seconds", COUNTER, "seconds", "CPU time of all processes in the slot" }, .scope = WORKER, .kind = MILLISECONDS, OF(worker, cpu_ms), IF(worker, found) },

	{ { "process_start_time_seconds", GAUGE, "seconds", "Start time of the broker, in seconds since 1970" }, .scope = BROKER, .kind = MILLISECONDS, OF(snapshot, start_unix_ms) },
	{ { "process_cpu_seconds", COUNTER, "seconds", "CPU time of the broker" }, .scope = BROKER, .kind = NANOSECONDS, OF(snapshot, cpu_ns) },
	{ { "process_resident_memory_bytes", GAUGE, "bytes", "Resident memory of the broker" }, .scope = BROKER, OF(snapshot, rss_bytes) },
	{ { "process_open_fds", GAUGE, NULL, "Open descriptors of the broker" }, .scope = BROKER, OF(snapshot, open_fds) },
	{ { "process_max_fds", GAUGE, NULL, "Limit of open descriptors of the broker" }, .scope = BROKER, OF(snapshot, max_fds) },
};
/* clang-format on */

/* --- one of them ----------------------------------------------------------------------- */

static void write_value(struct openmetrics *om, const struct family *f,
			const struct openmetrics_label *labels, const void *record)
{
	const char *value = (const char *)record + f->at;
	const uint64_t *number = (const uint64_t *)value;

	if (f->known && !*((const bool *)record + f->known))
		return;
	switch (f->kind) {
	case NUMBER:
		openmetrics_number(om, labels, NULL, *number);
		return;
	case FLAG:
		openmetrics_number(om, labels, NULL, *(const bool *)value);
		return;
	case MILLISECONDS:
		openmetrics_ns(om, labels, *number * NSEC_PER_MSEC);
		return;
	case NANOSECONDS:
		openmetrics_ns(om, labels, *number);
		return;
	case BY_LABEL:
		for (size_t i = 0; i < f->n; i++) {
			const struct openmetrics_label entry = { f->label, f->names[i] };

			openmetrics_number(om, labels, &entry, number[i]);
		}
		return;
	case TIMES:
		openmetrics_histogram(om, labels, (const struct histogram *)value, f->first,
				      f->last);
		return;
	case STATES:
		openmetrics_stateset(om, labels, f->names, *(const unsigned *)value);
		return;
	case TEXT:
		openmetrics_info(om, OPENMETRICS_LABELS({ f->label, *(const char *const *)value }));
		return;
	}
}

static void write_family(struct openmetrics *om, const struct family *f,
			 const struct metrics_snapshot *s)
{
	const struct metrics_service *of = s->services;

	switch (f->scope) {
	case BROKER:
		write_value(om, f, OPENMETRICS_NO_LABELS, s);
		return;
	case SERVICE:
		for (; of < s->services + s->n_services; of++)
			write_value(om, f, OPENMETRICS_LABELS({ "service", of->name }), of);
		return;
	case LISTENER:
		for (const struct metrics_listener *l = s->listeners;
		     l < s->listeners + s->n_listeners; l++)
			write_value(om, f,
				    OPENMETRICS_LABELS({ "service", of[l->service].name },
						       { "address", l->address }),
				    l);
		return;
	case WORKER:
		for (const struct metrics_worker *w = s->workers; w < s->workers + s->n_workers;
		     w++)
			write_value(om, f,
				    OPENMETRICS_LABELS({ "service", of[w->service].name },
						       { "worker", w->name }),
				    w);
		return;
	}
}

bool metrics_write(struct openmetrics *om, const struct metrics_snapshot *s, size_t at)
{
	assert(at < ARRAY_SIZE(families));
	openmetrics_family(om, &families[at].head);
	write_family(om, &families[at], s);
	if (at + 1 < ARRAY_SIZE(families))
		return true;
	openmetrics_end(om);
	return false;
}

void metrics_snapshot_deinit(struct metrics_snapshot *s)
{
	free(s->services);
	free(s->listeners);
	free(s->workers);
	*s = (struct metrics_snapshot){ 0 };
}
