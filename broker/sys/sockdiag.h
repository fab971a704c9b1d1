/*
 * sockdiag - the kernel's list of TCP sockets (sock_diag(7)), for questions that no
 * worker can be asked: which connections of these ports are open, which socket listens where.
 */
#pragma once

#include "base/util.h"
#include "handoff_wire.h"
#include "policy/idle.h"

struct sockdiag_socket {
	uint64_t inode; /* as in /proc/PID/fd; 0: closed by its process, the kernel ends it */
	struct handoff_addr local;
	struct idle_sample sample; /* if it was asked for, and is known; else all zero */
};

/* Of which sockets a dump is. */
struct sockdiag_query {
	uint8_t family;	 /* 4 or 6 */
	uint16_t port;	 /* the local one; 0: any */
	bool sample;	 /* it is asked for what struct idle_sample has, too */
	unsigned states; /* bits 1 << TCP_* */
};

/*
 * A dump in parts. *@ret_fd is the caller's, close-on-exec, for sockdiag_read(). 0 or -errno.
 */
int sockdiag_open(const struct sockdiag_query *query, int *ret_fd);

/*
 * The next part, 32 KiB at most: calls @seen for each socket in it, until that returns false. 1:
 * there may be more. 0: that was the last. -ECANCELED: @seen has returned false. -errno.
 */
int sockdiag_read(int fd, bool (*seen)(void *arg, const struct sockdiag_socket *s), void *arg);

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
