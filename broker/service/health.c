#include "health.h"

#include "service/fill.h"
#include "service/recycle.h"
#include "sys/log.h"
#include "worker/hold.h"

void service_worker_checked(struct worker *w)
{
	struct service *s = service_of(w);
	STRBUF(how, 192);

	service_settle_soon(s);
	if (!worker_is_ill(w) || !worker_state_is_current(w->state) ||
	    w->state == WORKER_STARTING || !worker_is_of_rollout(w))
		return;
	strbuf_addf(&how, "fails its check: %s", w->check.why);
	service_fail_rollout(w, how.text);
}

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
			recycle_ask(w, RECYCLE_UNHEALTHY);
	} else if (w->recycle == RECYCLE_UNHEALTHY) {
		recycle_ask(w, RECYCLE_NOT);
	}
}

void service_weigh_checks(struct service *s)
{
	bool any_ill = false, any_well = false;
	struct worker *w;

	list_for_each (w, &s->workers, link)
		if (serves_unless_ill(w)) {
			any_ill |= worker_is_ill(w);
			any_well |= !worker_is_ill(w);
		}
	if (any_ill && !any_well && !s->all_ill)
		log_event(LEVEL_ERROR, "worker-check-failed", LOG_STR("service", service_name(s)),
			  LOG_MSG("the checks of all workers fail: none is taken out of the round, "
				  "and they serve as well as they can"));
	s->all_ill = any_ill && !any_well;
	list_for_each (w, &s->workers, link)
		if (serves_unless_ill(w))
			weigh(w, any_well);
}
