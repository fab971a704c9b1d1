#include "metrics.h"

struct family {
	struct openmetrics_family head;
	void (*write)(struct openmetrics *om, const struct metrics_snapshot *s);
};

#define for_each_service(svc, s)                                                                   \
	for (const struct metrics_service *svc = (s)->services;                                    \
	     svc < (s)->services + (s)->n_services; svc++)
#define for_each_listener(l, s)                                                                    \
	for (const struct metrics_listener *l = (s)->listeners;                                    \
	     l < (s)->listeners + (s)->n_listeners; l++)
#define for_each_worker(w, s)                                                                      \
	for (const struct metrics_worker *w = (s)->workers; w < (s)->workers + (s)->n_workers; w++)

#define SERVICE(svc)                                                                               \
	{                                                                                          \
		"service", (svc)->name                                                             \
	}
#define SERVICE_OF(x)                                                                              \
	{                                                                                          \
		"service", s->services[(x)->service].name                                          \
	}
#define OF_SERVICE(svc) OPENMETRICS_LABELS(SERVICE(svc))
#define OF_LISTENER(l)	OPENMETRICS_LABELS(SERVICE_OF(l), { "address", (l)->address })
#define OF_WORKER(w)	OPENMETRICS_LABELS(SERVICE_OF(w), { "worker", (w)->name })

/* --- the broker ---------------------------------------------------------------------- */

static void build(struct openmetrics *om, const struct metrics_snapshot *s)
{
	openmetrics_info(om, OPENMETRICS_LABELS({ "version", s->version }));
}

static void state(struct openmetrics *om, const struct metrics_snapshot *s)
{
	static const char *const states[] = { [METRICS_STARTING] = "starting",
					      [METRICS_RUNNING] = "running",
					      [METRICS_STOPPING] = "stopping",
					      NULL };

	openmetrics_stateset(om, OPENMETRICS_NO_LABELS, states, s->state);
}

static void reloads_refused(struct openmetrics *om, const struct metrics_snapshot *s)
{
	openmetrics_count(om, OPENMETRICS_NO_LABELS, s->reloads_refused);
}

static void process_start(struct openmetrics *om, const struct metrics_snapshot *s)
{
	openmetrics_gauge_ns(om, OPENMETRICS_NO_LABELS, s->start_unix_ms * NSEC_PER_MSEC);
}

static void process_cpu(struct openmetrics *om, const struct metrics_snapshot *s)
{
	openmetrics_count_ns(om, OPENMETRICS_NO_LABELS, s->cpu_ns);
}

static void process_rss(struct openmetrics *om, const struct metrics_snapshot *s)
{
	openmetrics_gauge(om, OPENMETRICS_NO_LABELS, s->rss_bytes);
}

static void process_fds(struct openmetrics *om, const struct metrics_snapshot *s)
{
	openmetrics_gauge(om, OPENMETRICS_NO_LABELS, s->open_fds);
}

static void process_max_fds(struct openmetrics *om, const struct metrics_snapshot *s)
{
	openmetrics_gauge(om, OPENMETRICS_NO_LABELS, s->max_fds);
}

/* --- services ------------------------------------------------------------------------ */

static void accepted(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_count(om, OF_SERVICE(svc), svc->accepted);
}

static void sent(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_count(om, OF_SERVICE(svc), svc->sent);
}

static void taken_back(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_count(om, OF_SERVICE(svc), svc->taken_back);
}

static void taken(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_count(om, OF_SERVICE(svc), svc->taken);
}

static void client_gone(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_count(om, OF_SERVICE(svc), svc->client_gone);
}

static void refused(struct openmetrics *om, const struct metrics_snapshot *s)
{
	static const char *const reasons[METRICS_REFUSED_N] = {
		[METRICS_REFUSED_NO_WORKER] = "no-worker",
		[METRICS_REFUSED_NO_MEMORY] = "no-memory",
	};

	for_each_service (svc, s)
		for (size_t i = 0; i < METRICS_REFUSED_N; i++)
			openmetrics_count(om,
					  OPENMETRICS_LABELS(SERVICE(svc),
							     { "reason", reasons[i] }),
					  svc->refused[i]);
}

static void waiting(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s) {
		openmetrics_gauge(om, OPENMETRICS_LABELS(SERVICE(svc), { "place", "broker" }),
				  svc->waiting_in_broker);
		openmetrics_gauge(om, OPENMETRICS_LABELS(SERVICE(svc), { "place", "channel" }),
				  svc->waiting_in_channels);
	}
}

static void handed(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_histogram(om, OF_SERVICE(svc), &svc->handed, 0, 24);
}

static void waited(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_histogram(om, OF_SERVICE(svc), &svc->waited, 3, 26);
}

static void serving(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_gauge(om, OF_SERVICE(svc), svc->serving);
}

static void generation(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_gauge(om, OF_SERVICE(svc), svc->generation);
}

static void wanted(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_gauge(om, OF_SERVICE(svc), svc->wanted);
}

static void by_state(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		for (enum worker_state i = 0; i < WORKER_STATE_N; i++)
			if (i != WORKER_DEAD)
				openmetrics_gauge(om,
						  OPENMETRICS_LABELS(SERVICE(svc),
								     { "state",
								       worker_state_names[i] }),
						  svc->by_state[i]);
}

static void started(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_histogram(om, OF_SERVICE(svc), &svc->started, 10, 27);
}

static void restarts(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		for (enum worker_end end = 0; end < WORKER_END_N; end++)
			openmetrics_count(om,
					  OPENMETRICS_LABELS(SERVICE(svc),
							     { "reason", worker_end_names[end] }),
					  svc->restarts[end]);
}

static void reloads(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s) {
		openmetrics_count(om, OPENMETRICS_LABELS(SERVICE(svc), { "result", "done" }),
				  svc->reloads_done);
		openmetrics_count(om, OPENMETRICS_LABELS(SERVICE(svc), { "result", "aborted" }),
				  svc->reloads_aborted);
	}
}

static void reload_time(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_service (svc, s)
		openmetrics_histogram(om, OF_SERVICE(svc), &svc->reloads, 14, 30);
}

/* --- listeners ----------------------------------------------------------------------- */

static void listener_accepted(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_listener (l, s)
		openmetrics_count(om, OF_LISTENER(l), l->accepted);
}

static void backlog(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_listener (l, s)
		if (l->asked)
			openmetrics_gauge(om, OF_LISTENER(l), l->backlog);
}

static void backlog_limit(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_listener (l, s)
		if (l->asked)
			openmetrics_gauge(om, OF_LISTENER(l), l->backlog_limit);
}

static void overflows(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_listener (l, s)
		if (l->asked)
			openmetrics_count(om, OF_LISTENER(l), l->overflows);
}

/* --- workers ------------------------------------------------------------------------- */

static void worker_up(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_worker (w, s)
		openmetrics_gauge(om, OF_WORKER(w), w->state == WORKER_READY);
}

static void worker_state(struct openmetrics *om, const struct metrics_snapshot *s)
{
	const char *names[WORKER_STATE_N + 1] = { NULL };

	for (enum worker_state i = 0; i < WORKER_STATE_N; i++)
		names[i] = i == WORKER_DEAD ? "empty" : worker_state_names[i];
	for_each_worker (w, s)
		openmetrics_stateset(om, OF_WORKER(w), names, w->state);
}

static void worker_generation(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_worker (w, s)
		if (w->generation)
			openmetrics_gauge(om, OF_WORKER(w), w->generation);
}

static void worker_taken(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_worker (w, s)
		openmetrics_count(om, OF_WORKER(w), w->taken);
}

static void worker_waiting(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_worker (w, s)
		openmetrics_gauge(om, OF_WORKER(w), w->waiting);
}

static void worker_open(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_worker (w, s)
		if (w->found && !w->open_unknown)
			openmetrics_gauge(om, OF_WORKER(w), w->open);
}

static void worker_rss(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_worker (w, s)
		if (w->found)
			openmetrics_gauge(om, OF_WORKER(w), w->rss_bytes);
}

static void worker_cpu(struct openmetrics *om, const struct metrics_snapshot *s)
{
	for_each_worker (w, s)
		if (w->found)
			openmetrics_count_ns(om, OF_WORKER(w), w->cpu_ms * NSEC_PER_MSEC);
}

/* --- all of them --------------------------------------------------------------------- */

#define COUNTER	  OPENMETRICS_COUNTER
#define GAUGE	  OPENMETRICS_GAUGE
#define HISTOGRAM OPENMETRICS_HISTOGRAM

/* A table is read in columns. */
/* clang-format off */
static const struct family families[] = {
	{ { "broker_build", OPENMETRICS_INFO, NULL, "Which broker this is" }, build },
	{ { "broker_state", OPENMETRICS_STATESET, NULL, "What the broker as a whole does" }, state },
	{ { "broker_reloads_refused", COUNTER, NULL, "Reloads whose configuration was refused as a whole" }, reloads_refused },

	{ { "broker_connections_accepted", COUNTER, NULL, "Connections that the broker accepted" }, accepted },
	{ { "broker_connections_sent", COUNTER, NULL, "Connections put into channels of workers" }, sent },
	{ { "broker_connections_taken_back", COUNTER, NULL, "Connections taken back out of channels, to be given to others" }, taken_back },
	{ { "broker_connections_taken", COUNTER, NULL, "Connections that workers took" }, taken },
	{ { "broker_connections_client_gone", COUNTER, NULL, "Connections whose client had gone while the broker had them" }, client_gone },
	{ { "broker_connections_refused", COUNTER, NULL, "Connections that the broker closed without a worker" }, refused },
	{ { "broker_connections_waiting", GAUGE, NULL, "Connections that were accepted and that no worker has taken yet" }, waiting },
	{ { "broker_handoff_seconds", HISTOGRAM, "seconds", "Time from accepting a connection to sending it to a worker" }, handed },
	{ { "broker_wait_seconds", HISTOGRAM, "seconds", "Time from accepting a connection to the accept of the worker" }, waited },

	{ { "broker_service_serving", GAUGE, NULL, "1 if at least one worker of the service is ready" }, serving },
	{ { "broker_service_generation", GAUGE, NULL, "Generation in force" }, generation },
	{ { "broker_service_workers_wanted", GAUGE, NULL, "Workers that the service should have" }, wanted },
	{ { "broker_service_workers", GAUGE, NULL, "Workers by state, those of old generations too" }, by_state },
	{ { "broker_worker_start_seconds", HISTOGRAM, "seconds", "Time from the start of a worker until it was ready" }, started },
	{ { "broker_worker_restarts", COUNTER, NULL, "Workers that ended unasked, and so were replaced" }, restarts },
	{ { "broker_reloads", COUNTER, NULL, "Reloads of the service that have ended" }, reloads },
	{ { "broker_reload_duration_seconds", HISTOGRAM, "seconds", "Duration of reloads that were done" }, reload_time },

	{ { "broker_listener_accepted", COUNTER, NULL, "Connections accepted from the listener" }, listener_accepted },
	{ { "broker_listener_backlog", GAUGE, NULL, "Connections that wait in the backlog of the kernel" }, backlog },
	{ { "broker_listener_backlog_limit", GAUGE, NULL, "Connections that the backlog holds" }, backlog_limit },
	{ { "broker_listener_overflows", COUNTER, NULL, "Packets that the kernel dropped at the listener, mostly as its backlog was full" }, overflows },

	{ { "broker_worker_up", GAUGE, NULL, "1 if the worker is ready" }, worker_up },
	{ { "broker_worker_state", OPENMETRICS_STATESET, NULL, "What the newest worker in the slot does" }, worker_state },
	{ { "broker_worker_generation", GAUGE, NULL, "Generation of the newest worker in the slot" }, worker_generation },
	{ { "broker_worker_taken", COUNTER, NULL, "Connections that workers in the slot took" }, worker_taken },
	{ { "broker_worker_waiting", GAUGE, NULL, "Connections that wait in channels of the slot" }, worker_waiting },
	{ { "broker_worker_open_connections", GAUGE, NULL, "Connections that workers in the slot have open" }, worker_open },
	{ { "broker_worker_resident_memory_bytes", GAUGE, "bytes", "Resident memory of all processes in the slot" }, worker_rss },
	{ { "broker_worker_cpu_seconds", COUNTER, "seconds", "CPU time of all processes in the slot" }, worker_cpu },

	{ { "process_start_time_seconds", GAUGE, "seconds", "Start of the broker, since 1970" }, process_start },
	{ { "process_cpu_seconds", COUNTER, "seconds", "CPU time of the broker" }, process_cpu },
	{ { "process_resident_memory_bytes", GAUGE, "bytes", "Resident memory of the broker" }, process_rss },
	{ { "process_open_fds", GAUGE, NULL, "Descriptors that the broker has open" }, process_fds },
	{ { "process_max_fds", GAUGE, NULL, "Descriptors that the broker may have open" }, process_max_fds },
};
/* clang-format on */

bool metrics_write(struct openmetrics *om, const struct metrics_snapshot *s, size_t at)
{
	assert(at < ARRAY_SIZE(families));
	openmetrics_family(om, &families[at].head);
	families[at].write(om, s);
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
