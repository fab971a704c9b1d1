#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* The port is all of @text; 0 if it is none. */
static uint16_t read_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = digits > 0 && digits <= 5 ? strtoul(text, NULL, 10) : 0;

	return !text[digits] && port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool client_read_address(const char *text, struct handoff_addr *ret)
{
	const char *colon = strrchr(text, ':');
	bool v6 = *text == '[';
	char ip[INET6_ADDRSTRLEN + 2];

	*ret = (struct handoff_addr){ .family = 4, .port = read_port(colon ? colon + 1 : text) };
	if (!ret->port || !colon)
		return ret->port != 0;
	if ((size_t)snprintf(ip, sizeof(ip), "%.*s", (int)(colon - text), text) >= sizeof(ip))
		return false;
	if (!v6)
		return inet_pton(AF_INET, ip, ret->ip) == 1;
	ret->family = 6;
	if (ip[strlen(ip) - 1] != ']')
		return false;
	ip[strlen(ip) - 1] = '\0';
	return inet_pton(AF_INET6, ip + 1, ret->ip) == 1;
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
