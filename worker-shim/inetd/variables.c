#include "variables.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The longest of an address, or of a port. */
#define ROOM "##############################################"

static const struct variable {
	const char *name;
	bool local, port;
} variables[] = {
	{ "TCPREMOTEIP", false, false }, { "TCPREMOTEPORT", false, true },
	{ "TCPLOCALIP", true, false },	 { "TCPLOCALPORT", true, true },
	{ "REMOTE_ADDR", false, false }, { "REMOTE_HOST", false, false },
	{ "REMOTE_PORT", false, true },	 { "SERVER_ADDR", true, false },
	{ "SERVER_PORT", true, true },
};

bool variables_prepare(void)
{
	bool good = setenv("PROTO", "TCP", 1) == 0;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		good &= setenv(variables[i].name, ROOM, 1) == 0;
	return good;
}

/* An IPv4 address however it is written. */
static void put(const struct handoff_addr *addr, char ip[INET6_ADDRSTRLEN], char port[8])
{
	(void)inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->ip, ip, INET6_ADDRSTRLEN);
	(void)snprintf(port, 8, "%u", addr->port);
	if (!strncmp(ip, "::ffff:", 7) && strchr(ip, '.'))
		memmove(ip, ip + 7, strlen(ip + 7) + 1);
}

static void get_local(int fd, struct handoff_addr *ret)
{
	struct sockaddr_storage name = { .ss_family = AF_UNSPEC };
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&name;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&name;
	socklen_t len = sizeof(name);

	*ret = (struct handoff_addr){ .family = 6 };
	(void)getsockname(fd, (struct sockaddr *)&name, &len);
	if (name.ss_family == AF_INET) {
		ret->family = 4;
		ret->port = ntohs(v4->sin_port);
		memcpy(ret->ip, &v4->sin_addr, 4);
	} else if (name.ss_family == AF_INET6) {
		ret->port = ntohs(v6->sin6_port);
		memcpy(ret->ip, &v6->sin6_addr, 16);
	}
}

void variables_set(int fd, const struct handoff_addr *peer)
{
	char ip[2][INET6_ADDRSTRLEN], port[2][8];
	struct handoff_addr local;

	get_local(fd, &local);
	put(peer, ip[0], port[0]);
	put(&local, ip[1], port[1]);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const struct variable *v = &variables[i];
		const char *value = v->port ? port[v->local] : ip[v->local];
		char *place = getenv(v->name);

		if (place && !strncmp(place, ROOM, strlen(value)))
			strcpy(place, value);
	}
}

const char *variables_name(size_t i)
{
	return i < sizeof(variables) / sizeof(variables[0]) ? variables[i].name : NULL;
}
