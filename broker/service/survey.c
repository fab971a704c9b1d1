#include "survey.h"

#include <string.h>
#include "worker/step.h"
#include "worker/processes.h"

#define FRESH_MS 100
/* A slice: connections that arrive meanwhile wait for so long. */
#define SLICE_NS (500 * 1000)

static void add_port(uint16_t port, struct sockdiag_walk *w)
{
	if (!port) /* a Unix socket has none */
		return;
	w->low = w->low < port ? w->low : port;
	w->high = w->high > port ? w->high : port;
}

void survey_add_ports(const struct service *s, struct sockdiag_walk *w)
{
	list_for_each (const struct listener, l, &s->dispatch.listeners, link)
		add_port(l->addr.port, w);
	/* Listeners that are closed already, as at shutdown: their port is kept by the endpoint. */
	list_for_each (const struct endpoint, e, &s->dispatch.endpoints, link)
		for (size_t i = 0; i < e->n_ports; i++)
			add_port(e->ports[i], w);
}

static void end(struct survey *s)
{
	size_t n = list_count(&s->waiters);
	struct survey_waiter *w;

	s->running = false;
	/* A waiter that got fresh findings did not start a round. */
	if (!s->done_ms)
		s->done_ms = loop_now(&s->broker->loop);
	sockdiag_end(&s->walk);
	/* A waiter that asks again while it is told is behind them, and waits for the next round.
	 */
	for (; n > 0 && (w = list_first(&s->waiters, struct survey_waiter, link)); n--) {
		list_remove(&w->link);
		w->done(w);
	}
}

static struct worker *next_unseen(const struct survey *s)
{
	list_for_each (struct service, service, &s->broker->services, link)
		list_for_each (struct worker, w, &service->workers, link)
			if (w->found.round != s->round)
				return w;
	return NULL;
}

static void look_at(struct worker *w, unsigned round, const struct sockdiag_list *connections)
{
	w->found = (struct worker_findings){
		.round = round,
		.open = connections ? worker_count_connections(w, connections) : -1,
	};
	worker_look_at_processes(w);
	worker_look_if_stopped(w);
}

void survey_look(struct survey *s, struct worker *w)
{
	struct sockdiag_walk walk = SURVEY_WALK;

	survey_add_ports(service_of(w), &walk);
	look_at(w, s->round, sockdiag_run(&walk) == 0 ? &walk.found : NULL);
	sockdiag_end(&walk);
}

static void step_expired(struct loop_timer *timer)
{
	struct survey *s = container_of(timer, struct survey, step);
	uint64_t until = loop_clock_ns() + SLICE_NS;
	struct worker *w;

	loop_note(&s->broker->loop, "survey of all processes");
	do {
		if (s->walk.fd >= 0) {
			s->counted = sockdiag_step(&s->walk) == 0;
			continue;
		}
		w = next_unseen(s);
		if (!w) {
			end(s);
			return;
		}
		look_at(w, s->round, s->counted ? &s->walk.found : NULL);
	} while (loop_clock_ns() < until);
	loop_timer_arm(&s->broker->loop, &s->step, 0);
}

void survey_want(struct survey *s, struct survey_waiter *w)
{
	list_append(&s->waiters, &w->link);
	if (s->running)
		return;
	s->running = true;
	loop_timer_arm(&s->broker->loop, &s->step, 0);
	if (s->done_ms && loop_now(&s->broker->loop) - s->done_ms < FRESH_MS)
		return; /* with nothing to do but to tell */
	s->round++;
	s->done_ms = 0;
	s->counted = false;
	s->walk = SURVEY_WALK;
	list_for_each (const struct service, service, &s->broker->services, link)
		survey_add_ports(service, &s->walk);
	(void)sockdiag_begin(&s->walk);
}

void survey_init(struct survey *s, struct broker *b)
{
	*s = (struct survey){ .broker = b, .round = 1, .walk = SOCKDIAG_WALK() };
	list_init(&s->waiters);
	loop_timer_init(&s->step, step_expired);
}

void survey_deinit(struct survey *s)
{
	loop_timer_disarm(&s->step);
	sockdiag_end(&s->walk);
}
