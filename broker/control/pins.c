#include "pins.h"

#include <string.h>
#include "control/control.h"
#include "control/names.h"
#include "report/status.h"
#include "service/pin.h"

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
	const struct service *s;
	const struct worker *w;
	bool is_worker = false;

	list_for_each (s, &client_broker(c)->services, link) {
		for (size_t i = 0; i < s->dispatch.pins.n; i++)
			near = names_nearer(what, near, s->dispatch.pins.pin[i].worker);
		list_for_each (w, &s->workers, link)
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
	struct service *s;
	unsigned n = 0;

	if (pin_source_parse(what, &source, &error) == 0)
		which.source = &source;
	else if (strcmp(what, "all") != 0)
		which.worker = what;
	list_for_each (s, &client_broker(c)->services, link) {
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

void control_pins(struct client *c)
{
	const struct service *s;

	list_for_each (s, &client_broker(c)->services, link)
		status_write_pins(s, &c->stream.out);
	client_end(c);
}
