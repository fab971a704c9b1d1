#include "channel.h"

#include <sys/stat.h>
#include "base/fd.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"
#include "sys/log.h"
#include "sys/retire.h"

#define PROBE_MAX_MS 30000
#define VERDICT_MS   100
/* A process that is to receive it may have to start first. */
#define MAYBE_LOOKS 100

/* --- its holders --------------------------------------------------------------------- */

/*
 * The last rendezvous connection has ended, and the time for another one is over. If the socket
 * is still open somewhere, it went through an exec(3) whose new program has not spoken up:
 * it may still accept. Else the app has closed it.
 */
static void verdict_expired(struct loop_timer *timer)
{
	struct channel *c = container_of(timer, struct channel, verdict);
	struct taker *t = c->taker;
	int64_t rest_ms = taker_look_rest(t, 0);
	uint64_t began_ns = loop_cpu_ns();
	enum taker_holds holds;

	if (!c->broken && rest_ms) {
		loop_timer_arm(channel_loop(c), &c->verdict, rest_ms + VERDICT_MS);
		return;
	}
	holds = c->broken ? HOLDS_NOT : t->ops->holds(t, c);
	(void)taker_look_rest(t, loop_cpu_ns() - began_ns);
	if (holds == HOLDS_MAYBE && c->maybe_looks++ < MAYBE_LOOKS) {
		loop_timer_arm(channel_loop(c), &c->verdict, VERDICT_MS);
		return;
	}
	if (holds != HOLDS_IT) {
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
	retire_fd(&h->fd);
	list_remove(&h->link);
	free(h);
}

static void holder_ready(struct loop_source *source, uint32_t events)
{
	struct channel_holder *h = container_of(source, struct channel_holder, source);
	struct channel *c = h->channel;
	char byte;

	(void)events;
	/* Whatever it says is read away and costs one turn each: it means "look". */
	if (rendezvous_receive(h->fd, &byte, sizeof(byte)) > 0) {
		c->taker->ops->said(c->taker, c);
		broker_watch(c->taker->dispatch->broker);
		return;
	}
	holder_free(h);
	if (list_empty(&c->holders))
		verify_closed(c);
}

bool channel_has_holder(struct channel *c)
{
	bool had = !list_empty(&c->holders);

	list_for_each_safe (struct channel_holder, h, tmp, &c->holders, link) {
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
	c->maybe_looks = 0;
	if (!c->broken)
		loop_timer_disarm(&c->verdict);
	return 0;
}

bool channel_is_stopped(struct channel *c, bool was)
{
	const struct channel_holder *h = list_first(&c->holders, struct channel_holder, link);

	return h && h->pid && proc_is_stopped(h->pid, &c->look, was);
}

/* --- made and closed ----------------------------------------------------------------- */

static void woken(struct loop_source *source, uint32_t events)
{
	struct endpoint *e = container_of(source, struct channel, wake)->endpoint;

	(void)events;
	(void)e->dispatch_now(e, NULL);
}

static int open_pair(struct channel *c, struct handoff_name *name)
{
	struct stat st = { 0 };
	int r = pair_open(name, c->taker->conf->queue, &c->tx, &c->rx);

	if (r == 0 && fstat(c->rx, &st) < 0)
		r = -errno;
	if (r == 0)
		r = loop_add(channel_loop(c), &c->wake, c->tx, 0);
	if (r < 0) {
		retire_fd(&c->tx);
		retire_fd(&c->rx);
	}
	c->rx_inode = st.st_ino;
	return r;
}

struct channel *channel_make(struct taker *t, struct endpoint *e)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	list_init(&c->link);
	list_init(&c->member.link);
	c->member.slot = t->self->slot;
	c->endpoint = e;
	c->taker = t;
	c->worker = t->self->id;
	c->tx = c->rx = c->seat = -1;
	c->page = PAGE_INIT;
	c->wake = (struct loop_source){ .fd = -1, .quiet = true, .ready = woken };
	list_init(&c->holders);
	loop_timer_init(&c->verdict, verdict_expired);
	return c;
}

int channel_new(struct taker *t, struct endpoint *e, struct channel **ret_channel)
{
	struct broker *b = t->dispatch->broker;
	struct handoff_name name = { .channel = b->given.channel + 1,
				     .addr = address_outside(&e->app_addr) };
	struct channel *c = channel_make(t, e);
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(name.worker, t->self->token, sizeof(name.worker));
	c->id = ++b->given.channel;
	r = open_pair(c, &name);
	if (r < 0) {
		free(c);
		return r;
	}
	/* Without one it is slower, and its waiting times are not known: no reason to refuse it. */
	(void)page_open(&c->page, t->processes);
	e->n_channels++;
	list_append(&t->channels, &c->link);
	*ret_channel = c;
	return 0;
}

/* What it has asked holds no longer; but if nobody is left, until another one asks. */
static void unask(struct channel *c)
{
	static const struct asked nothing;
	STRBUF(error, 512);

	if (c->endpoint->n_channels > 1 &&
	    endpoint_ask(c->endpoint, c, &nothing, c->taker->conf, &error) < 0)
		log_event(LEVEL_ERROR, "listen", LOG_STR("service", c->taker->dispatch->service),
			  LOG_INT("port", c->endpoint->app_addr.port), LOG_MSG("%s", error.text));
}

void channel_close(struct channel *c)
{
	struct taker *t = c->taker;

	unask(c);
	endpoint_leave(c->endpoint, c);
	loop_timer_disarm(&c->verdict);
	list_for_each_safe (struct channel_holder, h, tmp, &c->holders, link)
		holder_free(h);
	(void)channel_look(c);
	histogram_merge(&t->dispatch->waited, &c->waited);
	retire_fd(&c->page.fd);
	page_close(&c->page);
	c->endpoint->served |= channel_taken(c, 0) > 0;
	t->self->served += channel_taken(c, 0);
	c->endpoint->dispatch->in_use -= channel_in_use(c);
	c->endpoint->n_channels--;
	loop_remove(channel_loop(c), &c->wake);
	retire_fd(&c->tx);
	retire_fd(&c->rx);
	fd_closep(&c->seat);
	list_remove(&c->link);
	free(c);
}

/* --- given to, and looked at ------------------------------------------------------------ */

/* Sends @conn as the next message of @c. Our copy is closed before the next one is sent. */
static enum pair_result send_next(struct channel *c, struct handoff_conn *conn, int fd)
{
	conn->number = c->sent + c->checks + 1;
	return pair_send(c->tx, conn, fd);
}

enum pair_result channel_give(struct channel *c, struct handoff_conn *conn, int fd)
{
	enum pair_result r = send_next(c, conn, fd);
	struct dispatch *d = c->endpoint->dispatch;

	if (r == PAIR_SENT) {
		/* The first that waits: it has not stood still before. */
		if (!c->member.waiting)
			c->moved_ms = loop_now(&d->broker->loop);
		c->sent++;
		c->taken_back_since_given = false;
		d->in_use++;
		d->ledger.sent++;
		broker_watch(d->broker);
	}
	return r;
}

void channel_ended(struct channel *c, unsigned n)
{
	struct dispatch *d = c->endpoint->dispatch;

	n = n < channel_in_use(c) ? n : channel_in_use(c);
	c->ended += n;
	d->in_use -= n;
	if (n && d->limit && c->endpoint->paused)
		endpoint_wake(c->endpoint);
}

enum pair_result channel_give_check(struct channel *c, struct handoff_conn *conn, int fd)
{
	enum pair_result r;

	conn->listener = 0;
	r = send_next(c, conn, fd);
	if (r == PAIR_SENT) {
		c->checks++;
		c->check_at = c->sent + c->checks;
		c->taken_back_since_given = false;
	}
	return r;
}

/* Whoever takes messages, takes the oldest: those that are there are the last that were sent. */
bool channel_check_waits(const struct channel *c, unsigned messages)
{
	return c->check_at && c->check_at + messages > c->sent + c->checks;
}

unsigned channel_waiting(const struct channel *c)
{
	unsigned messages = pair_waiting(c->rx);

	return messages - channel_check_waits(c, messages);
}

bool channel_has_unpinned(const struct channel *c)
{
	return c->sent < c->sent_unpinned + channel_backlog(c);
}

unsigned channel_backlog(const struct channel *c)
{
	return c->member.waiting ? channel_waiting(c) : 0;
}

unsigned channel_look(struct channel *c)
{
	struct handoff_page said;
	unsigned waiting;

	/* Reading makes it a page of ours: so only if it is wanted. */
	if (c->page.fd < 0 || !c->taker->dispatch->broker->measuring)
		return channel_backlog(c);
	/* In this order: what the page has was taken before, so what is taken now is its limit. */
	page_read(&c->page, &said);
	waiting = channel_backlog(c);
	histogram_believe(&c->waited, &said, channel_taken(c, waiting));
	return waiting;
}

bool channel_hear(struct channel *c)
{
	if (!c->native)
		return false;
	balancer_set_load(&c->endpoint->round, &c->member, c->member.load,
			  __atomic_load_n(&c->page.map->load, __ATOMIC_RELAXED));
	return __atomic_load_n(&c->page.map->leaving, __ATOMIC_ACQUIRE) != 0;
}

const char *channel_backend(const struct channel *c)
{
	static const char *const words[] = {
		[HANDOFF_BACKEND_PRELOAD] = "preload",
		[HANDOFF_BACKEND_NATIVE] = "native",
		[HANDOFF_BACKEND_TRAP] = "trap",
		[HANDOFF_BACKEND_LOADED] = "loaded",
	};

	return c->backend < ARRAY_SIZE(words) ? words[c->backend] : NULL;
}

bool channel_is_accepting(const struct channel *c)
{
	return c->page.fd >= 0 && __atomic_load_n(&c->page.map->accepting, __ATOMIC_RELAXED) > 0;
}

void channel_tell_draining(struct channel *c, bool draining)
{
	if (!c->native || c->draining == draining)
		return;
	c->draining = draining;
	__atomic_store_n(&c->page.map->draining, draining, __ATOMIC_RELEASE);
	pair_nudge(c->tx);
}

void channel_shun(struct channel *c)
{
	struct broker *b = c->taker->dispatch->broker;

	if (!c->shunned) {
		if (!c->stalled_since_ms)
			c->stalled_since_ms = c->moved_ms;
		c->probe_delay_ms = c->taker->self->proven ? c->taker->conf->stall_timeout_ms
							   : c->taker->conf->proof_wait_ms;
	} else if (c->probe_delay_ms < PROBE_MAX_MS) {
		c->probe_delay_ms *= 2;
	}
	c->shunned = true;
	c->n_untaken++;
	c->member.limit = 0;
	c->probe_ms = loop_now(&b->loop) + c->probe_delay_ms;
	broker_watch(b);
}

void channel_trust(struct channel *c)
{
	c->shunned = false;
	c->n_untaken = 0;
	c->stalled_since_ms = 0;
	c->member.limit = c->taker->conf->queue;
}

void channel_close_seat(struct channel *c)
{
	if (c->seat >= 0)
		(void)shutdown(c->seat, SHUT_RDWR); /* the worker may have it, too */
	fd_closep(&c->seat);
}
