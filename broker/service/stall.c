#include "stall.h"

#include <errno.h>
#include "base/strlist.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/taker.h"
#include "service/recycle.h"
#include "sys/log.h"
#include "worker/clock.h"
#include "worker/command.h"
#include "worker/hold.h"
#include "worker/output.h"

/* A debugger that reads the symbols of a large program takes seconds, and the worker stands. */
#define COMMAND_MS  30000
#define SAY_EACH_MS 60000

/* --- hung ------------------------------------------------------------------------------- */

/* If all hang they may be waiting for the same thing: one that is held would not come back. */
static bool another_is_well(const struct worker *w)
{
	const struct worker *other;

	return list_find(other, &service_of(w)->workers, link,
			 other != w && other->state == WORKER_READY && !other->pinned_only &&
				 !taker_stalled_since(&other->taker));
}

static void act(struct worker *w)
{
	switch (w->terms->live->stall_action) {
	case ACTION_LOG:
		return;
	case ACTION_HOLD:
		if (another_is_well(w))
			worker_hold(w, HELD_AS_HUNG);
		else
			log_event(LEVEL_WARN, "worker-held", LOG_WORKER(w),
				  LOG_MSG("stays in the round although it is hung: no other is "
					  "well"));
		return;
	case ACTION_REPLACE:
		recycle_ask(w, RECYCLE_STALLED);
		return;
	}
}

static void command_ended(struct worker *w, int status)
{
	STRBUF(output, LINES_TAIL + 1);

	worker_output_feed(w, "\n", w->lines.n > 0);
	strbuf_add_bytes(&output, w->lines.tail, w->lines.n_tail);
	log_event(LEVEL_INFO, "stall-command", LOG_WORKER(w),
		  LOG_INT("ms", loop_now(worker_loop(w)) - w->aside.started_ms),
		  LOG_STR("output", output.text),
		  LOG_MSG("%s",
			  status == HELPER_KILLED ? "took too long, and was killed" : "has ended"));
	/* It may have taken some meanwhile. */
	if (w->hung && w->state == WORKER_READY)
		act(w);
}

/* What @command writes is output of @w, {pid} its main process. 0 or -errno with @error. */
static int run(struct worker *w, char *const *command, struct strbuf *error)
{
	char **words = NULL;
	int r = strlist_init(&words);
	STRBUF(pid, 16);

	strbuf_addf(&pid, "%d", (int)w->pid);
	for (; r == 0 && *command; command++) {
		STRBUF(word, 4096);

		strbuf_add_filled(&word, *command, "{pid}", pid.text);
		r = word.cut ? -E2BIG : strlist_append(&words, word.text);
	}
	w->lines.n_tail = 0;
	w->aside.wrote = worker_output_feed;
	w->aside.ended = command_ended;
	r = r < 0 ? strbuf_fail(error, r, "%m") : helper_start(&w->aside, words, COMMAND_MS, error);
	strlist_free(words);
	return r;
}

static void hung(struct worker *w, int64_t stalled_ms)
{
	char *const *command = w->terms->live->stall_command;
	STRBUF(error, 256);

	w->hung = true;
	log_event(LEVEL_ERROR, "hung", LOG_WORKER(w), LOG_INT("ms", stalled_ms),
		  LOG_MSG("has taken no connection for %lld ms, though some wait",
			  (long long)stalled_ms));
	if (command && w->pid && !w->aside.pid) {
		if (run(w, command, &error) == 0)
			return;
		log_event(LEVEL_ERROR, "stall-command", LOG_WORKER(w),
			  LOG_MSG("cannot be run: %s", error.text));
	}
	act(w);
}

static void look_if_hung(const struct channel *c, int64_t now)
{
	struct worker *w = worker_of(c);
	int64_t stalled_ms = now - c->stalled_since_ms;

	if (!w->hung && w->state == WORKER_READY &&
	    recycle_is_hung(w->terms->live->stall_action_after_ms, stalled_ms, now - c->moved_ms,
			    c->n_untaken) &&
	    !worker_is_debugged(w))
		hung(w, stalled_ms);
}

/* --- stalled ---------------------------------------------------------------------------- */

/* Where all are busy, each long request is a stall: that is not worth a line each. */
static void say_stalled(const struct channel *c, bool others, int64_t now)
{
	struct worker *w = worker_of(c);

	if (!others && w->stall_said_ms && now - w->stall_said_ms < SAY_EACH_MS)
		return;
	w->stall_said_ms = now;
	log_event(LEVEL_WARN, "stalled", LOG_WORKER(w), LOG_INT("waiting", channel_waiting(c)),
		  LOG_MSG("has taken no connection for %lld ms while %s: it is busy, or stuck",
			  (long long)(now - c->moved_ms),
			  others ? "others have room" : "some wait"));
}

/*
 * Nothing that waits stays with a worker that does not take it while another could. The
 * worker may be busy with one long request and be fine afterwards: so it stays in the
 * round for one connection at a time, at growing distances, until it takes one.
 */
void stall_seen(struct channel *c, bool others, int64_t now)
{
	if (!c->stalled_since_ms) {
		c->stalled_since_ms = c->moved_ms;
		say_stalled(c, others, now);
	}
	if (others) {
		channel_shun(c);
		if (endpoint_take_back(c, "the worker takes none"))
			endpoint_wake(c->endpoint);
	}
	look_if_hung(c, now);
}

void stall_over(struct channel *c)
{
	struct worker *w = worker_of(c);
	bool said = w->stall_said_ms >= c->stalled_since_ms;

	channel_trust(c);
	w->hung = false;
	if (w->recycle == RECYCLE_STALLED)
		recycle_ask(w, RECYCLE_NOT);
	if (said)
		log_event(LEVEL_INFO, "worker-released", LOG_WORKER(w),
			  LOG_MSG("takes connections again"));
	endpoint_wake(c->endpoint);
}
