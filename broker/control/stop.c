/*
 * A client may wait for the end of the broker: it is told how far that is, and what was cut off.
 */
#include "control.h"

#include "dispatch/channel.h"
#include "service/life.h"
#include "sys/starter.h"

#define LINE_MS 500

/* A client that waits for the end of the broker. */
struct stopping {
	struct task task;
	int64_t began_ms;
	uint64_t refused; /* connections, before the broker was told to end */
	bool drains;
	unsigned killed, cut, cut_open; /* what was not finished: workers, and connections */
};

static uint64_t count_refused(const struct broker *b)
{
	uint64_t n = b->gone.refused;

	list_for_each (const struct service, s, &b->services, link)
		n += s->dispatch.ledger.refused;
	return n;
}

/* @first: how the end can be seen is in it, and @message. */
static void write_line(struct stopping *s, bool first, const char *message)
{
	struct client *c = s->task.client;
	const struct master *m = c->control->master;
	struct strbuf *out = client_line(c, "stopping");
	unsigned workers = 0, connections = 0;
	const char *name = NULL;
	bool known = true;

	list_for_each (const struct service, of, &m->broker.services, link)
		list_for_each (const struct worker, w, &of->workers, link) {
			if (w->guest || w->state == WORKER_DEAD)
				continue;
			workers++;
			name = name ? name : w->name;
			known = known && w->found.round && w->found.open >= 0;
			connections += known ? (unsigned)w->found.open : 0;
			connections += taker_waiting(&w->taker);
		}
	json_int(out, "ms", loop_now(&m->broker.loop) - s->began_ms);
	json_uint(out, "workers", workers);
	json_int_if(out, "connections", known, connections);
	json_str(out, "worker", name);
	if (first) {
		json_int(out, "pid", starter_pid());
		json_str(out, "lock", m->rundir.lock);
		json_str(out, "message", message);
	}
	json_end(out);
	client_flush(c);
}

static void tick(struct loop_timer *timer)
{
	struct stopping *s = container_of(timer, struct stopping, task.tick);

	survey_want(s->task.client->control->survey, &s->task.survey);
}

static void surveyed(struct survey_waiter *waiter)
{
	struct stopping *s = container_of(waiter, struct stopping, task.survey);
	struct client *c = s->task.client;

	/* A client that does not read gets the next one. */
	if (!c->stream.out.len)
		write_line(s, false, NULL);
	loop_timer_arm(&client_broker(c)->loop, &s->task.tick, LINE_MS);
}

static void worker_stepped(struct observer *o, const struct worker *w, enum worker_state from,
			   enum worker_event ev)
{
	struct stopping *s = container_of(o, struct stopping, task.observer);

	if (w->guest)
		return;
	s->killed += ev == EV_KILL || (ev == EV_TIMEOUT && from == WORKER_STOPPING);
	if (ev != EV_TIMEOUT || from != WORKER_DRAINING)
		return;
	s->cut++;
	s->cut_open += w->open;
}

static void broker_ends(struct task *t)
{
	struct stopping *s = container_of(t, struct stopping, task);
	struct client *c = t->client;
	uint64_t refused = count_refused(client_broker(c)) - s->refused;
	STRBUF(left, 512);

	if (s->killed)
		strbuf_addf(&left, "; workers that had to be killed: %u", s->killed);
	if (s->cut)
		strbuf_addf(&left,
			    "; workers that had not finished when drain_timeout was over: %u, "
			    "open connections in them: %u",
			    s->cut, s->cut_open);
	/* Without a drain nobody is to be served. */
	if (refused && s->drains)
		strbuf_addf(&left, "; connections without a worker to go to: %llu",
			    (unsigned long long)refused);
	if (left.len)
		client_error(c, "unfinished", "the broker ends, but not in order%s", left.text);
	else
		client_end(c);
}

static const struct task_ops stopping_ops = {
	.surveyed = surveyed, .ticked = tick, .worker = worker_stepped, .broker_ends = broker_ends
};

/* False: there is no memory, and the client has been told. */
static bool await_end(struct client *c, bool drains, const char *message)
{
	struct broker *b = client_broker(c);
	struct stopping *s = client_begin(c, sizeof(*s), &stopping_ops);

	if (!s)
		return false;
	s->began_ms = loop_now(&b->loop);
	s->refused = count_refused(b);
	s->drains = drains;
	write_line(s, true, message);
	return true;
}

void control_end(struct client *c, struct service *s)
{
	struct master *m = c->control->master;
	bool now = request_has(&c->request, "--now");
	bool waits = !s && !request_has(&c->request, "--no-wait");
	const char *message = !s && m->broker.stopping
				      ? "the broker was already stopping: it now kills all workers"
				      : NULL;

	if (!waits && request_has(&c->request, "--timeout")) {
		client_error(c, "bad-request",
			     "--timeout limits how long the end of the broker is waited for, and "
			     "this does not wait");
		return;
	}
	/* First the answer: the end may be quick. */
	if (waits && !await_end(c, !now, message))
		return;
	if (!waits && message)
		client_end_saying(c, "%s", message);
	else if (!waits)
		client_end(c);
	if (s)
		service_stop_by_hand(s, now ? EV_STOP : EV_RETIRE);
	else
		master_stop(m, !now, 0);
}
