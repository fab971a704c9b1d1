#include "rescue.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/pending.h"
#include "sys/log.h"
#include "sys/proc.h"
#include "sys/tcp.h"

/* More is what no broker has given between two states: the worker has written there. */
#define GIVEN_MAX (1ull << 32)

static void count_given(struct channel *c, uint64_t n)
{
	struct dispatch *d = c->endpoint->dispatch;

	c->sent += n;
	d->in_use += d->limit ? (unsigned)n : 0;
	d->ledger.sent += n;
	d->ledger.accepted += n;
}

void dispatch_uncount(struct dispatch *d, const struct kept_pending *p)
{
	struct listener *l =
		list_find(struct listener, o, &d->listeners, link, o->id == p->conn.listener);

	d->ledger.accepted--;
	if (l)
		l->accepted--;
}

void dispatch_recount(struct dispatch *d)
{
	uint64_t given = 0;

	list_for_each (struct taker, t, &d->takers, link)
		list_for_each (struct channel, c, &t->channels, link) {
			uint64_t last = __atomic_load_n(&c->page.map->closed, __ATOMIC_ACQUIRE);
			uint64_t known = c->sent + c->checks;

			if (last <= known || last - known > GIVEN_MAX)
				continue;
			count_given(c, last - known);
			given += last - known;
		}
	/* Each number is given once. */
	d->broker->given.conn += given;
}

static struct channel *find_channel(struct dispatch *d, uint64_t id)
{
	list_for_each (struct taker, t, &d->takers, link) {
		struct channel *c = taker_find_channel(t, id);

		if (c)
			return c;
	}
	return NULL;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/*
 * Whether the worker of @c has the connection @fd, or had it. What it has not taken yet comes back,
 * and is pending then. In doubt it has it: nobody is to be served twice.
 */
static bool has_been_given(struct channel *c, int fd)
{
	uint64_t inode = inode_of(fd);

	(void)endpoint_take_back(c, "the broker was killed");
	list_for_each (const struct pending_conn, p, &c->endpoint->pending, link)
		if (inode_of(p->fd) == inode)
			return true;
	if (tcp_was_written(fd))
		return true;
	switch (proc_holds_socket(c->taker->self->pid, inode)) {
	case PROC_YES:
		return true;
	case PROC_UNKNOWN:
		c->endpoint->dispatch->broker->hand->doubts++;
		return true;
	case PROC_NO:
		break;
	}
	return false;
}

static bool is_unix_name(int fd, struct sockaddr_un *ret, socklen_t *ret_len)
{
	*ret = (struct sockaddr_un){ 0 };
	*ret_len = sizeof(*ret);
	return getsockname(fd, (struct sockaddr *)ret, ret_len) == 0 && ret->sun_family == AF_UNIX;
}

/* Whether connection @fd came through @l, as their own addresses say. */
static bool came_through(int fd, const struct listener *l)
{
	static const uint8_t any[sizeof(l->addr.ip)];
	struct handoff_addr a, b;
	struct sockaddr_un one, other;
	socklen_t n, m;

	if (is_unix_name(fd, &one, &n))
		return is_unix_name(l->fd, &other, &m) && n == m && !memcmp(&one, &other, n);
	return tcp_own_address(fd, &a) == 0 && tcp_own_address(l->fd, &b) == 0 &&
	       a.port == b.port && a.family && b.family &&
	       (!memcmp(b.ip, any, sizeof(any)) || address_equal(&a, &b));
}

static void add_pending(struct listener *l, int fd)
{
	struct broker *b = l->dispatch->broker;
	struct handoff_conn conn = { .id = ++b->given.conn, .listener = l->id };

	handoff_header_init(&conn.h, HANDOFF_CONN);
	conn.flags = fcntl(fd, F_GETFL) & O_NONBLOCK ? HANDOFF_CONN_NONBLOCK : 0;
	(void)tcp_peer_address(fd, &conn.peer);
	l->accepted++;
	l->dispatch->ledger.accepted++;
	pending_add(l->endpoint, &conn, fd, true);
	endpoint_wake(l->endpoint);
}

bool dispatch_rescue(struct dispatch *d, int fd)
{
	const struct kept_hand *hand = d->broker->hand;
	struct listener *l = list_find(struct listener, o, &d->listeners, link,
				       o->endpoint && came_through(fd, o));
	struct channel *c;

	if (!l)
		return false;
	c = fd == hand->fd ? find_channel(d, hand->channel) : NULL;
	if (c && has_been_given(c, fd)) {
		count_given(c, 1);
		(void)close(fd);
	} else {
		add_pending(l, fd);
	}
	return true;
}
