/*
 * sockdiag - the kernel's list of TCP sockets (sock_diag(7)), for questions that no
 * worker can be asked: which connections of these ports are open, which socket listens where.
 */
#pragma once

#include "base/util.h"
#include "handoff_wire.h"

struct sockdiag_socket {
	uint64_t inode; /* as in /proc/PID/fd; 0: closed by its process, the kernel ends it */
	struct handoff_addr local;
};

/*
 * Calls @seen for each TCP socket, IPv4 and IPv6, in one of the states of @states (bits
 * 1 << TCP_*) and with local port @port (0: any), until it returns false. 0 or -errno.
 */
int sockdiag_dump(unsigned states, uint16_t port,
		  bool (*seen)(void *arg, const struct sockdiag_socket *s), void *arg);

/* Sorted set of socket inodes. */
struct inode_set {
	uint64_t *inodes;
	size_t n;
};

void inode_set_deinit(struct inode_set *set);
void inode_set_sort(struct inode_set *set);
bool inode_set_has(const struct inode_set *set, uint64_t inode); /* after inode_set_sort() */

/* Adds the sockets of all connections of @port that a process still holds. Unsorted. */
int sockdiag_add_connections(uint16_t port, struct inode_set *ret);

/* How many handshakes of @port are under way. -errno on failure. */
int sockdiag_handshakes(uint16_t port);
