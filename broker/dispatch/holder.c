#include "holder.h"

#include <stdlib.h>
#include "base/fd.h"
#include "dispatch/flow.h"
#include "sys/pair.h"

#define VERDICT_MS 100

/*
 * The last rendezvous connection has ended, and the time for another one is over. If the socket
 * is still open somewhere, it went through an exec(3) whose new program has not spoken up:
 * it may still accept. Else the app has closed it.
 */
static void verdict_expired(struct loop_timer *timer)
{
	struct channel *c = container_of(timer, struct channel, verdict);
	struct taker *t = c->taker;

	if (c->broken || !t->ops->holds(t, c)) {
		t->ops->lost(t, c);
		return;
	}
	loop_timer_arm(channel_loop(c), &c->verdict, 10 * VERDICT_MS);
	endpoint_join(c->endpoint, c);
	endpoint_wake(c->endpoint);
}

void channel_break(struct channel *c)
{
	c->broken = true;
	endpoint_leave(c->endpoint, c);
	loop_timer_arm(channel_loop(c), &c->verdict, 0);
}

/* No more connections until it is known what it means that nobody says to have the socket. */
static void verify_closed(struct channel *c)
{
	endpoint_leave(c->endpoint, c);
	if (!c->broken)
		loop_timer_arm(channel_loop(c), &c->verdict, VERDICT_MS);
}

static void holder_free(struct channel_holder *h)
{
	loop_remove(channel_loop(h->channel), &h->source);
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
		verify_closed(c);
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
		verify_closed(c);
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
	r = loop_add(channel_loop(c), &h->source, fd, EPOLLIN);
	if (r < 0) {
		free(h);
		return r;
	}
	h->fd = fd;
	list_append(&c->holders, &h->link);
	if (!c->broken)
		loop_timer_disarm(&c->verdict);
	return 0;
}

static pid_t holder_pid(const struct channel *c)
{
	const struct channel_holder *h = list_first(&c->holders, struct channel_holder, link);

	return h ? h->pid : 0;
}

bool channel_is_stopped(struct channel *c)
{
	pid_t pid = holder_pid(c);

	return pid && proc_is_stopped(pid, &c->look);
}

bool channel_stays_stopped(struct channel *c)
{
	pid_t pid = holder_pid(c);

	return pid && proc_stays_stopped(pid, &c->look);
}

void channel_init_holders(struct channel *c)
{
	list_init(&c->holders);
	loop_timer_init(&c->verdict, verdict_expired);
}

void channel_free_holders(struct channel *c)
{
	struct channel_holder *h, *tmp;

	loop_timer_disarm(&c->verdict);
	list_for_each_safe (h, tmp, &c->holders, link)
		holder_free(h);
}
