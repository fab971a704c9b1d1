#include "survey.h"

#include <string.h>
#include "worker/hold.h"
#include "worker/processes.h"

#define FRESH_MS 100
/* A slice: connections that arrive meanwhile wait for so long. */
#define SLICE_NS (500 * 1000)

int service_open_connections(const struct service *s, struct sockdiag_list *ret)
{
	const struct endpoint *e;
	const struct listener *l;
	int r = 0;

	list_for_each (l, &s->dispatch.listeners, link)
		if (r == 0)
			r = sockdiag_add(SOCKDIAG_OPEN, l->addr.port, ret);
	/* Listeners that are closed already, as at shutdown: their port is kept by the endpoint. */
	list_for_each (e, &s->dispatch.endpoints, link)
		for (size_t i = 0; r == 0 && i < e->n_ports; i++)
			r = sockdiag_add(SOCKDIAG_OPEN, e->ports[i], ret);
	sockdiag_sort(ret);
	return r;
}

static void end(struct survey *s)
{
	size_t n = list_count(&s->waiters);
	struct survey_waiter *w;

	s->running = false;
	/* A waiter that got fresh findings did not start a round. */
	if (!s->done_ms)
		s->done_ms = loop_now(&s->broker->loop);
	/* The next round counts against a new dump of connections. */
	s->service = NULL;
	sockdiag_list_deinit(&s->connections);
	/* A waiter that asks again while it is told is behind them, and waits for the next round.
	 */
	for (; n > 0 && (w = list_first(&s->waiters, struct survey_waiter, link)); n--) {
		list_remove(&w->link);
		w->done(w);
	}
}

static struct worker *next_unseen(const struct survey *s)
{
	struct service *service;
	struct worker *w;

	list_for_each (service, &s->broker->services, link)
		list_for_each (w, &service->workers, link)
			if (w->found.round != s->round)
				return w;
	return NULL;
}

static void look_at(struct survey *s, struct worker *w)
{
	int open = -1;

	if (s->service != service_of(w)) {
		s->service = service_of(w);
		sockdiag_list_deinit(&s->connections);
		if (service_open_connections(service_of(w), &s->connections) < 0)
			s->service = NULL;
	}
	if (s->service)
		open = worker_count_connections(w, &s->connections);
	w->found = (struct worker_findings){ .round = s->round, .open = open };
	worker_look_at_processes(w);
	worker_look_if_stopped(w);
}

void survey_look(struct survey *s, struct worker *w)
{
	s->service = NULL; /* what it has of connections may be old */
	look_at(s, w);
	s->service = NULL;
}

static void step_expired(struct loop_timer *timer)
{
	struct survey *s = container_of(timer, struct survey, step);
	uint64_t until = loop_clock_ns() + SLICE_NS;
	struct worker *w;

	do {
		w = next_unseen(s);
		if (!w) {
			end(s);
			return;
		}
		look_at(s, w);
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
	s->service = NULL;
}

void survey_init(struct survey *s, struct broker *b)
{
	*s = (struct survey){ .broker = b, .round = 1 };
	list_init(&s->waiters);
	loop_timer_init(&s->step, step_expired);
}

void survey_deinit(struct survey *s)
{
	loop_timer_disarm(&s->step);
	sockdiag_list_deinit(&s->connections);
}
