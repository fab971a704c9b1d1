/*
 * sockdiag - the kernel's list of TCP sockets (sock_diag(7)), for questions that no worker can be
 * asked.
 */
#pragma once

#include <netinet/tcp.h>
#include "base/util.h"
#include "handoff_wire.h"

struct sockdiag_socket {
	uint64_t inode; /* as in /proc/PID/fd; 0: closed by its process, the kernel ends it */
	struct handoff_addr local;
};

/* All zero at first. */
struct sockdiag_list {
	struct sockdiag_socket *v; /* array_grow() */
	size_t n;
};

void sockdiag_list_deinit(struct sockdiag_list *list);
#define _cleanup_sockets_ __attribute__((cleanup(sockdiag_list_deinit)))

enum sockdiag_states {
	SOCKDIAG_LISTENS = 1 << TCP_LISTEN,
	SOCKDIAG_HANDSHAKE = 1 << TCP_SYN_RECV,
	/* Every state in which a process may still read or write. */
	SOCKDIAG_OPEN = 1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 |
			1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING,
};

/*
 * Adds each TCP socket, IPv4 and IPv6, in one of @states and with local port @port (0: any). 0;
 * -errno: some may be missing.
 */
int sockdiag_add(enum sockdiag_states states, uint16_t port, struct sockdiag_list *ret);

/* How many handshakes of @port are under way. -errno on failure. */
int sockdiag_handshakes(uint16_t port);

void sockdiag_sort(struct sockdiag_list *list); /* by inode */
bool sockdiag_has(const struct sockdiag_list *sorted, uint64_t inode);
