/*
 * The channels of a worker: what the broker does with the two ends that sys/channel.c made,
 * and the books it keeps on them.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "core/master.h"
#include "sys/channel.h"
#include "sys/log.h"

#define VERDICT_MS 100
#define PROBE_MS   2000

static struct loop *loop_of(const struct channel *c)
{
	return &c->worker->service->master->loop;
}

static void channel_woken(struct loop_source *source, uint32_t events)
{
	struct channel *c = container_of(source, struct channel, wake);

	(void)events;
	endpoint_dispatch(c->endpoint);
}

/* Whether any process of the worker still has the listening socket open. */
static bool is_held(const struct channel *c)
{
	struct pid_set all = { 0 };
	bool held = false;

	(void)worker_processes(c->worker, &all);
	for (size_t i = 0; i < all.n && !held; i++)
		held = proc_holds_socket(all.pids[i], c->rx_inode);
	pid_set_deinit(&all);
	return held;
}

/*
 * The rendezvous connection has ended, and the time for other news is over. If the socket
 * is still open somewhere, it went through an exec(3) whose new program has not spoken up:
 * it may still accept. Else the app has closed it.
 */
static void verdict_expired(struct loop_timer *timer)
{
	struct channel *c = container_of(timer, struct channel, verdict);
	struct worker *w = c->worker;
	bool probe;

	if (is_held(c)) {
		if (w->state == WORKER_READY && list_empty(&c->member.link))
			endpoint_add_channel(c);
		loop_timer_arm(loop_of(c), &c->verdict, 10 * VERDICT_MS);
		return;
	}
	channel_take_back(c, "the worker closed its listening socket");
	endpoint_dispatch(c->endpoint);
	channel_close(c);
	if (!list_empty(&w->channels))
		return;
	/* To see whether a port is free nobody accepts. */
	probe = w->ready_ms && loop_now(&w->service->master->loop) - w->ready_ms < PROBE_MS &&
		worker_taken(w) == 0;
	loop_timer_disarm(&w->settle);
	worker_event(w, probe ? EV_UNLISTEN : EV_CLOSED);
}

static void ctl_hangup(struct loop_source *source, uint32_t events)
{
	struct channel *c = container_of(source, struct channel, hangup);
	char byte;

	(void)events;
	/* A worker has nothing to say here; what it says is read away and costs one turn each. */
	if (rendezvous_receive(c->ctl, &byte, sizeof(byte)) > 0)
		return;
	loop_remove(loop_of(c), &c->hangup);
	fd_closep(&c->ctl);
	/* No more connections until it is known what this means. */
	if (!list_empty(&c->member.link)) {
		balancer_remove(&c->endpoint->round, &c->member);
		loop_modify(loop_of(c), &c->wake, 0);
	}
	loop_timer_arm(loop_of(c), &c->verdict, VERDICT_MS);
}

int worker_add_channel(struct worker *w, struct endpoint *e, int ctl, pid_t holder,
		       struct channel **ret)
{
	struct master *m = w->service->master;
	struct handoff_name name = { .channel = m->next_channel_id + 1, .addr = e->app_addr };
	struct channel *c = calloc(1, sizeof(*c));
	struct stat st;
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(name.token, w->token, sizeof(name.token));
	list_init(&c->link);
	list_init(&c->member.link);
	c->member.slot = w->slot;
	c->endpoint = e;
	c->worker = w;
	c->id = ++m->next_channel_id;
	c->tx = c->rx = c->ctl = -1;
	c->holder = holder;
	c->wake = (struct loop_source){ .fd = -1, .ready = channel_woken };
	c->hangup = (struct loop_source){ .fd = -1, .ready = ctl_hangup };
	loop_timer_init(&c->verdict, verdict_expired);

	r = channel_open(&name, w->conf->queue, &c->tx, &c->rx);
	if (r == 0 && fstat(c->rx, &st) < 0)
		r = -errno;
	if (r == 0)
		r = loop_add(&m->loop, &c->wake, c->tx, 0);
	if (r == 0)
		r = loop_add(&m->loop, &c->hangup, ctl, EPOLLIN);
	if (r < 0) {
		loop_remove(&m->loop, &c->wake);
		fd_closep(&c->tx);
		fd_closep(&c->rx);
		free(c);
		return r;
	}
	c->rx_inode = st.st_ino;
	c->ctl = ctl;
	e->n_channels++;
	list_append(&w->channels, &c->link);
	*ret = c;
	return 0;
}

struct channel *worker_find_channel(struct worker *w, uint64_t id)
{
	struct channel *c;

	list_for_each (c, &w->channels, link)
		if (c->id == id)
			return c;
	return NULL;
}

int channel_adopt(struct channel *c, int ctl, pid_t holder)
{
	loop_remove(loop_of(c), &c->hangup);
	int r = loop_add(loop_of(c), &c->hangup, ctl, EPOLLIN);

	if (r < 0)
		return r;
	fd_closep(&c->ctl);
	c->ctl = ctl;
	c->holder = holder;
	loop_timer_disarm(&c->verdict);
	if (c->worker->state == WORKER_READY && list_empty(&c->member.link)) {
		balancer_add(&c->endpoint->round, &c->member);
		endpoint_dispatch(c->endpoint);
	}
	return 0;
}

int channel_give(struct channel *c, const struct handoff_conn *conn, int fd)
{
	int r = channel_send(c->tx, conn, fd);

	if (r == CHANNEL_DONE) {
		c->sent++;
		c->worker->service->ledger.sent++;
		watch_needed(c->worker->service->master);
	}
	return r;
}

unsigned channel_take_back(struct channel *c, const char *reason)
{
	return channel_take_back_but(c, 0, reason);
}

unsigned channel_take_back_but(struct channel *c, unsigned keep, const char *reason)
{
	struct handoff_conn conn;
	unsigned n = 0;
	int fd, r = 0;

	while ((!keep || channel_waiting(c->rx) > keep) &&
	       (r = channel_receive(c->rx, &conn, &fd)) == CHANNEL_DONE) {
		endpoint_put_back(c->endpoint, &conn, fd);
		n++;
	}
	c->taken_back += n;
	c->worker->service->ledger.taken_back += n;
	c->member.waiting = keep ? channel_waiting(c->rx) : 0;
	if (r < 0)
		log_event(LEVEL_ERROR, "limit", LOG_STR("worker", c->worker->name),
			  LOG_MSG("cannot take back what waits at the worker: %s; raise the "
				  "descriptor "
				  "limit of the broker",
				  strerror(-r)));
	if (n)
		log_event(LEVEL_INFO, "taken-back", LOG_STR("worker", c->worker->name),
			  LOG_INT("count", n), LOG_STR("reason", reason),
			  LOG_MSG("%u waiting connection%s given to others: %s", n,
				  n == 1 ? "" : "s", reason));
	return n;
}

void channel_close(struct channel *c)
{
	struct worker *w = c->worker;

	if (!list_empty(&c->member.link))
		balancer_remove(&c->endpoint->round, &c->member);
	w->served += c->sent - c->taken_back;
	c->endpoint->n_channels--;
	loop_timer_disarm(&c->verdict);
	loop_remove(loop_of(c), &c->wake);
	loop_remove(loop_of(c), &c->hangup);
	fd_closep(&c->ctl);
	fd_closep(&c->tx);
	fd_closep(&c->rx);
	list_remove(&c->link);
	free(c);
}

uint64_t worker_taken(const struct worker *w)
{
	uint64_t n = w->served;
	struct channel *c;

	list_for_each (c, &w->channels, link)
		n += c->sent - c->taken_back - channel_waiting(c->rx);
	return n;
}

unsigned worker_waiting(const struct worker *w)
{
	unsigned n = 0;
	struct channel *c;

	list_for_each (c, &w->channels, link)
		n += channel_waiting(c->rx);
	return n;
}
