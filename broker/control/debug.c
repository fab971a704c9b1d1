#include "debug.h"

#include <stdlib.h>
#include "control/client.h"
#include "control/steer.h"
#include "core/notice.h"
#include "service/debug.h"
#include "worker/processes.h"

struct session {
	struct task task;
	struct observer observer;
	struct worker *worker; /* held for the debugger; NULL: it has ended */
};

static void write_session(struct client *c, const struct worker *w)
{
	struct buf *out = client_line(c, "debug");
	_cleanup_pids_ struct pid_set all = { 0 };

	json_str(out, "worker", w->name);
	json_int(out, "pid", w->pid);
	json_uint(out, "generation", w->generation);
	json_array(out, "pids");
	if (worker_processes(w, &all) == 0)
		for (size_t i = 0; i < all.n; i++)
			json_int(out, NULL, all.pids[i]);
	json_close_array(out);
	json_array(out, "command");
	for (char **word = w->conf->debug_command; *word; word++)
		json_str(out, NULL, *word);
	json_close_array(out);
	json_end(out);
}

static void worker_changed(struct observer *o, const struct worker *w, enum worker_state from,
			   enum worker_event ev)
{
	struct session *session = container_of(o, struct session, observer);
	struct client *c = session->task.client;
	STRBUF(words, 512);
	struct buf *out;

	if (w != session->worker)
		return;
	if (w->state == WORKER_DEAD)
		session->worker = NULL;
	debug_add_change(w, from, ev, &words);
	if (!words.len)
		return;
	out = client_line(c, "debugged");
	json_str(out, "worker", w->name);
	json_int(out, "pid", w->pid ? w->pid : w->main_was);
	json_uint(out, "generation", w->generation);
	json_str(out, "state", worker_state_names[w->state]);
	json_str(out, "message", words.text);
	json_end(out);
	client_flush(c);
}

static void session_drop(struct task *t)
{
	struct session *session = container_of(t, struct session, task);

	list_remove(&session->observer.link);
	if (session->worker)
		debug_end(session->worker);
	free(session);
}

static const struct task_ops session_ops = { .lasts = true, .drop = session_drop };

void control_debug(struct client *c, struct worker *w)
{
	const char *from = request_option(&c->request, "--from")->text;
	struct session *session;
	struct pin_source source;
	STRBUF(error, 512);

	if (!hold_is_possible(c, w))
		return;
	if (!w->pid) {
		client_error(c, "refused", "the main process of %s has ended", w->name);
		return;
	}
	if (from && pin_source_parse(from, &source, &error) < 0) {
		client_error(c, "bad-request", "%s", error.text);
		return;
	}
	session = client_alloc(c, sizeof(*session));
	if (!session)
		return;
	if (debug_begin(w, from ? &source : NULL, &error) < 0) {
		free(session);
		client_error(c, "refused", "%s", error.text);
		return;
	}
	session->worker = w;
	session->observer.worker = worker_changed;
	notice_observe(client_broker(c), &session->observer);
	client_begin(c, &session->task, &session_ops);
	write_session(c, w);
	hold_end(c, w);
}
