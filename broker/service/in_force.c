#include "in_force.h"

#include "worker/clock.h"

void service_put_in_force(struct service *s, struct service_conf *conf, unsigned generation)
{
	struct endpoint *e;

	service_conf_unref(s->conf);
	s->conf = conf;
	s->generation = generation;
	list_for_each (e, &s->dispatch.endpoints, link)
		e->round.mode = s->conf->balance;
	service_rearm(s);
}

void service_rearm(struct service *s)
{
	struct worker *w;

	s->terms.live = s->target && s->roll_kind == ROLL_RELOAD ? s->target : s->conf;
	s->dispatch.mode = s->conf->balance;
	list_for_each (w, &s->workers, link)
		if (w->state != WORKER_STARTING)
			worker_rearm(w);
}
