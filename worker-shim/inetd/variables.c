#include "variables.h"

#include "preload/addr.h"

#include <stdio.h>
#include <stdlib.h>

/* Room for any value. */
#define ROOM "##############################################"

enum what { REMOTE_IP, REMOTE_PORT, LOCAL_IP, LOCAL_PORT, PROTO, N_WHAT };

static const struct variable {
	const char *name;
	enum what what;
} variables[] = {
	{ "TCPREMOTEIP", REMOTE_IP },	{ "TCPREMOTEPORT", REMOTE_PORT },
	{ "TCPLOCALIP", LOCAL_IP },	{ "TCPLOCALPORT", LOCAL_PORT },
	{ "REMOTE_ADDR", REMOTE_IP },	{ "REMOTE_HOST", REMOTE_IP },
	{ "REMOTE_PORT", REMOTE_PORT }, { "SERVER_ADDR", LOCAL_IP },
	{ "SERVER_PORT", LOCAL_PORT },	{ "PROTO", PROTO },
};

bool variables_prepare(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		good &= setenv(variables[i].name, ROOM, 1) == 0;
	return good;
}

/* An IPv4 address however it is written. */
static void put(const struct handoff_addr *addr, char ip[INET6_ADDRSTRLEN], char port_text[8])
{
	(void)inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->ip, ip, INET6_ADDRSTRLEN);
	(void)snprintf(port_text, 8, "%u", addr->port);
	if (!strncmp(ip, "::ffff:", 7) && strchr(ip, '.'))
		memmove(ip, ip + 7, strlen(ip + 7) + 1);
}

void variables_set(int fd, const struct handoff_addr *peer)
{
	char ip[2][INET6_ADDRSTRLEN] = { 0 }, port[2][8] = { 0 };
	const char *value[N_WHAT] = { ip[0], port[0], ip[1], port[1], "UNIX" };
	struct handoff_addr local = { 0 };
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	(void)getsockname(fd, (struct sockaddr *)&ss, &len);
	if (peer->family != HANDOFF_UNIX) {
		value[PROTO] = "TCP";
		put(peer, ip[0], port[0]);
		(void)handoff_from_sockaddr((struct sockaddr *)&ss, len, &local);
		put(&local, ip[1], port[1]);
	}
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *text = value[variables[i].what];
		char *place = getenv(variables[i].name);

		if (place && !strncmp(place, ROOM, strlen(text)))
			strcpy(place, text);
	}
}

const char *variables_name(size_t i)
{
	return i < sizeof(variables) / sizeof(variables[0]) ? variables[i].name : NULL;
}
