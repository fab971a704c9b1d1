#include "stop.h"

#include "dispatch/endpoint.h"
#include "service/closing.h"
#include "service/questions.h"
#include "service/roll.h"
#include "service/window.h"
#include "worker/hold.h"
#include "worker/step.h"

static void end_rollout(struct service *s)
{
	struct worker *w, *tmp;

	service_drop_rollout(s, service_end_text(s));
	loop_timer_disarm(&s->restart);
	service_close_window(s);
	list_for_each_safe (w, tmp, &s->workers, link)
		if (w->state == WORKER_STARTING)
			worker_retire(w, EV_STOP);
}

/* What waits is served by every worker that can: a hold by hand was for the time of serving. */
static void release_all(struct service *s)
{
	struct worker *w, *tmp;

	list_for_each_safe (w, tmp, &s->workers, link)
		worker_unhold(w, HELD_BY_HAND);
}

void service_stop(struct service *s, bool drain)
{
	s->dispatch.stopping = true;
	end_rollout(s);
	if (!drain) {
		service_close_now(s);
		service_retire_all(s, EV_STOP);
		return;
	}
	if (!s->closing || s->handover_until_ms)
		release_all(s);
	service_close_gently(s, false);
}

void service_hand_over(struct service *s)
{
	s->dispatch.stopping = true;
	end_rollout(s);
	service_close_gently(s, true);
}

void service_kill(struct service *s)
{
	s->dispatch.stopping = true;
	end_rollout(s);
	service_close_now(s);
	service_retire_all(s, EV_KILL);
}

bool service_is_gone(const struct service *s)
{
	return s->dispatch.stopping && !s->closing && list_empty(&s->workers) &&
	       list_empty(&s->gone);
}

void service_pause(struct service *s)
{
	struct endpoint *e;

	if (service_leaves(s))
		return;
	s->dispatch.paused = true;
	end_rollout(s);
	list_for_each (e, &s->dispatch.endpoints, link)
		(void)endpoint_dispatch(e); /* disarms the listeners */
	service_retire_all(s, EV_RETIRE);
}
