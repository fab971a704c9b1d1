/*
 * The commands that take workers out of the round, and lead connections past it: hold, release,
 * debug, pin, next, unpin, pins.
 */
#include <string.h>
#include "base/json.h"
#include "base/nearest.h"
#include "control/client.h"
#include "report/status.h"
#include "service/debug.h"
#include "service/pin.h"
#include "service/questions.h"
#include "worker/hold.h"
#include "worker/processes.h"

/* --- held by hand -------------------------------------------------------------------- */

/* One that leaves or ends gets no connections anyway. */
static struct worker *find_current(struct client *c, const char *what)
{
	struct worker *w = client_find_worker(c, c->request.arguments[0].text);

	if (!w || worker_state_is_current(w->state))
		return w;
	client_error(c, "refused", "%s is %s: there is nothing to %s", w->name,
		     worker_state_name(w->state), what);
	return NULL;
}

/* Nothing forbids to take the last one out, but it is seldom what was meant. */
static void end_held(struct client *c, const struct worker *w)
{
	if (service_has_round(service_of(w)))
		client_end(c);
	else
		client_end_saying(c,
				  "%s is held, and was the last: until a worker of %s is released "
				  "its clients wait",
				  w->name, service_name(service_of(w)));
}

void control_hold(struct client *c)
{
	struct worker *w = find_current(c, "hold");

	if (!w)
		return;
	worker_hold(w, HELD_BY_HAND);
	end_held(c, w);
}

void control_release(struct client *c)
{
	struct worker *w = find_current(c, "release");

	if (!w)
		return;
	if (w->held & HELD_BY_HAND) {
		worker_unhold(w, HELD_BY_HAND);
		if (w->held)
			client_end_saying(c, "%s is not held by hand any more, but %s", w->name,
					  w->held & HELD_BY_DEBUG ? "for a debugger"
								  : "its process is stopped");
		else
			client_end(c);
	} else if (w->held & HELD_BY_DEBUG) {
		client_error(c, "refused",
			     "%s is held for a debugger; it is released when that ends", w->name);
	} else if (w->held & HELD_BY_STOP) {
		client_error(c, "refused",
			     "%s is out of the round because its process is stopped; it returns "
			     "when that runs again (kill -CONT %d)",
			     w->name, (int)w->pid);
	} else {
		client_error(c, "refused", "%s is not held", w->name);
	}
}

/* --- a debugging session ------------------------------------------------------------- */

static void write_debug(const struct worker *w, struct buf *out)
{
	struct pid_set all = { 0 };

	json_begin(out);
	json_str(out, "type", "debug");
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
	pid_set_deinit(&all);
}

void control_debug(struct client *c)
{
	const char *from = request_option(&c->request, "--from")->text;
	struct worker *w = find_current(c, "debug");
	struct pin_source source;
	STRBUF(error, 512);

	if (!w)
		return;
	if (!w->pid) {
		client_error(c, "refused", "the main process of %s has ended", w->name);
		return;
	}
	if (from && pin_source_parse(from, &source, &error) < 0) {
		client_error(c, "bad-request", "%s", error.text);
		return;
	}
	if (debug_begin(w, from ? &source : NULL, &error) < 0) {
		client_error(c, "refused", "%s", error.text);
		return;
	}
	c->debugged = w->id;
	write_debug(w, &c->stream.out);
	/* No further request is read: the end of this connection is the end of the session. */
	end_held(c, w);
}

void control_tell_debugger(struct control *ctl, const struct worker *w, enum worker_state from,
			   enum worker_event ev)
{
	STRBUF(words, 512);
	struct client *c;

	debug_add_change(w, from, ev, &words);
	if (!words.len)
		return;
	list_for_each (c, &ctl->clients, link) {
		struct buf *out = &c->stream.out;

		if (c->debugged != w->id)
			continue;
		json_begin(out);
		json_str(out, "type", "debugged");
		json_str(out, "worker", w->name);
		json_int(out, "pid", w->pid ? w->pid : w->main_was);
		json_uint(out, "generation", w->generation);
		json_str(out, "state", worker_state_name(w->state));
		json_str(out, "message", words.text);
		json_end(out);
		stream_flush(&c->stream);
	}
}

void control_let_go(struct client *c)
{
	struct service *s;
	struct worker *w, *tmp;

	if (!c->debugged)
		return;
	list_for_each (s, &c->master->broker.services, link)
		list_for_each_safe (w, tmp, &s->workers, link)
			if (w->id == c->debugged) {
				c->debugged = 0;
				debug_end(w);
				return;
			}
}

/* --- pins ---------------------------------------------------------------------------- */

static void pin(struct client *c, const struct worker *w, const struct pin *pin)
{
	STRBUF(error, 512);

	if (service_pin(service_of(w), pin, &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else
		client_end(c);
}

void control_pin(struct client *c)
{
	const struct request_value *lasts = request_option(&c->request, "--for");
	struct worker *w = client_find_worker(c, c->request.arguments[1].text);
	struct pin p = { .kind = PIN_BY_HAND };
	STRBUF(error, 512);

	if (!w)
		return;
	if (pin_source_parse(c->request.arguments[0].text, &p.source, &error) < 0) {
		client_error(c, "bad-request", "%s", error.text);
		return;
	}
	memcpy(p.worker, w->name, sizeof(w->name));
	if (lasts->text)
		p.expires_ms = loop_now(&c->master->broker.loop) + lasts->number;
	pin(c, w, &p);
}

void control_next(struct client *c)
{
	struct worker *w = client_find_worker(c, c->request.arguments[0].text);
	struct pin p = { .kind = PIN_NEXT };

	if (!w)
		return;
	memcpy(p.worker, w->name, sizeof(w->name));
	pin(c, w, &p);
}

static unsigned unpin(struct service *s, const char *what, const struct pin_source *source)
{
	if (source)
		return service_unpin_source(s, source);
	if (!strcmp(what, "all"))
		return service_unpin_all(s);
	return service_unpin_worker(s, what);
}

/* Those that would have gone, but belong to somebody who sits in front of a debugger. */
static void add_left_alone(const struct service *s, const char *what,
			   const struct pin_source *source, struct strbuf *out)
{
	for (size_t i = 0; i < s->dispatch.pins.n; i++) {
		const struct pin *p = &s->dispatch.pins.pin[i];
		STRBUF(text, 64);

		if (p->kind != PIN_DEBUG)
			continue;
		if (source ? !pin_source_equal(&p->source, source)
			   : strcmp(what, "all") != 0 && strcmp(what, p->worker) != 0)
			continue;
		pin_source_format(&p->source, &text);
		strbuf_addf(out, "%sthe pin of %s to %s stays until its debugging session ends",
			    out->len ? "; " : "", text.text, p->worker);
	}
}

/* The worker with a pin that may have been meant, unless @what is the name of one. */
static const char *find_nearest_pinned(const struct client *c, const char *what)
{
	const struct service *s;
	const struct worker *w;

	list_for_each (s, &c->master->broker.services, link)
		list_for_each (w, &s->workers, link)
			if (!strcmp(w->name, what))
				return NULL;
	list_for_each (s, &c->master->broker.services, link) {
		const char *names[PINS_MAX], *near;

		for (size_t i = 0; i < s->dispatch.pins.n; i++)
			names[i] = s->dispatch.pins.pin[i].worker;
		near = nearest(what, names, s->dispatch.pins.n);
		if (near)
			return near;
	}
	return NULL;
}

static void refuse_unpin(struct client *c, const char *what)
{
	const char *near = find_nearest_pinned(c, what);

	if (near)
		client_error(c, "refused", "there is no pin of %s; did you mean %s?", what, near);
	else
		client_error(c, "refused", "there is no pin of %s; `pins` shows all", what);
}

void control_unpin(struct client *c)
{
	const char *what = c->request.arguments[0].text;
	struct pin_source source;
	STRBUF(left, 512);
	STRBUF(error, 512);
	/* No worker's name is a source, but it may begin like one: 3d.0. */
	bool is_source = pin_source_parse(what, &source, &error) == 0;
	bool looks_like_source = strpbrk(what, ":/") || !what[strspn(what, "0123456789.")];
	struct service *s;
	unsigned n = 0;

	list_for_each (s, &c->master->broker.services, link) {
		n += unpin(s, what, is_source ? &source : NULL);
		add_left_alone(s, what, is_source ? &source : NULL, &left);
	}
	if (left.len && n > 0)
		client_end_saying(c, "unpinned: %s; but %s", what, left.text);
	else if (left.len)
		client_error(c, "refused", "%s", left.text);
	else if (n > 0 || !strcmp(what, "all"))
		client_end(c);
	else if (!is_source && looks_like_source)
		client_error(c, "bad-request", "%s", error.text);
	else
		refuse_unpin(c, what);
}

void control_pins(struct client *c)
{
	const struct service *s;

	list_for_each (s, &c->master->broker.services, link)
		status_write_pins(s, &c->stream.out);
	client_end(c);
}
