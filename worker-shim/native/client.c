#include "client.h"

#include "handoff_addr.h"

#include <netinet/in.h>

bool client_read_address(const char *text, struct handoff_addr *ret,
			 char ret_path[HANDOFF_PATH_SIZE])
{
	bool port_only;

	if (!handoff_read_place(text, ret, ret_path, &port_only))
		return false;
	if (port_only)
		ret->family = 4;
	return true;
}

static socklen_t fill_addr(const struct handoff_addr *from, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (from->family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(from->port);
		memcpy(&v4->sin_addr, from->ip, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	if (from->family == HANDOFF_UNIX) {
		ret->ss_family = AF_UNIX; /* without a name */
		return sizeof(ret->ss_family);
	}
	if (from->family != 6)
		return 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(from->port);
	v6->sin6_scope_id = from->scope_id;
	memcpy(&v6->sin6_addr, from->ip, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

void client_fill(const struct handoff_conn *conn, struct handoff_client *ret)
{
	ret->addr_len = fill_addr(&conn->peer, &ret->addr);
	ret->listener = conn->listener;
	ret->id = conn->id;
	ret->accept_ns = conn->accept_ns;
}
