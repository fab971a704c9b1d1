#include "recycle.h"

#include <time.h>
#include "base/words.h"
#include "base/units.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "service/fill.h"
#include "service/roll.h"
#include "sys/log.h"
#include "worker/clock.h"
#include "worker/command.h"
#include "worker/step.h"
#include "worker/output.h"
#include "worker/processes.h"

/* After a replacement that did not come up: as long as a person may need to see to it. */
#define PAUSE_MS 60000
/* How often workers are looked at while they have limits. */
#define LOOK_MS 1000
/* A debugger that reads the symbols of a large program takes seconds, and the worker stands. */
#define COMMAND_MS  30000
#define SAY_EACH_MS 60000

/* As soon as it is its turn. Until then the caller sees to what it gets. */
static void ask(struct worker *w, enum recycle_reason reason)
{
	if (w->guest)
		return;
	w->recycle = reason;
	loop_timer_arm(worker_loop(w), &service_of(w)->recycle, 0);
}

/* --- hung ------------------------------------------------------------------------------- */

/* If all hang they may be waiting for the same thing: one that is held would not come back. */
static bool another_is_well(const struct worker *w)
{
	return list_find(const struct worker, other, &service_of(w)->workers, link,
			 other != w && other->state == WORKER_READY && !other->pinned_only &&
				 !taker_stalled_since(&other->taker));
}

static void do_stall_action(struct worker *w)
{
	enum conf_action action = w->terms->live->stall_action;

	if (action == ACTION_REPLACE)
		ask(w, RECYCLE_STALLED);
	else if (action == ACTION_HOLD && another_is_well(w))
		worker_hold(w, HELD_AS_HUNG);
	else if (action == ACTION_HOLD)
		log_event(LEVEL_WARN, "worker-held", LOG_WORKER(w),
			  LOG_MSG("stays in the round although it is hung: no other is well"));
}

static void command_wrote(struct helper *h, const char *bytes, size_t n)
{
	worker_output_feed(h->worker, bytes, n);
}

static void command_ended(struct helper *h, int status)
{
	struct worker *w = h->worker;
	STRBUF(output, LINES_TAIL + 1);

	worker_output_feed(w, "\n", w->lines.part.len > 0);
	strbuf_add_bytes(&output, w->lines.tail.text, w->lines.tail.len);
	log_event(LEVEL_INFO, "stall-command", LOG_WORKER(w),
		  LOG_INT("ms", loop_now(worker_loop(w)) - w->aside.started_ms),
		  LOG_STR("output", output.text),
		  LOG_MSG("%s",
			  status == HELPER_KILLED ? "took too long, and was killed" : "has ended"));
	/* It may have taken some meanwhile. */
	if (w->hung && w->state == WORKER_READY)
		do_stall_action(w);
}

void recycle_resume(struct worker *w)
{
	w->aside.wrote = command_wrote;
	w->aside.ended = command_ended;
}

/* What @command writes is output of @w, {pid} its main process. 0 or -errno with @error. */
static int run_command(struct worker *w, char *const *command, struct strbuf *error)
{
	char **words = NULL;
	int r = 0;
	STRBUF(pid, 16);

	strbuf_addf(&pid, "%d", (int)w->pid);
	for (; r == 0 && *command; command++) {
		STRBUF(word, 4096);

		strbuf_add_filled(&word, *command, "{pid}", pid.text);
		r = word.cut ? -E2BIG : strlist_append(&words, word.text);
	}
	w->lines.tail.len = 0;
	recycle_resume(w);
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
		if (run_command(w, command, &error) == 0)
			return;
		log_event(LEVEL_ERROR, "stall-command", LOG_WORKER(w),
			  LOG_MSG("cannot be run: %s", error.text));
	}
	do_stall_action(w);
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
		w->recycle = RECYCLE_NOT;
	if (said)
		log_event(LEVEL_INFO, "worker-released", LOG_WORKER(w),
			  LOG_MSG("takes connections again"));
	endpoint_wake(c->endpoint);
}

/* --- checks ----------------------------------------------------------------------------- */

static bool serves_unless_ill(const struct worker *w)
{
	return !w->guest &&
	       (w->state == WORKER_READY || (w->state == WORKER_HELD && w->held == HELD_BY_CHECK));
}

static void weigh(struct worker *w, bool may_leave)
{
	enum conf_action action = w->terms->live->check_action;
	bool ill = worker_is_ill(w);

	if (ill && may_leave && action != ACTION_LOG)
		worker_hold(w, HELD_BY_CHECK);
	else
		worker_unhold(w, HELD_BY_CHECK);
	if (ill && action == ACTION_REPLACE) {
		if (w->recycle == RECYCLE_NOT)
			ask(w, RECYCLE_UNHEALTHY);
	} else if (w->recycle == RECYCLE_UNHEALTHY) {
		w->recycle = RECYCLE_NOT;
	}
}

static void fail_if_new(struct worker *w)
{
	STRBUF(how, 192);

	if (!worker_is_ill(w) || !worker_state_is_current(w->state) ||
	    w->state == WORKER_STARTING || !worker_is_of_rollout(w))
		return;
	strbuf_addf(&how, "fails its check: %s", w->check.why);
	service_fail_rollout(w, how.text);
}

void service_weigh_checks(struct service *s)
{
	bool any_well, all_ill;

	list_for_each (struct worker, w, &s->workers, link)
		fail_if_new(w);
	any_well = list_find(struct worker, w, &s->workers, link,
			     serves_unless_ill(w) && !worker_is_ill(w));
	all_ill = !any_well && list_find(struct worker, w, &s->workers, link, serves_unless_ill(w));
	if (all_ill && !s->all_ill)
		log_event(LEVEL_ERROR, "worker-check-failed", LOG_SERVICE(s),
			  LOG_MSG("the checks of all workers fail: none is taken out of the round, "
				  "and they serve as well as they can"));
	s->all_ill = all_ill;
	list_for_each (struct worker, w, &s->workers, link)
		if (serves_unless_ill(w))
			weigh(w, any_well);
}

/* --- replaced --------------------------------------------------------------------------- */

static enum recycle_reason reason_for(struct worker *w)
{
	const struct service_conf *sc = w->terms->live;
	bool inetd = conf_forks(w->conf);
	const struct recycle_limits limits = {
		.connections = inetd ? sc->zygote_connections : sc->max_connections,
		.memory = sc->max_memory,
		.age_ms = inetd ? sc->zygote_age_ms : sc->max_age_ms,
	};
	struct recycle_limits so_far = {
		.connections = taker_taken(&w->taker),
		.age_ms = loop_now(worker_loop(w)) - w->started_ms,
	};

	if (w->recycle != RECYCLE_NOT)
		return w->recycle;
	if (w->started_ms < service_of(w)->restart_at_ms)
		return RECYCLE_TIME;
	if (limits.memory) {
		worker_look_at_processes(w);
		so_far.memory = w->found.rss_bytes;
	}
	return recycle_due(&limits, &so_far, w->id);
}

static void replace(struct worker *w, enum recycle_reason reason)
{
	static const struct {
		const char *word, *text; /* NULL: it has reached what the word says */
		const char *of_zygote;	 /* NULL: the same word */
	} texts[] = {
		[RECYCLE_STALLED] = { "stalled", "takes no connections", NULL },
		[RECYCLE_UNHEALTHY] = { "check", "fails its check", NULL },
		[RECYCLE_TIME] = { "restart_at", NULL, NULL },
		[RECYCLE_CONNECTIONS] = { "max_connections", NULL, "zygote_connections" },
		[RECYCLE_MEMORY] = { "max_memory", NULL, NULL },
		[RECYCLE_AGE] = { "max_age", NULL, "zygote_age" },
	};
	bool own = conf_forks(w->conf) && texts[reason].of_zygote;
	const char *word = own ? texts[reason].of_zygote : texts[reason].word;
	const char *text = texts[reason].text;
	STRBUF(error, 256);

	log_event(LEVEL_INFO, "recycle", LOG_WORKER(w), LOG_STR("reason", word),
		  LOG_MSG("%s%s, and is replaced", text ? text : "has reached its ",
			  text ? "" : word));
	if (service_restart_worker(w, &error) < 0)
		log_event(LEVEL_WARN, "recycle", LOG_WORKER(w), LOG_STR("reason", word),
			  LOG_MSG("cannot be replaced: %s", error.text));
}

/* Hung ones that are on their way out need memory: no more than one of each slot. */
static bool one_still_leaves(const struct worker *w)
{
	return w->recycle && list_find(const struct worker, other, &service_of(w)->workers, link,
				       other != w && other->slot == w->slot && other->recycle);
}

/* A bad one may be out of the round, but not because a person looks at it. */
static bool may_be_replaced(const struct worker *w)
{
	return (w->state == WORKER_READY || (w->state == WORKER_HELD && w->recycle)) &&
	       !(w->held & (HELD_BY_HAND | HELD_BY_STOP | HELD_BY_DEBUG)) && !one_still_leaves(w) &&
	       !worker_is_debugged(w);
}

/* Whether @w goes before @other: bad ones do, then the oldest. */
static bool goes_first(const struct worker *w, const struct worker *other)
{
	if (!w->recycle != !other->recycle)
		return w->recycle;
	return w->started_ms < other->started_ms;
}

/*
 * One at a time. The oldest first, as a small limit must not always be the first slot's turn. Those
 * that are well wait until all slots serve.
 */
static void look(struct service *s)
{
	enum recycle_reason reason = RECYCLE_NOT;
	bool all_serve = service_is_ready(s);
	struct worker *first = NULL;

	for (unsigned i = 0; i < s->want; i++) {
		struct worker *w = s->slots[i].current;
		enum recycle_reason due;

		if (!w || (first && !goes_first(w, first)) || !may_be_replaced(w))
			continue;
		due = reason_for(w);
		if (due != RECYCLE_NOT && (all_serve || w->recycle)) {
			first = w;
			reason = due;
		}
	}
	if (first)
		replace(first, reason);
}

static bool is_needed(const struct service *s)
{
	const struct service_conf *sc = s->terms.live;

	return conf_forks(sc) || sc->max_connections || sc->max_memory || sc->max_age_ms ||
	       sc->restart_at ||
	       list_find(const struct worker, w, &s->workers, link,
			 w->recycle &&worker_state_is_current(w->state));
}

/* restart_at: each worker that serves then has its turn, as soon as it can. */
static void look_at_clock(struct service *s)
{
	const char *text = s->terms.live->restart_at;
	struct daily_time now = { .unix_s = time(NULL) };
	struct tm tm;
	int at;

	if (!text || units_parse_clock(text, &at) != 0 || !localtime_r(&now.unix_s, &tm))
		return;
	now.day = tm.tm_year * 366 + tm.tm_yday;
	now.minute = tm.tm_hour * 60 + tm.tm_min;
	if (daily_is_due(&s->restart_at, now, at))
		s->restart_at_ms = loop_now(service_loop(s));
}

void service_recycle_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, recycle);
	bool last_failed = s->roll_kind == ROLL_RESTART && s->abort_reason[0];
	STRBUF(unused, 256);

	if (!is_needed(s))
		return;
	look_at_clock(s);
	if (service_check_steering(s, &unused) == 0 &&
	    (!last_failed || loop_now(service_loop(s)) - s->rollout_began_ms >= PAUSE_MS))
		look(s);
	loop_timer_arm(service_loop(s), timer, LOOK_MS);
}
