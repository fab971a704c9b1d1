#include "returned.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "dispatch/channel.h"
#include "dispatch/flow.h"
#include "dispatch/pending.h"
#include "sys/tcp.h"

struct channel *returned_from(struct broker *b, uint64_t channel)
{
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct taker, t, &s->dispatch.takers, link) {
			struct channel *c = taker_find_channel(t, channel);

			if (c)
				return c;
		}
	return NULL;
}

static bool unix_name(int fd, struct sockaddr_un *ret, socklen_t *ret_len)
{
	*ret = (struct sockaddr_un){ 0 };
	*ret_len = sizeof(*ret);
	return getsockname(fd, (struct sockaddr *)ret, ret_len) == 0 && ret->sun_family == AF_UNIX;
}

static bool have_one_name(int fd, int listener)
{
	struct sockaddr_un a, b;
	socklen_t n, m;

	return unix_name(fd, &a, &n) && unix_name(listener, &b, &m) && n == m && !memcmp(&a, &b, n);
}

enum fit { FITS_NOT, FITS_BY_PORT, FITS_AS_ANY, FITS };

static enum fit fit(const struct listener *l, int fd, const struct handoff_addr *own)
{
	static const uint8_t any[sizeof(own->ip)];

	if (own->family == HANDOFF_UNIX)
		return have_one_name(fd, l->fd) ? FITS : FITS_NOT;
	if (!own->port || l->addr.port != own->port)
		return FITS_NOT;
	return !memcmp(l->addr.ip, own->ip, sizeof(any)) ? FITS
	       : !memcmp(l->addr.ip, any, sizeof(any))	 ? FITS_AS_ANY
							 : FITS_BY_PORT;
}

struct listener *returned_through(struct broker *b, int fd, bool port_alone)
{
	enum fit best = port_alone ? FITS_NOT : FITS_BY_PORT;
	struct listener *found = NULL;
	struct handoff_addr own;

	if (tcp_own_address(fd, &own) < 0)
		return NULL;
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct listener, l, &s->dispatch.listeners, link)
			if (l->endpoint && fit(l, fd, &own) > best) {
				best = fit(l, fd, &own);
				found = l;
			}
	return found;
}

void returned_add(struct endpoint *e, uint32_t listener, int fd, bool ahead)
{
	struct broker *b = e->dispatch->broker;
	struct handoff_conn conn = { .id = ++b->given.conn, .listener = listener };

	handoff_header_init(&conn.h, HANDOFF_CONN);
	conn.flags = fcntl(fd, F_GETFL) & O_NONBLOCK ? HANDOFF_CONN_NONBLOCK : 0;
	(void)tcp_peer_address(fd, &conn.peer);
	pending_add(e, &conn, fd, ahead);
	endpoint_wake(e);
}
