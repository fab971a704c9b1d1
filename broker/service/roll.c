#include "roll.h"

#include <stdio.h>
#include "config/option.h"
#include "dispatch/channel.h"
#include "service/fill.h"
#include "service/in_force.h"
#include "service/listeners.h"
#include "service/open.h"
#include "sys/log.h"
#include "worker/start.h"
#include "worker/step.h"

/* How often a worker is looked at that is stalled when the probation ends. */
#define PROBATION_LOOK_MS 100

/* --- announced ------------------------------------------------------------------------- */

static void announce_begin(const struct service *s, const struct worker *w)
{
	const char *how = s->rollout.strategy == STRATEGY_START_FIRST
				  ? "each new one ready before an old one leaves"
				  : "each old worker ends before its new one starts";
	STRBUF(what, 64);

	notice(s->broker, rollout, s, ROLL_BEGIN, w);
	if (w)
		strbuf_add(&what, "it alone");
	else
		strbuf_addf(&what, "%u worker%s", s->want, s->want == 1 ? "" : "s");
	if (s->target->wait)
		how = "when the next client comes";
	log_event(LEVEL_INFO, "reload-begin", LOG_SERVICE(s), LOG_STR("worker", w ? w->name : NULL),
		  LOG_STR("kind", roll_kind_name(s->roll_kind)),
		  LOG_INT("generation", s->target_generation), LOG_INT("workers", s->want),
		  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.of),
		  LOG_MSG("replacing %s, %s", what.text, how));
}

void service_announce(const struct service *s, enum roll_phase phase, const struct worker *w)
{
	STRBUF(what, 128);

	notice(s->broker, rollout, s, phase, w);
	if (w)
		strbuf_addf(&what, "%s: %zu of %zu done",
			    phase == ROLL_START	  ? "its new worker starts"
			    : phase == ROLL_READY ? "its new worker serves"
						  : "its old worker leaves",
			    s->rollout.done, s->rollout.of);
	else
		strbuf_addf(&what,
			    "all workers are new; the old ones are kept for another %lld ms, in "
			    "case a new one fails",
			    (long long)s->target->probation_ms);
	log_event(LEVEL_INFO, "reload-step", LOG_SERVICE(s), LOG_STR("worker", w ? w->name : NULL),
		  LOG_INT("generation", s->target_generation),
		  LOG_STR("phase", roll_phase_names[phase]), LOG_INT("done", s->rollout.done),
		  LOG_INT("of", s->rollout.of), LOG_MSG("%s", what.text));
}

static void announce_done(const struct service *s)
{
	notice(s->broker, rollout, s, ROLL_DONE, NULL);
	log_event(LEVEL_INFO, "reload-done", LOG_SERVICE(s),
		  LOG_STR("kind", roll_kind_name(s->roll_kind)),
		  LOG_INT("generation", s->target_generation), LOG_INT("done", s->rollout.done),
		  LOG_INT("of", s->rollout.of),
		  LOG_INT("ms", loop_now(service_loop(s)) - s->rollout_began_ms),
		  LOG_MSG("%s", s->target->wait ? "the next client starts a new worker"
				: s->roll_kind == ROLL_RESTART ? "the worker is new"
							       : "all workers are new"));
}

static void announce_aborted(const struct service *s)
{
	const char *kind = roll_kind_name(s->roll_kind);
	bool leaves = service_leaves(s);
	STRBUF(rest, 64);

	notice(s->broker, rollout, s, ROLL_ABORTED, NULL);
	if (s->restored)
		strbuf_addf(&rest, ", %u %s put back", s->restored,
			    s->restored == 1 ? "was" : "were");
	else if (!leaves)
		strbuf_add(&rest, ", the others go on as they are");
	/* With the whole service, by somebody's wish: nothing is wrong. */
	log_event(leaves ? LEVEL_WARN : LEVEL_ERROR, "reload-aborted", LOG_SERVICE(s),
		  LOG_STR("kind", kind), LOG_INT("generation", s->target_generation),
		  LOG_INT("replaced", s->rollout.done), LOG_INT("done", s->rollout.done),
		  LOG_INT("of", s->rollout.of), LOG_STR("reason", s->abort_reason),
		  LOG_STR("output", s->abort_output), LOG_INT("restored", s->restored),
		  LOG_MSG("%s aborted: %s; %zu of %zu workers were replaced%s", kind,
			  s->abort_reason, s->rollout.done, s->rollout.of, rest.text));
}

/* --- proven -------------------------------------------------------------------------------- */

static bool was_given(const struct worker *w)
{
	return list_find(const struct channel, c, &w->taker.channels, link, c->sent);
}

/* No client has come since the rollout began, or none that was given to @w. */
static bool cannot_be_proven(const struct worker *w, int64_t now)
{
	const struct service *s = service_of(w);

	return !was_given(w) && (s->dispatch.ledger.accepted == s->accepted_before ||
				 now - w->ready_ms >= w->conf->proof_wait_ms);
}

bool proof_is_awaited(const struct worker *w)
{
	const struct service *s = service_of(w);

	return worker_is_of_rollout(w) && !w->guest &&
	       s->rollout.slots[w->slot].phase == ROLLOUT_PROVING;
}

/* With many workers and few clients its turn may be far away. */
static void hurry(struct worker *w)
{
	list_for_each (struct channel, c, &w->taker.channels, link)
		if (channel_is_in_round(c) && !c->sent)
			c->endpoint->round.early = &c->member;
}

bool proof_look(struct worker *w, int64_t now)
{
	w->proven = w->proven || taker_taken(&w->taker) > 0;
	if (!proof_is_awaited(w))
		return false;
	if (w->proven || cannot_be_proven(w, now)) {
		rollout_new_proven(&service_of(w)->rollout, w->slot);
	} else if (was_given(w) && now - w->started_ms >= w->conf->start_timeout_ms) {
		service_fail_rollout(w,
				     "listens, but has taken no connection within start_timeout");
	} else {
		if (now > w->ready_ms)
			hurry(w);
		return true;
	}
	service_settle_soon(service_of(w));
	return false;
}

/* A worker may be busy for a while: only one that stays stalled for start_timeout has failed. */
void service_probation_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, probation);
	int64_t now = loop_now(service_loop(s));
	bool wait = false;

	list_for_each (struct worker, w, &s->workers, link) {
		const struct channel *c;

		if (w->rollout_number != s->rollout_number)
			continue;
		wait |= !w->held && !worker_is_ill(w) && w->check.health.failed;
		/* It takes nothing, though others do. */
		c = list_find(struct channel, it, &w->taker.channels, link, it->shunned);
		wait |= c != NULL;
		if (c && now - c->stalled_since_ms >= w->conf->start_timeout_ms)
			service_fail_rollout(w, "takes no connections while others do");
	}
	if (wait && !s->rollout.failed) {
		loop_timer_arm(service_loop(s), &s->probation, PROBATION_LOOK_MS);
		return;
	}
	rollout_passed(&s->rollout);
	service_settle_soon(s);
}

/* All workers are new. The rollout is passed at once if nobody could come back. */
static void begin_probation(struct service *s)
{
	if (s->roll_kind != ROLL_RELOAD || s->target->probation_ms == 0 ||
	    !service_any_may_return(s)) {
		rollout_passed(&s->rollout);
		return;
	}
	loop_timer_arm(service_loop(s), &s->probation, s->target->probation_ms);
	service_announce(s, ROLL_PROBATION, NULL);
}

/* --- performed ------------------------------------------------------------------------- */

/* A reload replaces it, and may be undone. */
static void retire_old(struct worker *w)
{
	struct service *s = service_of(w);

	w->replaced_by = s->roll_kind == ROLL_RELOAD ? s->target_generation : 0;
	worker_retire(w, EV_RETIRE);
}

/* What both kinds have in common. @conf is the service's from now on. */
static void prepare(struct service *s, enum roll_kind kind, struct service_conf *conf,
		    unsigned generation)
{
	s->target = conf;
	s->target_generation = generation;
	s->roll_kind = kind;
	s->rollout_number++;
	s->want_before = s->want;
	s->accepted_before = s->dispatch.ledger.accepted;
	s->restored = 0;
	s->rollout_began_ms = loop_now(service_loop(s));
	s->abort_reason[0] = s->abort_output[0] = '\0';
}

/* Whoever changes the command or the `listen` lines may mean other addresses. */
static bool means_other_addresses(const struct service_conf *a, const struct service_conf *b)
{
	static const char *const keys[] = { "command", "environment", "listen" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!option_equal(option_find(OPTION_SERVICE, keys[i]), a, b))
			return true;
	return false;
}

static void begin(struct service *s, struct service_conf *conf)
{
	bool has_old[ROLLOUT_MAX] = { false };

	prepare(s, ROLL_RELOAD, conf, ++s->last_generation);
	s->want = conf->workers;
	s->fewer_ports |= means_other_addresses(s->conf, conf);
	s->dispatch.paused = s->closing = false;
	/* Those that drain had stayed in the round, as there was to be nobody else. */
	list_for_each (struct worker, w, &s->workers, link)
		if (w->state == WORKER_DRAINING)
			worker_leave_round(w, "the service was started again");
	backoff_reset(&s->backoff);
	s->busy.family = 0; /* it may ask for another address now */
	service_keep_for_rollback(s, conf);
	service_rearm(s);
	for (unsigned i = 0; i < ROLLOUT_MAX; i++) {
		struct worker *w = s->slots[i].current;

		if (w && (i >= s->want || w->state == WORKER_STARTING || conf->wait))
			retire_old(w);
		has_old[i] = conf->strategy == STRATEGY_STOP_FIRST ? service_slot_has_process(s, i)
								   : s->slots[i].current != NULL;
	}
	/* The next client starts the first new one. */
	rollout_begin(&s->rollout, conf->strategy, conf->surge, 0, conf->wait ? 0 : s->want,
		      has_old);
	announce_begin(s, NULL);
}

/* The new configuration is in force for all that follows. */
static void take_over(struct service *s)
{
	struct service_conf *conf = s->target;

	announce_done(s);
	s->target = NULL;
	if (s->roll_kind == ROLL_RELOAD) {
		s->reloads_done++;
		histogram_add(&s->measured.reloads,
			      (uint64_t)(loop_now(service_loop(s)) - s->rollout_began_ms) *
				      NSEC_PER_MSEC);
		service_put_in_force(s, conf, s->target_generation);
		publish_done(s);
		service_open_window(s);
	} else {
		service_conf_unref(conf);
	}
	service_close_unused(s);
	service_settle_soon(s);
}

/* It ends for s->abort_reason, and what was in force stays so. */
static void end_aborted(struct service *s)
{
	loop_timer_disarm(&s->probation);
	s->reloads_aborted += s->roll_kind == ROLL_RELOAD;
	announce_aborted(s);
	service_conf_unref(s->target);
	s->target = NULL;
}

/* After an abort: whether @w does not serve yet, has an old one beside it, or is one too many. */
static bool is_undone(const struct worker *w)
{
	const struct service *s = service_of(w);
	const struct slot *slot = w->guest ? NULL : &s->slots[w->slot]; /* a guest has none */

	if (!slot || slot->current != w)
		return slot && slot->next == w;
	return w->slot >= s->want ||
	       (w->state == WORKER_STARTING && w->rollout_number == s->rollout_number);
}

static void give_up(struct service *s)
{
	/* A restart has replaced nobody for good: who is parked then is of the reload before it. */
	if (s->roll_kind == ROLL_RELOAD)
		s->restored = service_restore_all(s);
	end_aborted(s);
	s->want = s->want_before;
	list_for_each_safe (struct worker, w, tmp, &s->workers, link)
		if (is_undone(w))
			worker_retire(w, EV_RETIRE);
	service_rearm(s);
	if (s->roll_kind == ROLL_RELOAD) {
		publish_undone(s);
		service_open_window(s);
	}
}

static void start_in(struct service *s, size_t i)
{
	struct worker *w = worker_start(&s->terms, s->target, (unsigned)i, s->target_generation);

	if (!w) {
		snprintf(s->abort_reason, sizeof(s->abort_reason), "%s.%zu could not be started",
			 s->name, i);
		rollout_new_failed(&s->rollout, i);
		return;
	}
	list_append(&s->workers, &w->link);
	w->rollout_number = s->rollout_number;
	if (s->slots[i].current)
		s->slots[i].next = w;
	else
		s->slots[i].current = w;
	service_announce(s, ROLL_START, w);
}

static void retire_in(struct service *s, size_t i)
{
	struct worker *w = s->slots[i].current;

	/* It may have left by itself, and its successor have moved up. */
	if (!w || w->rollout_number == s->rollout_number)
		return;
	service_announce(s, ROLL_RETIRE, w);
	retire_old(w);
}

/* Returns whether it has ended. */
static bool pump(struct service *s)
{
	size_t i = 0;

	for (;;) {
		if ((s->rollout.done || !s->rollout.of) && s->target && s->roll_kind == ROLL_RELOAD)
			publish_new(s);
		switch (rollout_next(&s->rollout, &i)) {
		case ROLLOUT_START:
			start_in(s, i);
			break;
		case ROLLOUT_RETIRE:
			retire_in(s, i);
			break;
		case ROLLOUT_PROBATION:
			begin_probation(s);
			break;
		case ROLLOUT_FINISHED:
			take_over(s);
			return true;
		case ROLLOUT_ABORTED:
			give_up(s);
			return true;
		case ROLLOUT_NOTHING:
			return false;
		}
	}
}

void service_pump(struct service *s)
{
	while (pump(s)) {
		struct service_conf *conf = s->after;

		if (!conf) {
			s->fewer_ports = false;
			return;
		}
		s->after = NULL;
		begin(s, conf);
	}
}

void service_roll(struct service *s, struct service_conf *conf)
{
	if (s->dispatch.stopping)
		return;
	if (s->rollout.active) {
		/* Any number of reloads during one is one more. */
		service_conf_unref(s->after);
		s->after = service_conf_ref(conf);
		return;
	}
	begin(s, service_conf_ref(conf));
	service_pump(s);
}

int service_restart_worker(struct worker *w, struct strbuf *error)
{
	struct service *s = service_of(w);
	int r = service_check_steering(s, error);

	if (r < 0)
		return r;
	if (w->guest)
		return strbuf_fail(error, -EINVAL, "%s is a guest: restart it by hand", w->name);
	if (s->slots[w->slot].current != w)
		return strbuf_fail(error, -EINVAL,
				   "this process of %s is %s, and no longer the one that serves",
				   w->name, worker_state_names[w->state]);
	prepare(s, ROLL_RESTART, service_conf_ref(w->conf), w->generation);
	rollout_begin(&s->rollout, s->conf->strategy, 1, w->slot, !s->conf->wait, &(bool){ true });
	announce_begin(s, w);
	if (s->conf->wait)
		retire_old(w);
	service_pump(s);
	return 0;
}

int service_abort_reload(struct service *s, struct strbuf *error)
{
	if (!s->rollout.active)
		return strbuf_fail(error, -ENOENT, "no reload of %s is under way", s->name);
	service_conf_unref(s->after);
	s->after = NULL;
	snprintf(s->abort_reason, sizeof(s->abort_reason), "aborted by hand");
	rollout_abort(&s->rollout);
	service_pump(s);
	return 0;
}

void service_drop_rollout(struct service *s, const char *why)
{
	if (!s->rollout.active)
		return;
	snprintf(s->abort_reason, sizeof(s->abort_reason), "%s", why);
	service_conf_unref(s->after);
	s->after = NULL;
	s->rollout.active = false;
	end_aborted(s);
	publish_undone(s);
	service_rearm(s);
}
