#include "control.h"

#include <stdio.h>
#include "config/option.h"
#include "service/fill.h"
#include "service/roll.h"

/* Interval of progress lines while no step is taken. */
#define WAIT_MS 500

/* A service whose rollout a client waits for. */
struct awaited {
	char service[HANDOFF_SERVICE_SIZE];
	unsigned roll; /* its number; 0: the service is new, and we wait until it serves */
	bool over;     /* it serves; or it has failed, and roll::reason says why */
};

struct roll {
	struct task task;
	/* From here on it is a record. */
	char reason[512];	     /* of the first that failed */
	char output[LINES_TAIL + 1]; /* what its worker wrote last */
	size_t n;
	struct awaited awaited[];
};

/* --- what the client is told --------------------------------------------------------- */

static void write_progress(struct client *c, const struct service *s, const char *phase,
			   const char *worker, const char *message)
{
	struct strbuf *out = client_line(c, "progress");
	STRBUF(waits, 512);

	service_rollout_text(s, &waits);
	json_str(out, "service", service_name(s));
	json_uint(out, "generation", s->target ? s->target_generation : s->generation);
	json_str(out, "phase", phase);
	json_str(out, "worker", worker);
	json_uint(out, "done", s->rollout_number ? s->rollout.done : service_count_started(s));
	json_uint(out, "of", s->rollout_number ? s->rollout.of : s->want);
	json_str(out, "waits_for", waits.len ? waits.text : NULL);
	json_str(out, "message", message);
	json_end(out);
	client_flush(c);
}

static void fail(struct roll *roll, struct awaited *a, const char *reason, const char *output)
{
	a->over = true;
	if (roll->reason[0])
		return;
	snprintf(roll->reason, sizeof(roll->reason), "%s", reason);
	snprintf(roll->output, sizeof(roll->output), "%s", output);
}

static void end_failed(struct roll *roll)
{
	struct client *c = roll->task.client;
	struct strbuf *out = client_line(c, "error");

	json_str(out, "code", "aborted");
	json_str(out, "message", roll->reason);
	json_array(out, "output");
	for (const char *line = roll->output; *line;) {
		size_t n = strcspn(line, "\n");

		json_bytes(out, NULL, line, n);
		line += n + (line[n] == '\n');
	}
	json_close_array(out);
	json_end(out);
	client_answered(c);
}

/* --- how far it is ------------------------------------------------------------------- */

/* A service that the reload has created has no rollout, and nothing to go back to. */
static void judge_new(struct roll *roll, struct awaited *a, const struct service *s)
{
	const struct slot_trouble *trouble = NULL;
	STRBUF(reason, 256);

	if (service_is_ready(s)) {
		a->over = true;
		if (!s->rollout_number)
			write_progress(roll->task.client, s, "done", NULL, NULL);
		return;
	}
	if (!s->backoff.failures)
		return;
	for (unsigned i = 0; i < s->want && !trouble; i++)
		trouble = service_trouble(s, i);
	strbuf_addf(&reason, "%sthe new service %s does not start: %s; the broker keeps trying",
		    service_is_serving(s) ? "a worker of " : "", a->service,
		    trouble ? trouble->words : "see the events");
	fail(roll, a, reason.text, trouble ? trouble->last_output : "");
}

static void judge(struct roll *roll, struct awaited *a)
{
	const struct service *s = service_find(client_broker(roll->task.client), a->service);

	if (a->over)
		return;
	if (!s || service_leaves(s)) /* before its own rollout began */
		fail(roll, a, service_end_text(s), "");
	else if (!a->roll)
		judge_new(roll, a, s);
	else if (s->rollout.active || (s->rollout_number < a->roll && s->after))
		return; /* ours, or the one before it */
	else if (s->rollout_number < a->roll)
		fail(roll, a, "it was dropped because the previous reload was aborted", "");
	else if (s->abort_reason[0])
		fail(roll, a, s->abort_reason, s->abort_output);
	else
		a->over = true;
}

/* What was asked for is done; but what a reload has read may take more than that. */
static void end_done(struct client *c)
{
	const struct master *m = c->control->master;
	STRBUF(keys, 512);

	if (c->request.command->id == COMMAND_RELOAD &&
	    option_changes(OPTION_BROKER, &m->conf_start->broker, &m->conf->broker, APPLY_RESTART,
			   &keys))
		client_end_saying(c,
				  "[broker] %s: the change takes effect at the next start of "
				  "the broker",
				  keys.text);
	else
		client_end(c);
}

/* Ends the answer, and with it @roll, when nothing is awaited any more. */
static void finish_if_over(struct roll *roll)
{
	bool over = true;

	for (size_t i = 0; i < roll->n; i++) {
		judge(roll, &roll->awaited[i]);
		over = over && roll->awaited[i].over;
	}
	if (over && roll->reason[0])
		end_failed(roll);
	else if (over)
		end_done(roll->task.client);
}

static void events_added(struct event_follower *f)
{
	finish_if_over(container_of(f, struct roll, task.follower));
}

static void tick(struct loop_timer *timer)
{
	struct roll *roll = container_of(timer, struct roll, task.tick);
	struct broker *b = client_broker(roll->task.client);

	for (size_t i = 0; i < roll->n; i++) {
		const struct service *s = service_find(b, roll->awaited[i].service);

		if (s && (s->rollout.active || !s->rollout_number) && !roll->awaited[i].over)
			write_progress(roll->task.client, s, "wait", NULL, NULL);
	}
	loop_timer_arm(&b->loop, timer, WAIT_MS);
	finish_if_over(roll);
}

static void rollout_stepped(struct observer *o, const struct service *s, enum roll_phase phase,
			    const struct worker *w)
{
	struct roll *roll = container_of(o, struct roll, task.observer);

	for (size_t i = 0; i < roll->n; i++) {
		struct awaited *a = &roll->awaited[i];

		if (strcmp(a->service, service_name(s)) != 0)
			continue;
		write_progress(roll->task.client, s, roll_phase_names[phase], w ? w->name : NULL,
			       phase == ROLL_ABORTED ? s->abort_reason : NULL);
		/* Now: another may begin at once. */
		if (phase == ROLL_DONE || phase == ROLL_ABORTED)
			judge(roll, a);
	}
}

#define ROLL_KEPT offsetof(struct roll, reason)

static void roll_keep(struct task *t, struct strbuf *out)
{
	const struct roll *roll = container_of(t, struct roll, task);

	kept_add_text(out, KEPT_ROLL, roll->reason,
		      sizeof(*roll) - ROLL_KEPT + roll->n * sizeof(roll->awaited[0]));
}

static const struct task_ops roll_ops = {
	.ticked = tick, .events_added = events_added, .rollout = rollout_stepped, .keep = roll_keep
};

/* --- waiting --------------------------------------------------------------------------- */

static void await_service(struct roll *roll, const struct service *s)
{
	struct awaited *a = &roll->awaited[roll->n++];
	STRBUF(begins, 64);

	snprintf(a->service, sizeof(a->service), "%s", service_name(s));
	a->roll = s->rollout_number + (s->after != NULL);
	if (!a->roll)
		strbuf_addf(&begins, "the service is new: %u worker%s", s->want,
			    s->want == 1 ? " starts" : "s start");
	write_progress(roll->task.client, s, "begin", NULL, begins.len ? begins.text : NULL);
}

/* For @n services at most. */
static struct roll *begin(struct client *c, size_t n)
{
	size_t size = sizeof(struct roll) + n * sizeof(struct awaited);
	struct roll *roll = client_begin(c, size, &roll_ops);

	if (roll)
		loop_timer_arm(&client_broker(c)->loop, &roll->task.tick, WAIT_MS);
	return roll;
}

int roll_resume(struct client *c, const char *text, size_t size)
{
	size_t head = sizeof(struct roll) - ROLL_KEPT;
	size_t n = size < head ? 0 : (size - head) / sizeof(struct awaited);
	struct roll *roll = n ? begin(c, n) : NULL;

	if (!roll)
		return -ENOMEM;
	memcpy(roll->reason, text, size);
	return roll->n == n ? 0 : -EPROTO;
}

/* The rollout of the service of that name, or of all (NULL), has begun: waits for its end. */
static void await(struct client *c, const char *only)
{
	struct broker *b = client_broker(c);
	struct roll *roll;

	if (request_has(&c->request, "--no-wait")) {
		end_done(c);
		return;
	}
	roll = begin(c, list_count(&b->services));
	if (!roll)
		return;
	list_for_each (const struct service, s, &b->services, link)
		if (!s->dispatch.stopping && (!only || !strcmp(only, service_name(s))))
			await_service(roll, s);
	/* Some may be over by now. */
	finish_if_over(roll);
}

/* --- a plan ---------------------------------------------------------------------------- */

static void write_change(void *arg, const struct conf_change *change)
{
	struct client *c = arg;
	struct strbuf *out = client_line(c, "change");
	/* As in `config`: clients that may only look do not see what may be passwords. */
	bool hidden = !client_may_steer(c) && change->key && !strcmp(change->key, "environment");

	json_str(out, "section", change->section);
	json_str(out, "key", change->key);
	json_str(out, "from", hidden ? NULL : change->from);
	json_str(out, "to", hidden ? NULL : change->to);
	json_str(out, "applies", change->applies);
	json_str(out, "action", change->action);
	json_end(out);
}

static void plan_surveyed(struct survey_waiter *waiter)
{
	struct client *c = container_of(waiter, struct task, survey)->client;
	STRBUF(error, CONF_ERROR_BYTES);

	if (master_plan(c->control->master, client_argument(c), write_change, c, &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else
		client_end(c);
}

static const struct task_ops plan_ops = { .surveyed = plan_surveyed };

/* Whether debuggers are at work is asked in slices: there may be a thousand workers. */
static void plan_named(struct names_waiter *waiter, int named, const char *why)
{
	struct client *c = container_of(waiter, struct task, names)->client;

	if (named < 0)
		client_error(c, "refused", "%s", why);
	else
		(void)client_begin(c, sizeof(struct task), &plan_ops);
}

/* --- the commands -------------------------------------------------------------------- */

/* Of the service that the request names, or of all. */
static void reload(struct names_waiter *waiter, int named, const char *why)
{
	struct client *c = container_of(waiter, struct task, names)->client;
	bool fewer_ports = c->request.command->id == COMMAND_RELOAD &&
			   request_has(&c->request, "--accept-fewer-ports");
	const char *name = client_argument(c);
	STRBUF(error, CONF_ERROR_BYTES);

	if (master_reload(c->control->master, name, named, why, &error) < 0) {
		client_error(c, "refused", "%s", error.text);
		return;
	}
	list_for_each (struct service, s, &client_broker(c)->services, link)
		if (fewer_ports && (!name || !strcmp(name, service_name(s))))
			s->fewer_ports |=
				s->rollout.active; /* or of the one that waits behind it */
	await(c, name);
}

/*
 * Once it is known what the users and groups in the file mean. By then a service may be gone: its
 * name counts, which is in the request.
 */
static const struct task_ops naming_ops = { .named = reload };
static const struct task_ops plan_naming_ops = { .named = plan_named };

void control_reload(struct client *c, struct service *only)
{
	(void)only;
	(void)client_begin(c, sizeof(struct task),
			   request_has(&c->request, "--plan") ? &plan_naming_ops : &naming_ops);
}

/* As its section in the file says now: whoever stops a service may well change it. */
void control_start_service(struct client *c, struct service *s)
{
	if (!s->dispatch.paused && !s->closing)
		client_end_saying(c, "%s was running already", client_argument(c));
	else
		(void)client_begin(c, sizeof(struct task), &naming_ops);
}

void control_restart(struct client *c, struct worker *w)
{
	const struct service *s = service_of(w);
	STRBUF(error, 512);

	if (service_restart_worker(w, &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else
		await(c, service_name(s));
}
