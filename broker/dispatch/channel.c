/*
 * The channels of a worker: what the broker does with the two ends that sys/channel.c made,
 * and the books it keeps on them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "service/service.h"
#include "sys/channel.h"
#include "sys/log.h"

#define VERDICT_MS 100
#define PROBE_MS   2000

static struct loop *loop_of(const struct channel *c)
{
	return &c->worker->service->broker->loop;
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
 * The app does not listen any more: what waits in @c is dispatched again, @c is freed, and the
 * worker hears of it if it was its last. From the loop alone: whoever sends, or walks the channels
 * of a worker, may stand in the middle of @c.
 */
static void channel_lost(struct channel *c, const char *reason)
{
	struct worker *w = c->worker;
	struct endpoint *e = c->endpoint;
	bool probe;

	endpoint_leave(e, c);
	channel_take_back(c, reason);
	channel_close(c);
	endpoint_dispatch(e);
	if (!list_empty(&w->channels))
		return;
	/* To see whether a port is free nobody accepts. */
	probe = w->ready_ms && loop_now(&w->service->broker->loop) - w->ready_ms < PROBE_MS &&
		worker_taken(w) == 0;
	loop_timer_disarm(&w->settle);
	worker_event(w, probe ? EV_UNLISTEN : EV_CLOSED);
}

/*
 * The last rendezvous connection has ended, and the time for other news is over. If the socket
 * is still open somewhere, it went through an exec(3) whose new program has not spoken up:
 * it may still accept. Else the app has closed it.
 */
static void verdict_expired(struct loop_timer *timer)
{
	struct channel *c = container_of(timer, struct channel, verdict);

	if (c->broken) {
		channel_lost(c, "the worker shut its listening socket down");
		return;
	}
	if (!is_held(c)) {
		channel_lost(c, "the worker closed its listening socket");
		return;
	}
	loop_timer_arm(loop_of(c), &c->verdict, 10 * VERDICT_MS);
	if (c->worker->state == WORKER_READY) {
		endpoint_join(c->endpoint, c);
		endpoint_dispatch(c->endpoint);
	}
}

void channel_break(struct channel *c)
{
	c->broken = true;
	endpoint_leave(c->endpoint, c);
	loop_timer_arm(loop_of(c), &c->verdict, 0);
}

/* No more connections until it is known what it means that nobody says to have the socket. */
static void doubt(struct channel *c)
{
	endpoint_leave(c->endpoint, c);
	if (!c->broken)
		loop_timer_arm(loop_of(c), &c->verdict, VERDICT_MS);
}

static void holder_free(struct channel_holder *h)
{
	loop_remove(loop_of(h->channel), &h->source);
	fd_closep(&h->fd);
	list_remove(&h->link);
	free(h);
}

static void holder_ready(struct loop_source *source, uint32_t events)
{
	struct channel_holder *h = container_of(source, struct channel_holder, source);
	struct channel *c = h->channel;
	char byte;

	(void)events;
	/* A worker has nothing to say here; what it says is read away and costs one turn each. */
	if (rendezvous_receive(h->fd, &byte, sizeof(byte)) > 0)
		return;
	holder_free(h);
	if (list_empty(&c->holders))
		doubt(c);
}

bool channel_has_holder(struct channel *c)
{
	struct channel_holder *h, *tmp;
	bool had = !list_empty(&c->holders);

	list_for_each_safe (h, tmp, &c->holders, link) {
		char byte;

		if (rendezvous_receive(h->fd, &byte, sizeof(byte)) == 0)
			holder_free(h);
	}
	if (had && list_empty(&c->holders))
		doubt(c);
	return !list_empty(&c->holders);
}

int channel_add_holder(struct channel *c, int fd, pid_t pid)
{
	struct channel_holder *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->channel = c;
	h->pid = pid;
	h->source = (struct loop_source){ .fd = -1, .ready = holder_ready };
	r = loop_add(loop_of(c), &h->source, fd, EPOLLIN);
	if (r < 0) {
		free(h);
		return r;
	}
	h->fd = fd;
	list_append(&c->holders, &h->link);
	if (!c->broken)
		loop_timer_disarm(&c->verdict);
	if (c->worker->state == WORKER_READY && list_empty(&c->member.link))
		worker_publish(c->worker);
	return 0;
}

bool channel_is_stopped(struct channel *c)
{
	const struct channel_holder *h = list_first(&c->holders, struct channel_holder, link);

	return h && proc_is_stopped(h->pid, &c->look);
}

bool channel_stays_stopped(struct channel *c)
{
	const struct channel_holder *h = list_first(&c->holders, struct channel_holder, link);

	return h && proc_stays_stopped(h->pid, &c->look);
}

int worker_add_channel(struct worker *w, struct endpoint *e, struct channel **ret_channel)
{
	struct broker *b = w->service->broker;
	struct handoff_name name = { .channel = b->given.channel + 1, .addr = e->app_addr };
	struct channel *c = calloc(1, sizeof(*c));
	struct stat st = { 0 };
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(name.token, w->token, sizeof(name.token));
	list_init(&c->link);
	list_init(&c->member.link);
	list_init(&c->holders);
	c->member.slot = w->slot;
	c->endpoint = e;
	c->worker = w;
	c->id = ++b->given.channel;
	c->tx = c->rx = -1;
	c->page = (struct page)PAGE_INIT;
	c->wake = (struct loop_source){ .fd = -1, .ready = channel_woken };
	loop_timer_init(&c->verdict, verdict_expired);

	r = channel_open(&name, w->conf->queue, &c->tx, &c->rx);
	if (r == 0 && fstat(c->rx, &st) < 0)
		r = -errno;
	if (r == 0)
		r = loop_add(&b->loop, &c->wake, c->tx, 0);
	if (r < 0) {
		fd_closep(&c->tx);
		fd_closep(&c->rx);
		free(c);
		return r;
	}
	c->rx_inode = st.st_ino;
	/* Without one its waiting times are not known: no reason to refuse a worker. */
	if (b->measuring)
		(void)page_open(&c->page);
	e->n_channels++;
	list_append(&w->channels, &c->link);
	*ret_channel = c;
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

int channel_give(struct channel *c, const struct handoff_conn *conn, int fd)
{
	int r = channel_send(c->tx, conn, fd);

	if (r == CHANNEL_DONE) {
		/* The first that waits: it has not stood still before. */
		if (!c->member.waiting)
			c->moved_ms = loop_now(loop_of(c));
		c->sent++;
		c->robbed = false;
		c->worker->service->ledger.sent++;
		broker_watch(c->worker->service->broker);
	}
	return r;
}

/*
 * As channel_receive(), and it needs no free descriptor: first what we hold goes to others, and
 * then there is one that is kept for this.
 */
static int receive(struct channel *c, struct handoff_conn *ret_conn, int *ret_fd)
{
	int r = channel_receive(c->rx, ret_conn, ret_fd);

	if (r != -EMFILE)
		return r;
	endpoint_dispatch(c->endpoint);
	fd_closep(&c->worker->service->broker->spare_fd);
	return channel_receive(c->rx, ret_conn, ret_fd);
}

unsigned channel_take_back(struct channel *c, const char *reason)
{
	struct broker *b = c->worker->service->broker;
	struct handoff_conn conn;
	unsigned n = 0;
	int fd, r = CHANNEL_EMPTY;

	/* No more than we put in: a worker that sends by itself does not keep us here. */
	while (n < c->sent - c->taken_back && (r = receive(c, &conn, &fd)) == CHANNEL_DONE) {
		endpoint_put_back(c->endpoint, &conn, fd);
		n++;
	}
	if (b->spare_fd < 0)
		b->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	c->taken_back += n;
	c->robbed = c->robbed || n > 0;
	c->worker->service->ledger.taken_back += n;
	c->member.waiting = r < 0 ? channel_waiting(c->rx) : 0;
	if (r < 0)
		log_event(LEVEL_ERROR, "limit", LOG_WORKER(c->worker),
			  LOG_MSG("cannot take back what waits at the worker: %s; raise the "
				  "descriptor limit of the broker",
				  strerror(-r)));
	if (n)
		log_event(LEVEL_INFO, "taken-back", LOG_WORKER(c->worker), LOG_INT("count", n),
			  LOG_STR("reason", reason),
			  LOG_MSG("%u waiting connection%s given to others: %s", n,
				  n == 1 ? "" : "s", reason));
	return n;
}

void channel_close(struct channel *c)
{
	struct worker *w = c->worker;
	struct channel_holder *h, *tmp;

	endpoint_leave(c->endpoint, c);
	list_for_each_safe (h, tmp, &c->holders, link)
		holder_free(h);
	(void)channel_look(c);
	histogram_merge(&w->service->measured.waited, &c->waited);
	page_close(&c->page);
	w->served += c->sent - c->taken_back;
	c->endpoint->n_channels--;
	loop_timer_disarm(&c->verdict);
	loop_remove(loop_of(c), &c->wake);
	fd_closep(&c->tx);
	fd_closep(&c->rx);
	list_remove(&c->link);
	free(c);
}

bool channel_has_unpinned(const struct channel *c)
{
	return c->sent < c->sent_unpinned + channel_backlog(c);
}

unsigned channel_backlog(const struct channel *c)
{
	return c->member.waiting ? channel_waiting(c->rx) : 0;
}

unsigned channel_look(struct channel *c)
{
	struct handoff_page said;
	unsigned waiting;

	/* In this order: what the page has was taken before, so what is taken now is its limit. */
	page_read(&c->page, &said);
	waiting = channel_backlog(c);
	if (c->page.map)
		histogram_believe(&c->waited, &said, c->sent - c->taken_back - waiting);
	return waiting;
}

uint64_t worker_taken(const struct worker *w)
{
	uint64_t n = w->served;
	struct channel *c;

	list_for_each (c, &w->channels, link)
		n += c->sent - c->taken_back - channel_backlog(c);
	return n;
}

unsigned worker_waiting(const struct worker *w)
{
	unsigned n = 0;
	struct channel *c;

	list_for_each (c, &w->channels, link)
		n += channel_backlog(c);
	return n;
}
