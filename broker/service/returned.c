#include "returned.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/address.h"
#include "base/paths.h"
#include "dispatch/channel.h"
#include "dispatch/flow.h"
#include "dispatch/pending.h"
#include "sys/pair.h"
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

static bool own_address(int fd, struct handoff_addr *ret)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);

	if (tcp_own_address(fd, ret) < 0)
		return false;
	if (ret->family == HANDOFF_UNIX && getsockname(fd, (struct sockaddr *)&sun, &len) == 0)
		*ret = address_of_path(
			paths_find(sun.sun_path, len - offsetof(struct sockaddr_un, sun_path)));
	return true;
}

enum fit { FITS_NOT, FITS_BY_PORT, FITS_AS_ANY, FITS };

static enum fit fit(const struct handoff_addr *at, const struct handoff_addr *own)
{
	static const uint8_t any[sizeof(own->ip)];

	if (own->family == HANDOFF_UNIX)
		return address_equal(at, own) ? FITS : FITS_NOT;
	if (!own->port || at->port != own->port)
		return FITS_NOT;
	return !memcmp(at->ip, own->ip, sizeof(any)) ? FITS
	       : !memcmp(at->ip, any, sizeof(any))   ? FITS_AS_ANY
						     : FITS_BY_PORT;
}

struct endpoint *returned_to(struct broker *b, int fd, bool port_alone, struct listener **ret)
{
	enum fit best = port_alone ? FITS_NOT : FITS_BY_PORT;
	struct endpoint *found = NULL;
	struct handoff_addr own;

	*ret = NULL;
	if (!own_address(fd, &own))
		return NULL;
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct listener, l, &s->dispatch.listeners, link)
			if (l->endpoint && fit(&l->addr, &own) > best) {
				best = fit(&l->addr, &own);
				*ret = l;
			}
	if (*ret)
		return (*ret)->endpoint;
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
			for (size_t i = 0; i < e->n_ports; i++)
				if (fit(&e->left[i], &own) > best) {
					best = fit(&e->left[i], &own);
					found = e;
				}
	return found;
}

/* A worker believes that those of one number are of one family. */
static uint32_t number_of_closed(int fd)
{
	return UINT32_MAX - pair_option_is(fd, SO_DOMAIN, AF_INET6) -
	       2u * pair_option_is(fd, SO_DOMAIN, AF_UNIX);
}

void returned_add(struct endpoint *e, const struct listener *l, int fd, bool ahead)
{
	struct broker *b = e->dispatch->broker;
	struct handoff_conn conn = { .id = ++b->given.conn,
				     .listener = l ? l->id : number_of_closed(fd) };

	handoff_header_init(&conn.h, HANDOFF_CONN);
	conn.flags = fcntl(fd, F_GETFL) & O_NONBLOCK ? HANDOFF_CONN_NONBLOCK : 0;
	(void)tcp_peer_address(fd, &conn.peer);
	pending_add(e, &conn, fd, ahead);
	endpoint_wake(e);
}
