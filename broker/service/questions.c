#include "service/service.h"

#include <errno.h>
#include <string.h>
#include "service/guest.h"
#include "worker/launch.h"
#include "core/broker.h"
#include "service/pin.h"
#include "service/descriptors.h"
#include "sys/log.h"

static struct loop *loop_of(const struct service *s)
{
	return &s->broker->loop;
}

const char *service_name(const struct service *s)
{
	return s->conf->name;
}

struct service *service_find(const struct broker *b, const char *name)
{
	struct service *s, *leaving = NULL;

	list_for_each (s, &b->services, link) {
		if (strcmp(service_name(s), name) != 0)
			continue;
		/* One that has come back while the old one of its name still drains is meant. */
		if (!s->stopping)
			return s;
		leaving = s;
	}
	return leaving;
}

static void restart_expired(struct loop_timer *timer)
{
	service_fill(container_of(timer, struct service, restart));
}

struct service *service_new(struct broker *b, struct service_conf *conf)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->broker = b;
	s->conf = service_conf_ref(conf);
	s->want = conf->workers;
	s->generation = s->last_generation = 1;
	s->last_reload_ms = -1;
	list_init(&s->workers);
	list_init(&s->endpoints);
	list_init(&s->listeners);
	loop_timer_init(&s->restart, restart_expired);
	loop_timer_init(&s->closing_timer, service_closing_expired);
	service_close_window(s);
	service_pins_init(s);
	list_append(&b->services, &s->link);
	return s;
}

void service_free(struct service *s)
{
	struct broker *b = s->broker;
	struct listener *l, *l_tmp;
	struct endpoint *e, *e_tmp;

	assert(list_empty(&s->workers));
	service_close_window(s);
	service_free_troubles(s);
	list_for_each_safe (l, l_tmp, &s->listeners, link)
		listener_free(l);
	list_for_each_safe (e, e_tmp, &s->endpoints, link)
		endpoint_free(e);
	loop_timer_disarm(&s->restart);
	loop_timer_disarm(&s->closing_timer);
	service_pins_deinit(s);
	ledger_add(&b->gone, &s->ledger);
	b->taken_by_gone += s->served_by_gone;
	list_remove(&s->link);
	service_conf_unref(s->conf);
	service_conf_unref(s->target);
	service_conf_unref(s->after);
	free(s);
}

/* --- the right number of workers ----------------------------------------------------- */

bool service_slot_has_process(const struct service *s, unsigned slot)
{
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->slot == slot)
			return true;
	return false;
}

/* One that the rollout has not started. */
static bool slot_has_old_process(const struct service *s, unsigned slot)
{
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->slot == slot && w->roll != s->roll)
			return true;
	return false;
}

/* Over all services: a machine that boots should not start a hundred runtimes at once. */
static unsigned count_starting(const struct broker *b)
{
	const struct service *s;
	const struct worker *w;
	unsigned n = 0;

	list_for_each (s, &b->services, link)
		list_for_each (w, &s->workers, link)
			n += w->state == WORKER_STARTING && !w->guest;
	return n;
}

static unsigned count_own_starting(const struct service *s)
{
	const struct worker *w;
	unsigned n = 0;

	list_for_each (w, &s->workers, link)
		n += w->state == WORKER_STARTING && !w->guest;
	return n;
}

static void fail_start(struct service *s, bool doubling)
{
	struct service_conf *sc = s->conf;
	int64_t now = loop_now(loop_of(s)), delay;

	/* A long quiet time since the last failure ends the series. */
	if (now - s->last_failure_ms > sc->backoff_reset_ms + sc->backoff_max_ms)
		backoff_reset(&s->backoff);
	s->last_failure_ms = now;
	if (!doubling) {
		s->backoff.until_ms = now + sc->backoff_min_ms;
		return;
	}
	delay = backoff_failed(&s->backoff, now, sc->backoff_min_ms, sc->backoff_max_ms);
	log_event(LEVEL_WARN, "back-off", LOG_STR("service", service_name(s)),
		  LOG_INT("delay_ms", delay), LOG_INT("failures", s->backoff.failures),
		  LOG_MSG("failure %u in a row: next start in %lld ms%s", s->backoff.failures,
			  (long long)delay,
			  service_is_serving(s)
				  ? ""
				  : "; clients wait in the backlog until a worker is ready"));
}

/* One that a reload had replaced already is new from then on, whether the reload is done or not. */
static struct worker *start_for(struct service *s, unsigned slot)
{
	bool is_new = s->rollout.active && s->roll_kind == ROLL_RELOAD && slot < s->rollout.n;

	return is_new ? worker_start(s, s->target, slot, s->target_generation)
		      : worker_start(s, s->conf, slot, s->generation);
}

void service_fill(struct service *s)
{
	unsigned own = count_own_starting(s), all = count_starting(s->broker);
	int64_t wait;

	/* In the middle of a rollout's step the slots are its own. */
	if (service_leaves(s) || s->pumping)
		return;
	for (unsigned i = 0; i < s->want; i++) {
		struct slot *slot = &s->slots[i];

		if (slot->current || slot->next || service_rollout_owns(s, i))
			continue;
		/* An app that cannot run twice waits for the old one to be gone. */
		if (s->conf->strategy == STRATEGY_STOP_FIRST && service_slot_has_process(s, i))
			continue;
		wait = backoff_wait(&s->backoff, loop_now(loop_of(s)));
		if (wait > 0) {
			loop_timer_arm(loop_of(s), &s->restart, wait);
			return;
		}
		/* After a failure one worker tries for all. */
		if (all >= s->broker->max_starting || (s->backoff.failures && own))
			return;
		slot->current = start_for(s, i);
		if (!slot->current) {
			service_note_no_start(s, i);
			fail_start(s, true);
			wait = backoff_wait(&s->backoff, loop_now(loop_of(s)));
			loop_timer_arm(loop_of(s), &s->restart, wait);
			return;
		}
		own++;
		all++;
	}
}

/*
 * One worker less is starting: whoever had to wait for that hears of it from nobody else. They come
 * before @s, which has just had a turn, so that a service of hundreds does not keep them waiting.
 */
static void fill_others(struct service *s)
{
	struct service *other;

	list_for_each (other, &s->broker->services, link)
		if (other != s)
			service_fill(other);
}

int service_set_workers(struct service *s, unsigned n, struct strbuf *error)
{
	int r = 0;

	if (n < 1 || n > ROLLOUT_MAX) {
		strbuf_addf(error, "%s can have 1 to %d workers, not %u", service_name(s),
			    ROLLOUT_MAX, n);
		return -EINVAL;
	}
	if (service_leaves(s)) {
		strbuf_addf(error, "%s is %s", service_name(s), s->stopping ? "ending" : "paused");
		return -ESHUTDOWN;
	}
	if (s->rollout.active) {
		strbuf_addf(error, "a %s of %s is under way: wait for its end, or abort it",
			    roll_kind_name(s->roll_kind), service_name(s));
		return -EBUSY;
	}
	if (n > s->want)
		r = descriptors_check_workers(s, n, error);
	if (r < 0)
		return r;
	s->want = n;
	log_event(LEVEL_INFO, "scale", LOG_STR("service", service_name(s)), LOG_INT("workers", n),
		  LOG_MSG("%u worker%s from now on", n, n == 1 ? "" : "s"));
	for (unsigned i = n; i < ROLLOUT_MAX; i++)
		if (s->slots[i].current)
			service_retire(s->slots[i].current, EV_RETIRE);
	service_fill(s);
	return 0;
}

void service_retire(struct worker *w, enum worker_event how)
{
	w->asked = true;
	worker_event(w, how);
}

/* --- what workers report ------------------------------------------------------------- */

/* The worker does not serve in its slot any more. */
static void leave_slot(struct worker *w)
{
	struct slot *slot = &w->service->slots[w->slot];

	if (slot->next == w)
		slot->next = NULL;
	if (slot->current == w) {
		slot->current = slot->next;
		slot->next = NULL;
		slot->left_ms = loop_now(loop_of(w->service));
	}
}

/* Whether the rollout under way has started @w. */
static bool is_of_rollout(const struct worker *w)
{
	return w->service->rollout.active && w->roll == w->service->roll;
}

/* It did not start: says why, for who asked for the rollout. */
static void fail_rollout(struct worker *w)
{
	struct service *s = w->service;
	const struct worker_end_facts facts = service_end_facts(w, true);
	struct strbuf reason, output;

	strbuf_init(&reason, s->abort_reason, sizeof(s->abort_reason));
	strbuf_addf(&reason, "%s of generation %u did not start: ", w->name, w->generation);
	worker_end_add_words(&facts, &reason);
	strbuf_init(&output, s->abort_output, sizeof(s->abort_output));
	if (w->refusal[0])
		strbuf_add(&output, w->refusal);
	else if (w->lines.n_tail)
		strbuf_add_bytes(&output, w->lines.tail, w->lines.n_tail - 1);
	rollout_new_failed(&s->rollout, w->slot);
}

static void note_failure(struct worker *w, enum worker_state from)
{
	struct service *s = w->service;

	if (from == WORKER_STARTING && is_of_rollout(w) && service_rollout_owns(s, w->slot)) {
		fail_rollout(w);
		return; /* the rollout ends: that is its back-off */
	}
	service_note_end(w, from == WORKER_STARTING);
	if (from == WORKER_STARTING) {
		fail_start(s, true);
		return;
	}
	if (loop_now(loop_of(s)) - w->ready_ms >= w->conf->backoff_reset_ms)
		backoff_reset(&s->backoff);
	else
		/* One that has served is not a broken command: it is replaced soon, every time. */
		fail_start(s, worker_taken(w) == 0);
}

static void guest_changed(struct worker *w)
{
	struct service *s = w->service;

	if (w->state != WORKER_DEAD)
		return;
	guest_log_left(w);
	(void)service_unpin_worker(s, w->name); /* nobody will have this name again */
	s->served_by_gone += w->served;
	list_remove(&w->link);
	broker_tidy(s->broker);
}

void service_worker_changed(struct worker *w, enum worker_state from)
{
	struct service *s = w->service;
	bool was_current = worker_state_is_current(from);

	if (w->state == from)
		return;
	if (w->guest) {
		guest_changed(w);
		return;
	}
	if (w->state == WORKER_DEAD) {
		launch_log_exit(w);
		s->served_by_gone += w->served;
		s->slots[w->slot].measured.taken_by_gone += w->served;
		s->slots[w->slot].measured.cpu_ms_by_gone += w->found.cpu_ms;
		list_remove(&w->link);
		/* One that drained since an earlier reload is not the one to be replaced now. */
		if (!slot_has_old_process(s, w->slot))
			rollout_old_gone(&s->rollout, w->slot);
	}
	if (was_current && !worker_state_is_current(w->state)) {
		leave_slot(w);
		if (!w->asked && !service_leaves(s))
			note_failure(w, from);
	}
	if (w->state == WORKER_READY && from == WORKER_STARTING && is_of_rollout(w) &&
	    service_rollout_owns(s, w->slot)) {
		rollout_new_ready(&s->rollout, w->slot);
		service_announce(s, ROLL_READY, w);
	} else if (w->state == WORKER_READY && from == WORKER_STARTING && !s->roll) {
		/* A reload may have made the service: there is no rollout, but who waits for it. */
		notice_rollout(s->broker, s, ROLL_READY, w);
	}

	service_pump(s);
	if (from == WORKER_STARTING)
		fill_others(s);
	service_fill(s);
	if (w->state == WORKER_READY)
		broker_tidy(s->broker);
	if (w->state == WORKER_DEAD)
		broker_tidy(s->broker);
}

/* --- questions ----------------------------------------------------------------------- */

bool service_is_serving(const struct service *s)
{
	for (size_t i = 0; i < ROLLOUT_MAX; i++)
		if (s->slots[i].current && s->slots[i].current->state == WORKER_READY)
			return true;
	return false;
}

bool service_has_round(const struct service *s)
{
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->state == WORKER_READY && !w->pinned_only)
			return true;
	return false;
}

bool service_is_ready(const struct service *s)
{
	for (size_t i = 0; i < s->want; i++)
		if (!s->slots[i].current || s->slots[i].current->state == WORKER_STARTING)
			return false;
	return true;
}
