#include "debug.h"

#include <errno.h>
#include <string.h>
#include "service/pin.h"
#include "service/questions.h"
#include "worker/hold.h"
#include "worker/words.h"

int debug_begin(struct worker *w, const struct pin_source *from, struct strbuf *error)
{
	struct pin pin = { .kind = PIN_DEBUG, .generation = w->generation };
	int r = 0;

	if (w->held & HELD_BY_DEBUG) {
		strbuf_addf(error, "%s is already being debugged", w->name);
		return -EBUSY;
	}
	if (from && pins_find(&service_of(w)->dispatch.pins, PIN_DEBUG, from)) {
		strbuf_add(error, "another worker is already being debugged with that source");
		return -EBUSY;
	}
	/* First the pin: what waits there and has it need not leave. */
	if (from) {
		pin.source = *from;
		memcpy(pin.worker, w->name, sizeof(w->name));
		r = service_pin(service_of(w), &pin, error);
	}
	if (r == 0)
		worker_hold(w, HELD_BY_DEBUG);
	return r;
}

void debug_end(struct worker *w)
{
	service_unpin_generation(w, "the debugger is done");
	worker_unhold(w, HELD_BY_DEBUG);
}

/* --- what becomes of it meanwhile ------------------------------------------------------ */

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

/* The source whose connections its debugger wants, if it has named one. */
static bool find_source(const struct worker *w, struct strbuf *out)
{
	const struct pins *pins = &service_of(w)->dispatch.pins;

	for (size_t i = 0; i < pins->n; i++)
		if (pins->pin[i].kind == PIN_DEBUG &&
		    pin_names(&pins->pin[i], w->name, w->generation)) {
			strbuf_add(out, pin_source_text(&pins->pin[i].source).text);
			return true;
		}
	return false;
}

void debug_add_change(const struct worker *w, enum worker_state from, enum worker_event ev,
		      struct strbuf *out)
{
	bool was = worker_state_is_current(from), is = worker_state_is_current(w->state);
	bool dead = w->state == WORKER_DEAD;
	STRBUF(source, 64);

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
	if (was != is && find_source(w, &source) && !service_leaves(service_of(w)))
		strbuf_addf(out, "; connections of %s go %s again", source.text,
			    is ? "to it" : "round");
	if (was && !dead && w->pid)
		strbuf_add(out, "; this process is left to you until the debugger ends");
}
