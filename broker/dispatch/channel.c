#include "channel.h"

#include <string.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "dispatch/flow.h"
#include "dispatch/holder.h"

#define PROBE_MAX_MS 30000

static void woken(struct loop_source *source, uint32_t events)
{
	struct endpoint *e = container_of(source, struct channel, wake)->endpoint;

	(void)events;
	e->taken(e);
}

static int open_pair(struct channel *c, const struct handoff_name *name)
{
	struct stat st = { 0 };
	int r = pair_open(name, c->taker->queue, &c->tx, &c->rx);

	if (r == 0 && fstat(c->rx, &st) < 0)
		r = -errno;
	if (r == 0)
		r = loop_add(channel_loop(c), &c->wake, c->tx, 0);
	if (r < 0) {
		fd_closep(&c->tx);
		fd_closep(&c->rx);
	}
	c->rx_inode = st.st_ino;
	return r;
}

int channel_new(struct taker *t, struct endpoint *e, struct channel **ret_channel)
{
	struct broker *b = t->dispatch->broker;
	struct handoff_name name = { .channel = b->given.channel + 1, .addr = e->app_addr };
	struct channel *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(name.token, t->token, sizeof(name.token));
	list_init(&c->link);
	list_init(&c->member.link);
	c->member.slot = t->slot;
	c->endpoint = e;
	c->taker = t;
	c->id = ++b->given.channel;
	c->worker = t->id;
	c->tx = c->rx = -1;
	c->page = (struct page)PAGE_INIT;
	c->wake = (struct loop_source){ .fd = -1, .ready = woken };
	channel_init_holders(c);
	r = open_pair(c, &name);
	if (r < 0) {
		free(c);
		return r;
	}
	/* Without one its waiting times are not known: no reason to refuse a worker. */
	if (b->measuring)
		(void)page_open(&c->page);
	e->n_channels++;
	list_append(&t->channels, &c->link);
	*ret_channel = c;
	return 0;
}

void channel_close(struct channel *c)
{
	struct taker *t = c->taker;

	endpoint_leave(c->endpoint, c);
	channel_free_holders(c);
	(void)channel_look(c);
	histogram_merge(&t->dispatch->waited, &c->waited);
	page_close(&c->page);
	c->endpoint->served |= channel_taken(c, 0) > 0;
	*t->served += channel_taken(c, 0);
	c->endpoint->n_channels--;
	loop_remove(channel_loop(c), &c->wake);
	fd_closep(&c->tx);
	fd_closep(&c->rx);
	list_remove(&c->link);
	free(c);
}

enum pair_result channel_give(struct channel *c, const struct handoff_conn *conn, int fd)
{
	enum pair_result r = pair_send(c->tx, conn, fd);
	struct dispatch *d = c->taker->dispatch;

	if (r == PAIR_SENT) {
		/* The first that waits: it has not stood still before. */
		if (!c->member.waiting)
			c->moved_ms = loop_now(&d->broker->loop);
		c->sent++;
		c->taken_back_since_given = false;
		d->ledger.sent++;
		broker_watch(d->broker);
	}
	return r;
}

bool channel_has_unpinned(const struct channel *c)
{
	return c->sent < c->sent_unpinned + channel_backlog(c);
}

unsigned channel_backlog(const struct channel *c)
{
	return c->member.waiting ? pair_waiting(c->rx) : 0;
}

unsigned channel_look(struct channel *c)
{
	struct handoff_page said;
	unsigned waiting;

	/* In this order: what the page has was taken before, so what is taken now is its limit. */
	page_read(&c->page, &said);
	waiting = channel_backlog(c);
	if (c->page.map)
		histogram_believe(&c->waited, &said, channel_taken(c, waiting));
	return waiting;
}

void channel_shun(struct channel *c)
{
	struct broker *b = c->taker->dispatch->broker;

	if (!c->stalled)
		c->probe_delay_ms = c->taker->stall_timeout_ms;
	else if (c->probe_delay_ms < PROBE_MAX_MS)
		c->probe_delay_ms *= 2;
	c->stalled = true;
	c->member.limit = 0;
	c->probe_ms = loop_now(&b->loop) + c->probe_delay_ms;
	broker_watch(b);
}

void channel_trust(struct channel *c)
{
	c->stalled = false;
	c->member.limit = c->taker->queue;
}
