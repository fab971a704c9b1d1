#include "survey.h"

#include <errno.h>
#include "policy/pace.h"
#include "worker/processes.h"
#include "worker/step.h"

#define FRESH_MS 100
/* Between two looks at the clock. */
#define STEPS 16

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

static void drop(struct survey *s)
{
	sockdiag_end(&s->walk);
	tree_end(&s->tree);
	s->worker = 0;
}

static void end(struct survey *s)
{
	size_t n = list_count(&s->waiters);
	struct survey_waiter *w;

	s->running = false;
	/* A waiter that got fresh findings did not start a round. */
	if (!s->done_ms)
		s->done_ms = loop_now(&s->broker->loop);
	drop(s);
	/* A waiter that asks again while it is told is behind them, and waits for another round. */
	for (; n > 0 && (w = list_first(&s->waiters, struct survey_waiter, link)); n--) {
		list_remove(&w->link);
		w->done(w);
	}
}

static bool begin_tree(const struct worker *w, struct sockdiag_list *connections,
		       struct tree_walk *ret)
{
	*ret = (struct tree_walk){ .figures = true,
				   .connections = connections,
				   .open = connections ? 0 : -ENODATA };
	return !w->undecided && worker_add_roots(w, &ret->pids) == 0;
}

static void use(struct worker *w, unsigned round, const struct tree_walk *tree, bool complete)
{
	if (complete)
		worker_set_found(w, tree);
	w->found.round = round;
	w->found.open = complete ? tree->open : -1;
	worker_look_if_stopped(w);
}

void survey_look(struct survey *s, struct worker *w)
{
	struct sockdiag_walk walk = SURVEY_WALK;
	_cleanup_tree_ struct tree_walk tree = { 0 };

	survey_add_ports(service_of(w), &walk);
	use(w, s->round, &tree,
	    begin_tree(w, sockdiag_run(&walk) == 0 ? &walk.found : NULL, &tree) &&
		    tree_steps(&tree, SIZE_MAX) == 0);
	sockdiag_end(&walk);
}

/* The one that is looked at, else the next that was not. */
static struct worker *worker_of_round(struct survey *s)
{
	struct worker *next = NULL;

	list_for_each (struct service, service, &s->broker->services, link)
		list_for_each (struct worker, w, &service->workers, link)
			if (w->id == s->worker)
				return w;
			else if (!next && w->found.round != s->round)
				next = w;
	tree_end(&s->tree);
	if (next)
		s->worker = next->id;
	if (next && !begin_tree(next, s->counted ? &s->walk.found : NULL, &s->tree))
		s->tree.missing = -EAGAIN;
	return next;
}

/* False: all is known. */
static bool take_step(struct survey *s)
{
	struct worker *w;
	int r;

	if (s->walk.fd >= 0) {
		s->counted = sockdiag_step(&s->walk) == 0;
		return true;
	}
	w = worker_of_round(s);
	if (!w)
		return false;
	r = tree_steps(&s->tree, STEPS);
	if (r > 0)
		return true;
	use(w, s->round, &s->tree, r == 0);
	s->worker = 0;
	return true;
}

static void step_expired(struct loop_timer *timer)
{
	struct survey *s = container_of(timer, struct survey, step);
	uint64_t began = loop_cpu_ns();
	bool more;

	loop_note(&s->broker->loop, "survey of workers");
	do
		more = take_step(s);
	while (more && loop_cpu_ns() - began < PACE_SLICE_NS);
	if (more)
		loop_timer_arm(&s->broker->loop, &s->step,
			       pace_rest_ms(loop_cpu_ns() - began, PACE_SURVEY));
	else
		end(s);
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
	drop(s);
}
