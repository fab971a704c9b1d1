#include "control.h"

#include "service/fill.h"
#include "service/guest.h"
#include "service/in_force.h"
#include "service/life.h"
#include "service/pin.h"
#include "service/roll.h"
#include "sys/starter.h"
#include "worker/step.h"

/* --- workers ------------------------------------------------------------------------- */

/* The last one may be held too, but that is seldom what was meant. */
void hold_end(struct client *c, const struct worker *w)
{
	if (service_has_round(service_of(w)))
		client_end(c);
	else
		client_end_saying(c,
				  "%s is held, and was the last in the round: clients of %s wait "
				  "until a worker is released",
				  w->name, service_name(service_of(w)));
}

void control_hold(struct client *c, struct worker *w)
{
	w->gives_away |= request_has(&c->request, "--move");
	worker_hold(w, HELD_BY_HAND);
	broker_watch(client_broker(c)); /* it may have been held without that */
	hold_end(c, w);
}

void control_release(struct client *c, struct worker *w)
{
	if (w->held & (HELD_BY_HAND | HELD_AS_HUNG)) {
		worker_unhold(w, HELD_AS_HUNG);
		worker_unhold(w, HELD_BY_HAND);
		if (w->held)
			client_end_saying(c, "%s is no longer held by hand, but %s", w->name,
					  w->held & HELD_BY_DEBUG  ? "for a debugger"
					  : w->held & HELD_BY_STOP ? "its process is stopped"
								   : "its check fails");
		else
			client_end(c);
	} else if (w->held & HELD_BY_DEBUG) {
		client_error(c, "refused",
			     "%s is held for a debugger, and is released when the debugger ends",
			     w->name);
	} else if (w->held & HELD_BY_STOP) {
		client_error(c, "refused",
			     "%s is out of the round because its process is stopped; it returns "
			     "when that runs again (kill -CONT %d)",
			     w->name, (int)w->pid);
	} else if (w->held & HELD_BY_CHECK) {
		client_error(c, "refused",
			     "%s is out of the round because its check fails; it returns when that "
			     "passes, or with check_action = log",
			     w->name);
	} else {
		client_error(c, "refused", "%s is not held", w->name);
	}
}

void control_signal(struct client *c, struct worker *w)
{
	int sig = (int)c->request.arguments[1].number, r;

	r = w->guest ? spawn_kill_pidfd(w->pidfd, sig) : starter_kill(w->pid, false, sig);
	if (r == -ESRCH)
		client_error(c, "refused", "%s has just ended", w->name);
	else if (r < 0)
		client_error(c, "failed", "cannot send signal %d to process %d: %s", sig,
			     (int)w->pid, strerror(-r));
	else
		client_end(c);
}

/* --- services ------------------------------------------------------------------------ */

void control_scale(struct client *c, struct service *s)
{
	int64_t n = c->request.arguments[1].number;
	STRBUF(error, 512);

	if (n < 1 || n > ROLLOUT_MAX)
		client_error(c, "bad-request",
			     "a service has 1 to %d workers; `stop` stops them all", ROLLOUT_MAX);
	else if (service_set_workers(s, (unsigned)n, &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else if (!service_has_round(s) && !s->conf->wait) /* a client starts a program with wait */
		client_end_saying(c,
				  "%s is to have %u worker%s until the next reload, and none of "
				  "them is in the round now: its clients wait",
				  service_name(s), s->want, s->want == 1 ? "" : "s");
	else
		client_end(c);
}

int control_reload_abort(struct service *s, struct strbuf *words)
{
	int r = service_abort_reload(s, words);

	if (r == 0)
		strbuf_addf(words, "the %s of %s is aborted: workers not yet replaced stay",
			    roll_kind_name(s->roll_kind), service_name(s));
	return r;
}

/* Workers that were held when they were replaced still are: maybe none is in the round. */
static void add_result(const struct service *s, struct strbuf *out)
{
	unsigned ready = 0, starting = s->want - service_count_started(s);

	for (unsigned i = 0; i < s->want; i++)
		ready += s->slots[i].current && s->slots[i].current->state == WORKER_READY;
	strbuf_addf(out, "%s is back at generation %u: %u of %u workers are in the round",
		    service_name(s), s->generation, ready, s->want);
	/* Their processes have ended meanwhile. */
	if (starting)
		strbuf_addf(out, ", %u start%s again", starting, starting == 1 ? "s" : "");
	if (!service_has_round(s))
		strbuf_add(out, ", so clients wait; brokerctl status says why");
}

int control_rollback(struct service *s, struct strbuf *words)
{
	unsigned wanted = s->want;
	int r = service_rollback(s, words);

	if (r < 0)
		return r;
	add_result(s, words);
	/* It was changed by `scale`, or by the configuration that is undone. */
	if (s->want != wanted)
		strbuf_addf(words, "; the number of workers is back to %u, from %u", s->want,
			    wanted);
	return 0;
}

/* --- guests: what worker-shim --join asks for ----------------------------------------------- */

void control_join(struct client *c, struct service *s)
{
	bool pinned_only = request_has(&c->request, "--pinned-only");
	struct handoff_joined msg = { .n_ports = 0 };
	STRBUF(error, 512);
	struct worker *w;
	int r;

	if (!c->wire) {
		client_error(
			c, "bad-request",
			"join turns the requesting process into a worker: use worker-shim --join");
		return;
	}
	r = guest_join(s, c->stream.fd, pinned_only, &w, &error);
	if (r < 0) {
		client_error(c, r == -EBUSY ? "refused" : "failed", "%s", error.text);
		return;
	}
	handoff_header_init(&msg.h, HANDOFF_JOINED);
	guest_places(s, &msg);
	msg.generation = w->generation;
	memcpy(msg.token, w->token, sizeof(msg.token));
	strcpy(msg.service, service_name(s));
	strcpy(msg.worker, w->name);
	strcpy(msg.rendezvous, client_broker(c)->launch.rendezvous);
	strbuf_add_bytes(&c->stream.out, &msg, sizeof(msg));
	client_answered(c);
}

/* --- pins: connections that are led past the round ---------------------------------------- */

static void pin(struct client *c, const struct worker *w, struct pin *p)
{
	STRBUF(error, 512);

	memcpy(p->worker, w->name, sizeof(w->name));
	if (service_pin(service_of(w), p, &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else
		client_end(c);
}

void control_pin(struct client *c, struct worker *w)
{
	const struct request_value *time = request_option(&c->request, "--for");
	struct pin p = { .kind = PIN_BY_HAND };
	STRBUF(error, 512);

	if (time->text)
		p.expires_ms = loop_now(&client_broker(c)->loop) + time->number;
	if (pin_source_parse(client_argument(c), &p.source, &error) < 0)
		client_error(c, "bad-request", "%s", error.text);
	else
		pin(c, w, &p);
}

void control_next(struct client *c, struct worker *w)
{
	pin(c, w, &(struct pin){ .kind = PIN_NEXT });
}

/* Names the pins that fit, but belong to a debugging session. */
static void add_left_alone(const struct service *s, const struct pin_filter *which,
			   struct strbuf *out)
{
	for (size_t i = 0; i < s->dispatch.pins.n; i++) {
		const struct pin *p = &s->dispatch.pins.pin[i];

		if (p->kind != PIN_DEBUG || !pin_fits(p, which->source, which->worker))
			continue;
		strbuf_addf(out, "%sthe pin of %s to %s stays until its debugging session ends",
			    out->len ? "; " : "", pin_source_text(&p->source).text, p->worker);
	}
}

/* Suggests a worker that has a pin, unless @what is the name of a worker. */
static void refuse_unpin(struct client *c, const char *what)
{
	const char *near = NULL;
	bool is_worker = false;

	list_for_each (const struct service, s, &client_broker(c)->services, link) {
		for (size_t i = 0; i < s->dispatch.pins.n; i++)
			near = names_nearer(what, near, s->dispatch.pins.pin[i].worker);
		list_for_each (const struct worker, w, &s->workers, link)
			is_worker = is_worker || !strcmp(w->name, what);
	}
	if (near && !is_worker)
		client_error(c, "refused", "there is no pin of %s; did you mean %s?", what, near);
	else
		client_error(c, "refused", "there is no pin of %s; `pins` shows all", what);
}

void control_unpin(struct client *c)
{
	const char *what = client_argument(c);
	struct pin_source source;
	struct pin_filter which = { 0 };
	STRBUF(left, 512);
	STRBUF(error, 512);
	/* No worker's name is a source, but it may begin like one: 3d.0. */
	bool looks_like_source = strpbrk(what, ":/") || !what[strspn(what, "0123456789.")];
	unsigned n = 0;

	if (pin_source_parse(what, &source, &error) == 0)
		which.source = &source;
	else if (strcmp(what, "all") != 0)
		which.worker = what;
	list_for_each (struct service, s, &client_broker(c)->services, link) {
		n += service_unpin(s, &which, "taken off");
		add_left_alone(s, &which, &left);
	}
	if (left.len && n > 0)
		client_end_saying(c, "unpinned: %s; but %s", what, left.text);
	else if (left.len)
		client_error(c, "refused", "%s", left.text);
	else if (n > 0 || !strcmp(what, "all"))
		client_end(c);
	else if (!which.source && looks_like_source)
		client_error(c, "bad-request", "%s", error.text);
	else
		refuse_unpin(c, what);
}

void control_pause(struct client *c, struct service *s)
{
	service_pause(s);
	client_end(c);
}

/* --- upgrade ------------------------------------------------------------------------- */

static void upgrade_keep(struct task *t, struct strbuf *out)
{
	(void)t;
	kept_add_text(out, KEPT_UPGRADE, "waits", sizeof("waits"));
}

static const struct task_ops upgrade_ops = { .keep = upgrade_keep };

int upgrade_resume(struct client *c)
{
	return client_begin(c, sizeof(struct task), &upgrade_ops) ? 0 : -ENOMEM;
}

void control_upgrade(struct client *c)
{
	STRBUF(error, 1024);

	if (c->control->upgrade(c->control, client_argument(c), &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else
		(void)upgrade_resume(c);
}

void control_upgraded(struct control *ctl, bool good, const char *words)
{
	list_for_each_safe (struct client, c, tmp, &ctl->clients, link) {
		if (!c->task || c->task->ops != &upgrade_ops)
			continue;
		if (good)
			client_end_saying(c, "%s", words);
		else
			client_error(c, "refused", "%s", words);
	}
}
