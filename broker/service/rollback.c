#include "rollback.h"

#include <errno.h>
#include "service/fill.h"
#include "service/in_force.h"
#include "service/listeners.h"
#include "service/open.h"
#include "service/questions.h"
#include "sys/log.h"
#include "worker/step.h"

static const char *no_window_text(const struct service *s)
{
	if (s->conf->rollback_window_ms == 0)
		return "rollback_window is 0, so no old worker is kept";
	if (s->reloads_done + s->reloads_aborted == 0)
		return "no reload was done yet";
	if (s->roll_kind == ROLL_RELOAD && s->abort_reason[0] && s->rollout.done == 0)
		return "the last reload was aborted, and had replaced no worker";
	return "its rollback_window is over, or the last reload has already been rolled back";
}

static int check_rollback(const struct service *s, struct strbuf *error)
{
	int r = service_check_steering(s, error);

	if (r < 0)
		return r;
	if (!service_window_is_open(s))
		return strbuf_fail(error, -ENOENT, "%s has nothing to go back to: %s",
				   service_name(s), no_window_text(s));
	if (!service_any_may_return(s))
		return strbuf_fail(error, -ENOENT, "no worker of generation %u of %s is left",
				   s->rollback.generation, service_name(s));
	return 0;
}

/* The addresses of the old configuration, and those that the old apps had asked for. */
static int open_for_return(struct service *s, struct opened_list *ret, struct strbuf *error)
{
	struct worker *w;
	int r = reload_open_one(s, false, s->rollback.conf, ret, error);

	if (r < 0)
		return r;
	list_for_each (w, &s->workers, link)
		if (r == 0 && service_may_return(w))
			r = service_reopen_for(w, error);
	if (r < 0) {
		reload_close_opened(ret);
		service_close_unused(s);
	}
	return r;
}

/*
 * Retires the workers of the generation that is undone: those that still have a slot, and those
 * that have just lost it to an old one. Also workers in slots beyond the restored number, which
 * were added by hand after an aborted reload.
 */
static void retire_undone(struct service *s, unsigned undone, struct worker **leaving)
{
	for (unsigned i = 0; i < ROLLOUT_MAX; i++) {
		struct worker *w = leaving[i], *current = s->slots[i].current;

		if (!w && current && (current->generation == undone || i >= s->want))
			w = current;
		if (w)
			worker_retire(w, w->state == WORKER_STARTING ? EV_STOP : EV_RETIRE);
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
	undone = s->terms.park.undoes;
	conf = service_conf_ref(s->rollback.conf);
	s->want = s->rollback.want;
	reload_take_listeners(s, conf, opened.v, 0);
	service_put_in_force(s, conf, s->rollback.generation);
	restored = service_restore_all(s, leaving);
	retire_undone(s, undone, leaving);
	reload_drop_listeners(s, conf, opened.v, 0);
	reload_close_opened(&opened);
	service_close_window(s);
	backoff_reset(&s->backoff);
	loop_timer_disarm(&s->restart);

	service_close_unused(s);
	if (s->want != wanted)
		strbuf_addf(&number, "; %u were wanted before", wanted);
	log_event(LEVEL_WARN, "rollback", LOG_STR("service", service_name(s)),
		  LOG_INT("generation", s->generation), LOG_INT("undoes", undone),
		  LOG_INT("restored", restored), LOG_INT("workers", s->want),
		  LOG_MSG("from generation %u back to %u: %u of %u workers were put back%s", undone,
			  s->generation, restored, s->want, number.text));
	service_fill(s);
	return 0;
}
