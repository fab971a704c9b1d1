/*
 * Rollback: the workers that a reload has replaced are kept for a while, and put back in one step.
 *
 * From the beginning of the rollout on an old worker that has drained is parked instead of told to
 * end. The window begins when the rollout has ended. After an aborted one it is there too: it
 * brings back those that had been replaced.
 */
#include <errno.h>
#include <string.h>
#include "service/watch.h"
#include "service/open.h"
#include "sys/log.h"

static struct loop *loop_of(const struct service *s)
{
	return &s->broker->loop;
}

/* Whether the worker that has the slot of @w now would leave it, or there is none. */
static bool slot_is_free_for(const struct worker *w)
{
	const struct worker *current = w->service->slots[w->slot].current;

	return !current || current->generation == w->service->rollback.undoes;
}

/* Whether the last reload has replaced @w, and it could serve again. */
static bool may_return(const struct worker *w)
{
	const struct rollback *rb = &w->service->rollback;

	return rb->conf && w->replaced_by == rb->undoes && w->pid &&
	       (w->state == WORKER_DRAINING || w->state == WORKER_PARKED) && slot_is_free_for(w) &&
	       worker_listens_as_configured(w);
}

static bool any_may_return(const struct service *s)
{
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (may_return(w))
			return true;
	return false;
}

bool service_parks(const struct worker *w)
{
	return may_return(w) && service_parks_for(w) > 0;
}

int64_t service_parks_for(const struct worker *w)
{
	const struct rollback *rb = &w->service->rollback;

	if (!rb->conf || w->replaced_by != rb->undoes)
		return 0;
	return rb->open ? rb->over.at_ms - loop_now(loop_of(w->service)) : rb->window_ms;
}

static void window_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, rollback.over);

	service_close_window(s);
}

void service_close_window(struct service *s)
{
	struct worker *w, *tmp;

	if (s->rollback.conf) {
		loop_timer_disarm(&s->rollback.over);
		service_conf_unref(s->rollback.conf);
	}
	s->rollback = (struct rollback){ 0 };
	loop_timer_init(&s->rollback.over, window_expired);
	list_for_each_safe (w, tmp, &s->workers, link)
		if (w->state == WORKER_PARKED)
			worker_rearm(w); /* its time is up: unless somebody looks at it */
}

void service_keep_for_rollback(struct service *s, const struct service_conf *conf)
{
	service_close_window(s);
	if (conf->rollback_window_ms == 0)
		return;
	s->rollback.conf = service_conf_ref(s->conf);
	s->rollback.generation = s->generation;
	s->rollback.want = s->want_before;
	s->rollback.undoes = s->target_generation;
	s->rollback.window_ms = conf->rollback_window_ms;
}

void service_open_window(struct service *s)
{
	if (!s->rollback.conf)
		return;
	if (!any_may_return(s)) {
		service_close_window(s);
		return;
	}
	s->rollback.open = true;
	loop_timer_arm(loop_of(s), &s->rollback.over, s->rollback.window_ms);
	service_rearm(s);
}

int64_t service_rollback_left(const struct service *s)
{
	int64_t left = s->rollback.over.at_ms - loop_now(loop_of(s));

	if (!s->rollback.open || s->rollout.active || service_leaves(s) || !any_may_return(s))
		return -1;
	return left > 0 ? left : 0;
}

void service_rearm(struct service *s)
{
	struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->state != WORKER_STARTING)
			worker_rearm(w);
}

static const char *no_window_text(const struct service *s)
{
	if (s->conf->rollback_window_ms == 0)
		return "rollback_window is 0, so that no old worker is kept";
	if (s->reloads_done + s->reloads_aborted == 0)
		return "no reload was done yet";
	if (s->roll_kind == ROLL_RELOAD && s->abort_reason[0] && s->rollout.done == 0)
		return "the last reload was aborted, and had replaced no worker";
	return "its rollback_window is over, or the last reload was rolled back already";
}

static int check_rollback(const struct service *s, struct strbuf *error)
{
	if (service_leaves(s)) {
		strbuf_addf(error, "%s is %s", service_name(s), s->stopping ? "ending" : "paused");
		return -ESHUTDOWN;
	}
	if (s->rollout.active) {
		strbuf_addf(error, "a %s of %s is under way: wait for its end, or abort it",
			    roll_kind_name(s->roll_kind), service_name(s));
		return -EBUSY;
	}
	if (!s->rollback.open) {
		strbuf_addf(error, "%s has nothing to go back to: %s", service_name(s),
			    no_window_text(s));
		return -ENOENT;
	}
	if (!any_may_return(s)) {
		strbuf_addf(error, "no worker of generation %u of %s is left",
			    s->rollback.generation, service_name(s));
		return -ENOENT;
	}
	return 0;
}

/* The addresses of the old configuration, and those that the old apps had asked for. */
static int open_for_return(struct service *s, struct opened_list *ret, struct strbuf *error)
{
	struct worker *w;
	int r = reload_open_one(s, s->rollback.conf, ret, error);

	if (r < 0)
		return r;
	list_for_each (w, &s->workers, link)
		if (r == 0 && may_return(w))
			r = service_reopen_for(w, error);
	if (r < 0) {
		reload_close_opened(ret);
		service_close_unused(s);
	}
	return r;
}

/* All that may come back serve again. Those whose place they take are put into @ret_leaving. */
static unsigned restore_all(struct service *s, struct worker **ret_leaving)
{
	struct worker *w, *tmp;
	unsigned n = 0;

	list_for_each_safe (w, tmp, &s->workers, link) {
		struct slot *slot;

		if (!may_return(w))
			continue;
		slot = &s->slots[w->slot];
		ret_leaving[w->slot] = slot->current;
		slot->current = w;
		w->asked = false;
		w->replaced_by = 0;
		n++;
		worker_event(w, EV_RESTORE);
		if (channel_is_stopped(list_first(&w->channels, struct channel, link)))
			watch_stopped(w, true);
	}
	return n;
}

/*
 * The generation that is undone: who still has a slot, and who has just lost it. And those of
 * before who were added by hand after an aborted reload: their slots are not wanted any more.
 */
static void retire_undone(struct service *s, unsigned undone, struct worker **leaving)
{
	for (unsigned i = 0; i < ROLLOUT_MAX; i++) {
		struct worker *w = leaving[i], *current = s->slots[i].current;

		if (!w && current && (current->generation == undone || i >= s->want))
			w = current;
		if (w)
			service_retire(w, w->state == WORKER_STARTING ? EV_STOP : EV_RETIRE);
	}
}

int service_rollback(struct service *s, struct strbuf *error)
{
	struct worker *leaving[ROLLOUT_MAX] = { NULL };
	struct opened_list opened = { 0 };
	struct service_conf *conf;
	STRBUF(number, 64);
	unsigned undone, restored, wanted = s->want;
	int r = check_rollback(s, error);

	if (r == 0)
		r = open_for_return(s, &opened, error);
	if (r < 0)
		return r;
	undone = s->rollback.undoes;
	conf = service_conf_ref(s->rollback.conf);
	/* Slot by slot nothing is filled in, started or reported: it is one step. */
	s->pumping = true;
	s->want = s->rollback.want;
	reload_take_listeners(s, conf, opened.v);
	service_put_in_force(s, conf, s->rollback.generation);
	restored = restore_all(s, leaving);
	retire_undone(s, undone, leaving);
	reload_drop_listeners(s, conf, opened.v);
	reload_close_opened(&opened);
	service_close_window(s);
	backoff_reset(&s->backoff);
	loop_timer_disarm(&s->restart);
	s->pumping = false;

	service_close_unused(s);
	if (s->want != wanted)
		strbuf_addf(&number, "; there were to be %u", wanted);
	log_event(LEVEL_WARN, "rollback", LOG_STR("service", service_name(s)),
		  LOG_INT("generation", s->generation), LOG_INT("undoes", undone),
		  LOG_INT("restored", restored), LOG_INT("workers", s->want),
		  LOG_MSG("from generation %u back to %u: %u of %u workers were put back%s", undone,
			  s->generation, restored, s->want, number.text));
	service_fill(s);
	return 0;
}
