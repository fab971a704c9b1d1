/*
 * view - the answer to `status` as values.
 *
 * Pure but for the heap. A number that the broker does not know (null) is -1. Texts are never NULL
 * unless said. They come from outside and must be escaped when they are shown, as text.h does.
 */
#ifndef BROKER_CTL_VIEW_H
#define BROKER_CTL_VIEW_H

#include "base/json_doc.h"

struct view_broker {
	const char *version, *state, *time, *run_dir;
	const char *config; /* NULL: started with a command line */
	int64_t pid, uptime_ms;
};

struct view_ledger {
	int64_t accepted, taken, waiting, client_gone, taken_back;
	int64_t refused; /* for all reasons together */
	bool balanced;
	char reasons[160]; /* "no-worker 2, no-memory 1"; empty: none */
};

struct view_reload {
	bool is_under_way;
	const char *kind; /* reload, restart */
	int64_t generation, done, of, ms;
	const char *waits_for;
};

struct view_service {
	const char *name, *state, *balance;
	int64_t generation, workers, ready;
	int64_t rollback_ms; /* -1: there is nothing to roll back to */
	struct view_reload reload;
	struct view_ledger ledger;
	bool is_implied; /* the broker sent only workers: only name is set */
	/* Where its rows are in the arrays of the view. */
	size_t first_listener, n_listeners, first_worker, n_workers, first_pin, n_pins;
};

struct view_listener {
	const char *address, *state;
	int64_t app_port, backlog, backlog_max, overflows, accepted;
	bool is_automatic; /* the app asked for it; there is no listen line */
};

struct view_worker {
	const char *name, *state, *why;
	int64_t slot; /* -1: a guest */
	int64_t pid, generation, state_ms, given, waiting, open, rss_bytes, cpu_ms, restarts;
	int64_t tracer_pid; /* -1: none */
	const char *tracer_name;
	bool is_pinned_only;
};

struct view_pin {
	const char *source; /* NULL: whatever connection comes next */
	const char *worker, *kind;
	int64_t expires_ms; /* -1: never */
};

struct view {
	struct view_broker broker;
	bool has_broker;
	struct view_service *services;
	struct view_listener *listeners;
	struct view_worker *workers;
	struct view_pin *pins;
	size_t n_services, n_listeners, n_workers, n_pins;
	char **lines; /* what the texts point into */
	size_t n_lines;
};

/* An all-zero view is empty. */
void view_deinit(struct view *view);

/*
 * Adds one line of the answer, @len bytes. 0; -EINVAL: it is not JSON; -ENOMEM. Lines of other
 * types, such as the end, add nothing.
 */
int view_add(struct view *view, const char *line, size_t len);

#endif
