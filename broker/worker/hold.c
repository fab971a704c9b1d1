#include "hold.h"

#include "dispatch/channel.h"
#include "sys/log.h"
#include "worker/clock.h"
#include "worker/step.h"

struct hold {
	unsigned by;
	const char *word, *reason, *until;
};

/* The first that holds is told. */
static const struct hold *hold_of(unsigned held)
{
	static const struct hold holds[] = {
		{ HELD_BY_HAND, "hand", "held by hand", "is released" },
		{ HELD_BY_DEBUG, "debug", "held for a debugger", "is released" },
		{ HELD_AS_HUNG, "hung", "hung", "is released" },
		{ HELD_BY_CHECK, "check", "its check fails", "passes" },
		{ HELD_BY_STOP, "stop", "its process is stopped", "runs again" },
	};
	const struct hold *h = holds;

	while (!(h->by & held))
		h++;
	return h;
}

void worker_hold(struct worker *w, enum worker_hold by)
{
	const struct hold *h = hold_of(by);
	STRBUF(tracer_text, 64);
	pid_t tracer;

	if (w->held & by)
		return;
	tracer = by == HELD_BY_STOP ? worker_tracer(w) : 0;
	tracer_add_words(tracer, &tracer_text);
	w->held |= by;
	log_event(by == HELD_BY_STOP || by == HELD_BY_CHECK ? LEVEL_WARN : LEVEL_INFO,
		  "worker-held", LOG_WORKER(w), LOG_STR("by", h->word), LOG_INT("tracer", tracer),
		  LOG_MSG("%s%s: gets no connections until it %s", h->reason, tracer_text.text,
			  h->until));
	worker_event(w, EV_HOLD);
	/* A worker that is held already takes no step, and yet the watch must see when it runs. */
	broker_watch(w->terms->broker);
}

void worker_unhold(struct worker *w, enum worker_hold by)
{
	const struct hold *h = hold_of(by);
	const char *what = by == HELD_BY_STOP ? "its process runs again" : "released";

	if (!(w->held & by))
		return;
	w->held &= ~(unsigned)by;
	w->hung = w->held & HELD_AS_HUNG;
	if (w->held) {
		h = hold_of(w->held);
		log_event(LEVEL_INFO, "worker-held", LOG_WORKER(w), LOG_STR("by", h->word),
			  LOG_MSG("%s; still out of the round: %s", what, h->reason));
		return;
	}
	log_event(LEVEL_INFO, "worker-released", LOG_WORKER(w), LOG_STR("by", h->word),
		  LOG_MSG("%s%s", what, w->state == WORKER_HELD ? ": gets connections again" : ""));
	worker_event(w, EV_RELEASE);
}

void worker_note_stopped(struct worker *w, bool stopped)
{
	if (!stopped)
		worker_unhold(w, HELD_BY_STOP);
	else if (w->state == WORKER_READY || w->state == WORKER_HELD)
		worker_hold(w, HELD_BY_STOP);
}

void worker_look_if_stopped(struct worker *w)
{
	struct channel *c;

	/* Also while it is held for a debugger: does it stand at a prompt, or run? */
	if ((w->state == WORKER_READY || w->state == WORKER_HELD) &&
	    list_find(c, &w->taker.channels, link, channel_is_stopped(c, false)))
		worker_hold(w, HELD_BY_STOP);
}
