/*
 * The commands that take time, and whose client is told how far they are: reload, restart. The
 * steps come from service_announce(); the end is told from the loop, when whatever was in the
 * middle of a change has come to its end.
 */
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "control/client.h"
#include "master/reload.h"
#include "report/events.h"
#include "service/progress.h"
#include "service/questions.h"
#include "service/roll.h"
#include "service/survey.h"
#include "service/trouble.h"

/* Between two steps the client hears so often what is waited for. */
#define WAIT_MS 500

enum outcome { GOES_ON, SERVES, FAILED };

/* One service whose rollout a client waits for. */
struct awaited {
	char service[HANDOFF_SERVICE_SIZE];
	unsigned roll; /* its number; 0: the service is new, and what counts is that it serves */
	enum outcome outcome;
};

struct control_roll {
	struct client *client;
	struct loop_timer tick;
	char reason[512];	     /* of the first that failed */
	char output[LINES_TAIL + 1]; /* what its worker wrote last */
	size_t n;
	struct awaited awaited[];
};

void control_roll_free(struct client *c)
{
	if (c->roll)
		loop_timer_disarm(&c->roll->tick);
	free(c->roll);
	c->roll = NULL;
}

/* --- what the client is told --------------------------------------------------------- */

/* Those of a service without a rollout that have started. */
static size_t count_started(const struct service *s)
{
	size_t n = 0;

	for (unsigned i = 0; i < s->want; i++)
		n += s->slots[i].current && s->slots[i].current->state != WORKER_STARTING;
	return n;
}

static void write_progress(struct client *c, const struct service *s, const char *phase,
			   const char *worker, const char *message)
{
	struct buf *out = &c->stream.out;
	STRBUF(waits, 512);

	service_rollout_text(s, &waits);
	json_begin(out);
	json_str(out, "type", "progress");
	json_str(out, "service", service_name(s));
	json_uint(out, "generation", s->target ? s->target_generation : s->generation);
	json_str(out, "phase", phase);
	json_str(out, "worker", worker);
	json_uint(out, "done", s->rollout_number ? s->rollout.done : count_started(s));
	json_uint(out, "of", s->rollout_number ? s->rollout.of : s->want);
	json_str(out, "waits_for", waits.len ? waits.text : NULL);
	json_str(out, "message", message);
	json_end(out);
	stream_flush(&c->stream);
}

static void fail(struct control_roll *roll, struct awaited *a, const char *reason,
		 const char *output)
{
	a->outcome = FAILED;
	if (roll->reason[0])
		return;
	snprintf(roll->reason, sizeof(roll->reason), "%s", reason);
	snprintf(roll->output, sizeof(roll->output), "%s", output);
}

static void write_output(struct buf *out, const char *text)
{
	json_array(out, "output");
	while (*text) {
		size_t n = strcspn(text, "\n");

		json_bytes(out, NULL, text, n);
		text += n + (text[n] == '\n');
	}
	json_close_array(out);
}

static void finish(struct client *c)
{
	struct control_roll *roll = c->roll;
	struct buf *out = &c->stream.out;

	list_remove(&c->follower.link);
	c->roll = NULL;
	loop_timer_disarm(&roll->tick);
	if (roll->reason[0]) {
		json_begin(out);
		json_str(out, "type", "error");
		json_str(out, "code", "aborted");
		json_str(out, "message", roll->reason);
		write_output(out, roll->output);
		json_end(out);
		free(roll);
		client_answered(c);
		return;
	}
	free(roll);
	client_end(c);
}

/* --- how far it is ------------------------------------------------------------------- */

/* A service that the reload has made: there is no rollout, and nothing to go back to. */
static void look_at_new(struct control_roll *roll, struct awaited *a, const struct service *s)
{
	const struct slot_trouble *trouble = NULL;
	STRBUF(reason, 256);

	if (service_is_ready(s)) {
		a->outcome = SERVES;
		if (!s->rollout_number)
			write_progress(roll->client, s, "done", NULL, NULL);
		return;
	}
	if (!s->backoff.failures)
		return;
	for (unsigned i = 0; i < s->want && !trouble; i++)
		trouble = service_trouble(s, i);
	strbuf_addf(&reason, "%sthe new service %s does not start: %s; it is tried again and again",
		    service_is_serving(s) ? "a worker of " : "", a->service,
		    trouble ? trouble->words : "see the events");
	fail(roll, a, reason.text, trouble ? trouble->last_output : "");
}

static void look_at(struct control_roll *roll, struct awaited *a)
{
	const struct service *s = service_find(&roll->client->master->broker, a->service);

	if (a->outcome != GOES_ON)
		return;
	if (!s || service_leaves(s)) /* before its own began */
		fail(roll, a, service_end_text(s), "");
	else if (!a->roll)
		look_at_new(roll, a, s);
	else if (!s->rollout.active && !s->after)
		/* Its end was announced, or it never began. */
		fail(roll, a, "it was dropped: the reload before it was aborted", "");
}

static void look(struct client *c)
{
	struct control_roll *roll = c->roll;
	bool over = true;

	for (size_t i = 0; i < roll->n; i++) {
		look_at(roll, &roll->awaited[i]);
		over = over && roll->awaited[i].outcome != GOES_ON;
	}
	if (over)
		finish(c);
}

static void news(struct event_follower *f)
{
	look(container_of(f, struct client, follower));
}

static void tick(struct loop_timer *timer)
{
	struct control_roll *roll = container_of(timer, struct control_roll, tick);
	struct client *c = roll->client;

	for (size_t i = 0; i < roll->n; i++) {
		const struct service *s =
			service_find(&c->master->broker, roll->awaited[i].service);

		if (s && (s->rollout.active || !s->rollout_number) &&
		    roll->awaited[i].outcome == GOES_ON)
			write_progress(c, s, "wait", NULL, NULL);
	}
	loop_timer_arm(&c->master->broker.loop, timer, WAIT_MS);
	look(c);
}

static void note(struct control_roll *roll, struct awaited *a, const struct service *s,
		 enum roll_phase phase, const struct worker *w)
{
	bool aborted = phase == ROLL_ABORTED;

	/* One that was under way before is not ours, but what we wait for. */
	write_progress(roll->client, s, roll_phase_name(phase), w ? w->name : NULL,
		       aborted ? s->abort_reason : NULL);
	if (a->roll != s->rollout_number)
		return;
	if (phase == ROLL_DONE)
		a->outcome = SERVES;
	else if (aborted)
		fail(roll, a, s->abort_reason, s->abort_output);
}

void control_tell_rollers(struct control *ctl, const struct service *s, enum roll_phase phase,
			  const struct worker *w)
{
	struct client *c;

	list_for_each (c, &ctl->clients, link)
		for (size_t i = 0; c->roll && i < c->roll->n; i++)
			if (!strcmp(c->roll->awaited[i].service, service_name(s)))
				note(c->roll, &c->roll->awaited[i], s, phase, w);
}

/* --- the commands -------------------------------------------------------------------- */

/* From now on the client hears of every step in the services that it awaits. */
static bool await(struct client *c, size_t room)
{
	struct control_roll *roll = calloc(1, sizeof(*roll) + room * sizeof(roll->awaited[0]));

	if (!roll) {
		client_error(c, "failed", "out of memory");
		return false;
	}
	roll->client = c;
	loop_timer_init(&roll->tick, tick);
	c->roll = roll;
	return true;
}

static void await_service(struct client *c, const struct service *s)
{
	struct awaited *a = &c->roll->awaited[c->roll->n++];
	STRBUF(begins, 64);

	snprintf(a->service, sizeof(a->service), "%s", service_name(s));
	if (s->after)
		a->roll = s->rollout_number + 1;
	else if (s->rollout.active)
		a->roll = s->rollout_number;
	/* A rollout may be over already: its first process could not even be started. */
	if (!a->roll && s->rollout_number && s->abort_reason[0])
		fail(c->roll, a, s->abort_reason, s->abort_output);
	else if (!a->roll && s->rollout_number)
		a->outcome = SERVES;
	if (!s->rollout_number)
		strbuf_addf(&begins, "the service is new: %u worker%s", s->want,
			    s->want == 1 ? " starts" : "s start");
	write_progress(c, s, "begin", NULL, begins.len ? begins.text : NULL);
}

static void wait_for_all(struct client *c)
{
	c->state = CLIENT_ROLLS;
	c->follower.news = news;
	events_follow(c->control->events, &c->follower);
	loop_timer_arm(&c->master->broker.loop, &c->roll->tick, WAIT_MS);
	/* Steps that came before we looked are in the books of the services. */
	loop_timer_arm(&c->master->broker.loop, &c->control->events->news, 0);
}

static void write_change(void *arg, const struct conf_change *change)
{
	struct client *c = arg;
	struct buf *out = &c->stream.out;
	/* As in `config`: who may only look does not see what may be passwords. */
	bool hidden = !c->may_steer && change->key && !strcmp(change->key, "environment");

	json_begin(out);
	json_str(out, "type", "change");
	json_str(out, "section", change->section);
	json_str(out, "key", change->key);
	json_str(out, "from", hidden ? NULL : change->from);
	json_str(out, "to", hidden ? NULL : change->to);
	json_str(out, "applies", change->applies);
	json_str(out, "action", change->action);
	json_end(out);
}

static void surveyed(struct survey_waiter *waiter)
{
	struct client *c = container_of(waiter, struct client, survey);
	const char *only = c->request.arguments[0].text;
	STRBUF(error, CONF_ERROR_BYTES);

	if (master_plan(c->master, only, write_change, c, &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else
		client_end(c);
}

/* Which of a thousand workers are debugged is nothing to be asked in one go. */
static void plan(struct client *c)
{
	c->state = CLIENT_SURVEY;
	c->survey.done = surveyed;
	survey_want(c->control->survey, &c->survey);
}

static bool is_stopping(struct client *c)
{
	if (!c->master->broker.stopping)
		return false;
	client_error(c, "refused", "the broker is ending");
	return true;
}

void control_reload(struct client *c)
{
	const char *only = c->request.arguments[0].text;
	STRBUF(error, CONF_ERROR_BYTES);
	const struct service *s;

	if (only && !client_find_service(c, only))
		return;
	if (request_has(&c->request, "--plan")) {
		plan(c);
		return;
	}
	if (is_stopping(c))
		return;
	if (master_reload(c->master, only, &error) < 0) {
		client_error(c, "refused", "%s", error.text);
		return;
	}
	if (request_has(&c->request, "--no-wait")) {
		client_end(c);
		return;
	}
	if (!await(c, list_count(&c->master->broker.services)))
		return;
	list_for_each (s, &c->master->broker.services, link)
		if (!s->dispatch.stopping && (!only || !strcmp(only, service_name(s))))
			await_service(c, s);
	wait_for_all(c);
}

void control_restart(struct client *c)
{
	struct worker *w = client_find_worker(c, c->request.arguments[0].text);
	STRBUF(error, 512);
	const struct service *s;

	if (!w)
		return;
	s = service_of(w);
	if (service_restart_worker(w, &error) < 0) {
		client_error(c, "refused", "%s", error.text);
		return;
	}
	if (request_has(&c->request, "--no-wait")) {
		client_end(c);
		return;
	}
	if (!await(c, 1))
		return;
	await_service(c, s);
	wait_for_all(c);
}
