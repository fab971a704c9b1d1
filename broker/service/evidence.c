#include "evidence.h"

#include "dispatch/channel.h"
#include "policy/pace.h"
#include "service/in_force.h"
#include "service/survey.h"
#include "worker/children.h"
#include "worker/clock.h"
#include "worker/processes.h"
#include "worker/step.h"

/* A round begins so long after the one before it at the earliest. */
#define ROUND_MS 200
/* Between two looks at the clock. */
#define STEPS 16
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
	bool at_once = e->tree_ms == loop_now(worker_loop(w));

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
static struct worker *worker_of_round(struct broker *b)
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
	return worker_add_roots(next, &e->tree.pids) == 0 ? next : NULL;
}

/* One step of a round. False: it is over. */
static bool take_step(struct broker *b)
{
	struct evidence *e = &b->evidence;
	struct worker *w;
	int r;

	if (e->sockets.fd >= 0) {
		r = sockdiag_step(&e->sockets);
		e->complete = r == 0;
		return r >= 0;
	}
	w = e->complete ? worker_of_round(b) : NULL;
	if (!w)
		return false;
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
static void begin(struct broker *b)
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
			survey_add_ports(s, &e->sockets);
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
		begin(b);
	do
		more = take_step(b);
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
