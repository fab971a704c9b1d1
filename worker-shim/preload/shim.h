/*
 * shim.h - what the broker told this process, read once.
 */
#pragma once

#include "handoff_wire.h"

#include <sys/un.h>

struct shim {
	bool active; /* a rendezvous and a token were in the environment, and this is no wrapper */
	struct sockaddr_un rendezvous;
	uint8_t token[HANDOFF_TOKEN_SIZE];
	uint32_t slot, generation;
	char service[HANDOFF_SERVICE_SIZE];
	char private_ports[4096];		   /* see addr_port_listed() */
	char private_sockets[4096], sockets[8192]; /* see unix_path.h */
};

/* Copied from the environment once, since an app may clear or overwrite that. */
extern struct shim shim;
