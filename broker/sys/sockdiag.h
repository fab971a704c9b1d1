/*
 * sockdiag - the kernel's list of TCP sockets (sock_diag(7)), for questions that no worker can be
 * asked. With SOCKDIAG_OPEN also the connections of Unix sockets that are known by name (paths.h),
 * whatever the ports.
 */
#pragma once

#include <netinet/tcp.h>
#include "base/util.h"
#include "handoff_wire.h"

struct sockdiag_socket {
	uint64_t inode; /* as in /proc/PID/fd; 0: closed by its process, the kernel ends it */
	struct handoff_addr local;
	unsigned mark; /* the caller's; 0 at first */
	uint32_t next; /* in its chain, from 1; 0: it is the last */
};

/* All zero: empty. */
struct sockdiag_list {
	struct sockdiag_socket *v; /* array_grow() */
	size_t n;
	uint32_t *first; /* of the chains of sockdiag_get(), from 1; owned */
	unsigned marks;	 /* the caller's: how many times sockets were marked */
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
 * Each TCP socket, IPv4 and IPv6, in one of @states and with local port @port (0: any),
 * into *@ret, which is empty. 0; -errno: there is none.
 */
int sockdiag_find(enum sockdiag_states states, uint16_t port, struct sockdiag_list *ret);

/*
 * The same in steps, for the loop: with 100,000 sockets it takes 60 ms, or a quarter of that if
 * none of them is asked for.
 */
struct sockdiag_walk {
	int fd; /* owned; -1: none is under way */
	enum sockdiag_states states;
	uint16_t low, high; /* local ports, both ends included; low > high: none */
	uint8_t family;
	bool moved; /* with what stands in the place of connections: HANDOFF_MOVED_PREFIX */
	struct sockdiag_list found; /* owned */
};

#define SOCKDIAG_WALK(...) ((struct sockdiag_walk){ .fd = -1, __VA_ARGS__ })

int sockdiag_begin(struct sockdiag_walk *w); /* .states, .low and .high are set. 0 or -errno */
/* 1: there is more; 0: .found is all there is; -errno: given up. */
int sockdiag_step(struct sockdiag_walk *w);
void sockdiag_end(struct sockdiag_walk *w); /* at any time */

int sockdiag_run(struct sockdiag_walk *w); /* from its begin to its end, at once. 0 or -errno */

/* How many handshakes of @port are under way. -errno on failure. */
int sockdiag_handshakes(uint16_t port);

/* NULL: it is not there. */
struct sockdiag_socket *sockdiag_get(const struct sockdiag_list *list, uint64_t inode);
