#include "control.h"

#include <sys/param.h>
#include "service/move.h"
#include "service/pin.h"
#include "service/survey.h"
#include "worker/children.h"
#include "worker/step.h"
#include "worker/processes.h"
#include "worker/words.h"

#define TICK_MS 20
/* For so long a debugger waits for clients that can go on with other workers. */
#define MOVES_MS      2000
#define MOVES_TICK_MS 100

struct kept_session {
	uint64_t worker_id;	/* 0: it has ended */
	struct pin_source from; /* whose connections go to it all the same; family 0: nobody's */
	/* Of an inetd service, one process is debugged, not the worker: the next that serves. */
	int stopped;		/* as handoff_processes::debug should be now */
	bool ticks;		/* the timer looks whether it has come */
	int64_t moves_until_ms; /* ... or whether its clients have gone on with others; 0: not */
};

struct session {
	struct task task;
	KEPT(kept_session);
	struct worker *worker; /* held for the debugger; NULL: it has ended */
};

/* --- what becomes of the worker meanwhile ----------------------------------------------- */

static void add_end(const struct worker *w, struct strbuf *out)
{
	const struct worker_end_facts facts = worker_end_facts(w, false);

	if (w->guest && w->pid) {
		strbuf_add(out, " is left to itself: its service ends");
		return;
	}
	strbuf_add(out, " has ended");
	if (!w->exited)
		return;
	strbuf_add(out, ": ");
	worker_end_add_words(&facts, out);
}

static void add_why_it_leaves(const struct worker *w, enum worker_state from, struct strbuf *out)
{
	const struct worker_end_facts facts = worker_end_facts(w, false);
	const struct service *s = service_of(w);

	if (s->broker->stopping) {
		strbuf_add(out, " is to end with the broker");
	} else if (service_leaves(s)) {
		strbuf_addf(out, " is to end: %s %s", service_name(s),
			    s->dispatch.stopping ? "ends" : "is paused");
	} else if (!w->retired_by_us) {
		strbuf_add(out, " no longer serves: ");
		worker_end_add_words(&facts, out);
	} else if (from == WORKER_STARTING) {
		strbuf_add(out, " is to end before it has served");
	} else if (w->slot >= s->want) {
		strbuf_add(out, " is to end: there are fewer workers now");
	} else {
		strbuf_addf(out, " was replaced by a %s",
			    s->target ? roll_kind_name(s->roll_kind) : "rollback");
	}
}

/*
 * Adds what has become of @w, which was @from and is debugged, in words for the person that debugs
 * it. Nothing if nothing changes for that person.
 */
static void add_change(const struct worker *w, enum worker_state from, enum worker_event ev,
		       const struct pin_source *source, struct strbuf *out)
{
	bool was = worker_state_is_current(from), is = worker_state_is_current(w->state);
	bool dead = w->state == WORKER_DEAD;

	/* After a kill its end comes in a moment, and is told then. */
	if (!(w->held & HELD_BY_DEBUG) || (was == is && !dead) || (ev == EV_KILL && !dead))
		return;
	strbuf_add(out, w->name);
	if (dead)
		add_end(w, out);
	else if (was)
		add_why_it_leaves(w, from, out);
	else
		strbuf_add(out, " was put back by a rollback, and is held as before");
	if (was != is && source->family && !service_leaves(service_of(w)))
		strbuf_addf(out, "; connections of %s go %s again", pin_source_text(source).text,
			    is ? "to it" : "round");
	if (was && !dead && w->pid)
		strbuf_add(out, "; this process is left to you until the debugger ends");
}

static void worker_changed(struct observer *o, const struct worker *w, enum worker_state from,
			   enum worker_event ev)
{
	struct session *session = container_of(o, struct session, task.observer);
	struct client *c = session->task.client;
	STRBUF(words, 512);
	struct strbuf *out;

	if (w != session->worker)
		return;
	if (w->state == WORKER_DEAD)
		session->worker = NULL;
	add_change(w, from, ev, &session->from, &words);
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

static void let_go(struct worker *w)
{
	(void)service_unpin(service_of(w),
			    &(struct pin_filter){ .worker = w->name, .generation = w->generation },
			    "the debugger is done");
	worker_unhold(w, HELD_BY_DEBUG);
}

static void session_drop(struct task *t)
{
	struct session *session = container_of(t, struct session, task);
	struct worker *w = session->worker;

	if (w && session->stopped <= HANDOFF_DEBUG_NEXT)
		let_go(w);
	/* It may have come just now. */
	if (w && session->stopped == HANDOFF_DEBUG_NEXT)
		session->stopped = worker_children_swap_debug(w, HANDOFF_DEBUG_NEXT, 0);
	if (w && session->stopped > HANDOFF_DEBUG_NEXT)
		(void)worker_children_swap_debug(w, session->stopped, 0);
}

static void session_keep(struct task *t, struct strbuf *out)
{
	struct session *session = container_of(t, struct session, task);

	session->worker_id = session->worker ? session->worker->id : 0;
	session->ticks = loop_timer_armed(&t->tick);
	kept_add_text(out, KEPT_SESSION, &session->kept, sizeof(session->kept));
}

/* --- begin --------------------------------------------------------------------------------- */

/*
 * @w is held for a debugger. Connections of @from, if that is any, go to it all the same. 0;
 * -EBUSY, or as service_pin(), with @error.
 */
static int begin(struct worker *w, const struct pin_source *from, struct strbuf *error)
{
	struct pin pin = { .kind = PIN_DEBUG, .generation = w->generation, .source = *from };
	int r = 0;

	if ((w->held & HELD_BY_DEBUG) || worker_children_swap_debug(w, 0, 0) > 0)
		return strbuf_fail(error, -EBUSY, "%s is already being debugged", w->name);
	if (from->family && pins_find(&service_of(w)->dispatch.pins, PIN_DEBUG, from))
		return strbuf_fail(error, -EBUSY,
				   "another worker is already being debugged with that source");
	/* First the pin: what waits there and has it need not leave. */
	if (from->family) {
		memcpy(pin.worker, w->name, sizeof(w->name));
		r = service_pin(service_of(w), &pin, error);
	}
	/* The next process of an inetd service may be of anybody. */
	if (r == 0 && (from->family || worker_children_swap_debug(w, 0, 0) < 0))
		worker_hold(w, HELD_BY_DEBUG);
	return r;
}

/* @pid is to be debugged. False: it is no process of @w, which may say what it likes. */
static bool write_session(struct client *c, const struct worker *w, pid_t pid)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	bool known = worker_processes(w, &all) == 0;
	struct strbuf *out;

	/* Root is not to attach to just any process. */
	if (pid != w->pid && !(known && pid_set_has(&all, pid)))
		return false;
	out = client_line(c, "debug");
	json_str(out, "worker", w->name);
	json_int(out, "pid", pid);
	json_uint(out, "generation", w->generation);
	json_bool(out, "alone", pid != w->pid);
	json_array(out, "pids");
	for (size_t i = 0; known && i < all.n; i++)
		json_int(out, NULL, all.pids[i]);
	json_close_array(out);
	json_array(out, "command");
	for (char **word = w->conf->debug_command; *word; word++)
		json_str(out, NULL, *word);
	json_close_array(out);
	json_end(out);
	return true;
}

/* Of an inetd worker: until a process of it has a connection, and waits for the debugger. */
static void next_ticked(struct session *session)
{
	struct client *c = session->task.client;
	struct worker *w = session->worker;
	bool serves = w && worker_state_is_current(w->state);

	if (serves)
		session->stopped =
			worker_children_swap_debug(w, HANDOFF_DEBUG_NEXT, HANDOFF_DEBUG_NEXT);
	if (serves && session->stopped == HANDOFF_DEBUG_NEXT) {
		loop_timer_arm(&client_broker(c)->loop, &session->task.tick, TICK_MS);
	} else if (!serves) {
		client_error(c, "refused", "the worker no longer serves, and has no next process");
	} else {
		let_go(w);
		if (write_session(c, w, session->stopped))
			client_end(c);
		else
			client_error(c, "failed", "process %d is none of %s", session->stopped,
				     w->name);
	}
}

static void wait_for_next(struct session *session)
{
	struct client *c = session->task.client;
	struct strbuf *out = client_line(c, "waits");

	session->stopped = HANDOFF_DEBUG_NEXT;
	json_bool(out, "from", session->from.family);
	json_end(out);
	client_flush(c);
	next_ticked(session);
}

/* Until the clients of a held worker have gone on with others, but for those that are pinned. */
static void moves_ticked(struct session *session)
{
	struct client *c = session->task.client;
	struct worker *w = session->worker;
	struct broker *b = client_broker(c);
	bool moves = w && worker_moves(w) && loop_now(&b->loop) < session->moves_until_ms;

	if (moves)
		survey_look(c->control->survey, w);
	if (!w || !w->pid) {
		client_error(c, "refused", "the worker has ended");
	} else if (moves && w->found.open > 0) {
		loop_timer_arm(&b->loop, &session->task.tick, MOVES_TICK_MS);
	} else {
		(void)write_session(c, w, w->pid);
		hold_end(c, w);
	}
}

static void wait_for_moves(struct session *session)
{
	struct client *c = session->task.client;

	survey_look(c->control->survey, session->worker);
	if (worker_moves(session->worker) && session->worker->found.open > 0) {
		struct strbuf *out = client_line(c, "moves");

		json_int(out, "ms", MOVES_MS);
		json_end(out);
		session->moves_until_ms = loop_now(&client_broker(c)->loop) + MOVES_MS;
		client_flush(c);
	}
	moves_ticked(session);
}

static void session_ticked(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, task.tick);

	if (session->moves_until_ms)
		moves_ticked(session);
	else
		next_ticked(session);
}

static const struct task_ops session_ops = { .lasts = true,
					     .ticked = session_ticked,
					     .worker = worker_changed,
					     .drop = session_drop,
					     .keep = session_keep };

int session_resume(struct client *c, const char *text, size_t size)
{
	struct session *session = client_begin(c, sizeof(*session), &session_ops);

	if (!session)
		return -ENOMEM;
	memcpy(&session->kept, text, MIN(size, sizeof(session->kept)));
	list_for_each (struct service, s, &client_broker(c)->services, link)
		if (!session->worker)
			session->worker = list_find(struct worker, w, &s->workers, link,
						    w->id == session->worker_id);
	if (session->ticks)
		loop_timer_arm(&client_broker(c)->loop, &session->task.tick, TICK_MS);
	return 0;
}

void control_debug(struct client *c, struct worker *w)
{
	const char *from = request_option(&c->request, "--from")->text;
	struct pin_source source = { 0 };
	struct session *session;
	STRBUF(error, 512);

	if (from && pin_source_parse(from, &source, &error) < 0) {
		client_error(c, "bad-request", "%s", error.text);
		return;
	}
	if (begin(w, &source, &error) < 0) {
		client_error(c, "refused", "%s", error.text);
		return;
	}
	session = client_begin(c, sizeof(*session), &session_ops);
	if (!session) {
		let_go(w);
		return;
	}
	session->worker = w;
	session->from = source;
	if (worker_children_swap_debug(w, 0, HANDOFF_DEBUG_NEXT) == 0)
		wait_for_next(session);
	else
		wait_for_moves(session);
}
