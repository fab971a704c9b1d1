#include "survey.h"

#include "dispatch/channel.h"
#include "policy/pace.h"
#include "service/in_force.h"
#include "worker/children.h"
#include "worker/clock.h"
#include "worker/processes.h"
#include "worker/step.h"

#define FRESH_MS 100
/* Between two looks at the clock. */
#define STEPS 16
/* Of no ports yet. */
#define SURVEY_WALK SOCKDIAG_WALK(.states = SOCKDIAG_OPEN, .low = UINT16_MAX)

static void add_port(uint16_t port, struct sockdiag_walk *w)
{
	if (!port) /* a Unix socket has none */
		return;
	w->low = w->low < port ? w->low : port;
	w->high = w->high > port ? w->high : port;
}

/* So that it finds the connections of @s that some process still has. */
static void add_ports(const struct service *s, struct sockdiag_walk *w)
{
	w->moved |= s->conf->move != MOVE_OFF;
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
	evidence_end(&s->look);
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

	add_ports(service_of(w), &walk);
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
			if (w->id == s->look.worker)
				return w;
			else if (!next && w->found.round != s->round)
				next = w;
	tree_end(&s->look.tree);
	if (next)
		s->look.worker = next->id;
	if (next &&
	    !begin_tree(next, s->look.complete ? &s->look.sockets.found : NULL, &s->look.tree))
		s->look.tree.missing = -EAGAIN;
	return next;
}

/* False: all is known. */
static bool take_step(struct survey *s)
{
	struct worker *w;
	int r;

	if (s->look.sockets.fd >= 0) {
		s->look.complete = sockdiag_step(&s->look.sockets) == 0;
		return true;
	}
	w = worker_of_round(s);
	if (!w)
		return false;
	r = tree_steps(&s->look.tree, STEPS);
	if (r > 0)
		return true;
	use(w, s->round, &s->look.tree, r == 0);
	s->look.worker = 0;
	return true;
}

static void step_expired(struct loop_timer *timer)
{
	struct survey *s = container_of(timer, struct survey, look.step);
	uint64_t began = loop_cpu_ns();
	bool more;

	loop_note(&s->broker->loop, "survey of workers");
	do
		more = take_step(s);
	while (more && loop_cpu_ns() - began < PACE_SLICE_NS);
	if (more)
		loop_timer_arm(&s->broker->loop, &s->look.step,
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
	loop_timer_arm(&s->broker->loop, &s->look.step, 0);
	if (s->done_ms && loop_now(&s->broker->loop) - s->done_ms < FRESH_MS)
		return; /* with nothing to do but to tell */
	s->round++;
	s->done_ms = 0;
	s->look.sockets = SURVEY_WALK;
	list_for_each (const struct service, service, &s->broker->services, link)
		add_ports(service, &s->look.sockets);
	(void)sockdiag_begin(&s->look.sockets);
}

void survey_init(struct survey *s, struct broker *b)
{
	*s = (struct survey){ .broker = b, .round = 1, .look.sockets = SOCKDIAG_WALK() };
	list_init(&s->waiters);
	loop_timer_init(&s->look.step, step_expired);
}

void survey_deinit(struct survey *s)
{
	loop_timer_disarm(&s->look.step);
	evidence_end(&s->look);
}

/* --- evidence --------------------------------------------------------------------------- */

/* A round begins so long after the one before it at the earliest. */
#define ROUND_MS 200
/* What was seen to be held is believed to be open for so long: an app may keep dead ones. */
#define WITNESS_MS 5000

/* Whether it matters how many connections @w has. */
static bool is_counted(const struct worker *w)
{
	return (w->state == WORKER_DRAINING && !worker_finishes_alone(w) && !w->undecided &&
		!conf_is_udp(w->conf)) ||
	       (w->state == WORKER_READY &&
		service_of(w)->conf->balance == BALANCE_LEAST_CONNECTIONS);
}

/* While a whole service leaves, a worker that drains is given what waits in the broker, too. */
static bool more_comes(const struct worker *w)
{
	return list_find(const struct channel, c, &w->taker.channels, link,
			 channel_is_in_round(c) && c->endpoint->n_pending);
}

/* It drains, and still holds the connection that it was seen to hold. */
static bool is_known_to_have_some(const struct worker *w, int64_t now)
{
	return w->state == WORKER_DRAINING && now - w->witness_ms < WITNESS_MS &&
	       proc_fd_is(&w->witness);
}

/*
 * @w was looked at. A process may pass a connection to one that was looked at before it. Within
 * one turn of the loop that is next to impossible; else nothing has to be found twice.
 */
static void judge_worker(struct worker *w, const struct evidence *e)
{
	uint64_t came = taker_taken(&w->taker) - w->taken_before, oldest_ns;
	/* Nor is what its library has just replaced (move.h): neither the one nor the other. */
	bool at_once = e->tree_ms == loop_now(worker_loop(w)) && w->conf->move == MOVE_OFF;

	w->open = (unsigned)e->tree.open;
	w->witness = e->tree.last;
	w->witness_ms = w->open ? loop_now(worker_loop(w)) : 0;
	/* What came since the round began is not in there, or was when it was waiting. */
	list_for_each (struct channel, c, &w->taker.channels, link)
		balancer_set_load(&c->endpoint->round, &c->member,
				  w->open + (uint32_t)came + c->member.waiting, c->member.said);
	if (w->state != WORKER_DRAINING || w->open > 0 || came || taker_waiting(&w->taker) > 0 ||
	    more_comes(w) || worker_children_running(w, &oldest_ns)) {
		w->found_none = false;
		return;
	}
	worker_set_found(w, &e->tree);
	if (!at_once && !w->found_none)
		w->found_none = true;
	else if (worker_is_debugged(w))
		worker_say_traced(w);
	else
		worker_event(w, service_parks(w) ? EV_PARK : EV_DRAINED);
}

/*
 * The one that is looked at, else the next. What was given since the round began to a worker that
 * has been draining for less long is not in what the kernel was asked for.
 */
static struct worker *worker_of_evidence(struct broker *b)
{
	struct evidence *e = &b->evidence;
	struct worker *next = NULL;

	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct worker, w, &s->workers, link) {
			if (!is_counted(w) || w->state_since_ms >= e->begun_ms)
				continue;
			if (w->id == e->worker)
				return w;
			if (!next && w->counted_ms != e->begun_ms)
				next = w;
		}
	tree_end(&e->tree);
	if (!next)
		return NULL;
	next->counted_ms = e->begun_ms;
	e->worker = next->id;
	e->tree_ms = loop_now(&b->loop);
	e->tree.connections = &e->sockets.found;
	e->tree.figures = next->state == WORKER_DRAINING; /* whether it is debugged */
	return worker_add_roots(next, &e->tree.pids) == 0 ? next : NULL;
}

/* One step of a round. False: it is over. */
static bool take_evidence(struct broker *b)
{
	struct evidence *e = &b->evidence;
	struct worker *w;
	int r;

	if (e->sockets.fd >= 0) {
		e->complete = sockdiag_step(&e->sockets) == 0;
		return true;
	}
	w = e->complete ? worker_of_evidence(b) : NULL;
	if (!w)
		return false;
	/* Of one that has some it does not matter whether it is debugged. */
	e->tree.figures &= !e->tree.open;
	r = tree_steps(&e->tree, STEPS);
	/* Of one that drains it only matters that it has some. */
	if (r > 0 && e->tree.open >= 0 &&
	    (w->state != WORKER_DRAINING || e->tree.open <= WORKER_OPEN_MAX))
		return true;
	if (r >= 0 && e->tree.open >= 0)
		judge_worker(w, e);
	e->worker = 0;
	return true;
}

/* The kernel walks through all sockets for each question: one is for all services, if needed. */
static void begin_evidence(struct broker *b)
{
	struct evidence *e = &b->evidence;
	int64_t now = loop_now(&b->loop);
	bool asked = false;

	e->begun_ms = now;
	e->sockets = SURVEY_WALK;
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct worker, w, &s->workers, link) {
			if (!is_counted(w))
				continue;
			w->taken_before = taker_taken(&w->taker);
			if (is_known_to_have_some(w, now)) {
				w->counted_ms = now;
				continue;
			}
			add_ports(s, &e->sockets);
			asked = true;
		}
	if (asked)
		(void)sockdiag_begin(&e->sockets);
}

void evidence_expired(struct loop_timer *timer)
{
	struct broker *b = container_of(timer, struct broker, evidence.step);
	struct evidence *e = &b->evidence;
	uint64_t began = loop_cpu_ns();
	int64_t rest, left;
	bool more;

	loop_note(&b->loop, "evidence of connections");
	if (!e->complete && e->sockets.fd < 0)
		begin_evidence(b);
	do
		more = take_evidence(b);
	while (more && loop_cpu_ns() - began < PACE_SLICE_NS);
	rest = pace_rest_ms(loop_cpu_ns() - began, b->stopping ? PACE_SURVEY : PACE_EVIDENCE);
	if (!more) {
		evidence_end(e);
		left = e->begun_ms + ROUND_MS - loop_now(&b->loop);
		rest = rest > left ? rest : left;
		/* The watch asks for the next. */
		e->next_ms = loop_now(&b->loop) + rest;
		return;
	}
	loop_timer_arm(&b->loop, timer, rest);
}

bool evidence_want(struct broker *b)
{
	bool wanted = false;

	list_for_each (struct service, s, &b->services, link)
		wanted = wanted || list_find(struct worker, w, &s->workers, link, is_counted(w));
	if (wanted && !loop_timer_armed(&b->evidence.step))
		loop_timer_arm(&b->loop, &b->evidence.step,
			       b->evidence.next_ms - loop_now(&b->loop));
	return wanted;
}
