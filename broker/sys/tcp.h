/*
 * tcp - a listening TCP socket, or one for datagrams: how it is made, asked for a connection, and
 * ended without losing one.
 *
 * Owns nothing: descriptors go out to the caller. Never logs, never blocks.
 */
#pragma once

#include "base/strbuf.h"
#include "policy/idle.h"
#include "policy/metrics.h"
#include "sys/asked_socket.h"

/*
 * Opens and binds @addr, with the socket options of @sc and of the app; clients are refused until
 * tcp_listen(). @shared: beside sockets on overlapping addresses, all of which have had
 * tcp_share(). 0: *@ret_fd is the caller's; close-on-exec, non-blocking. -errno: bind(2)'s, nothing
 * left open; or @error says that what the app asked cannot be done.
 */
int tcp_bind(const struct handoff_addr *addr, const struct service_conf *sc,
	     const struct asked *asked, bool shared, struct strbuf *error, int *ret_fd);
int tcp_listen(int fd, const struct service_conf *sc); /* 0 or -errno */

/* With HANDOFF_UDP, tcp_bind() gives a socket for datagrams, which blocks. */

/* What a program may have done to it is undone: it is connected to nobody, has no error, and
 * blocks. */
void udp_reset(int fd);

/* A number for the first datagram that waits, from its sender, length and beginning; 0: none. */
uint64_t udp_head(int fd);

/* Lets the next tcp_bind() of an overlapping address have its port too. 0 or -errno. */
int tcp_share(int fd);

/* Binds, and lets go again. 0 or -errno. */
int tcp_try(const struct handoff_addr *addr, const struct service_conf *sc);

/* Says why that failed for @addr with @r, -errno, and what to do. Returns @r. */
int tcp_explain(const struct handoff_addr *addr, int r, struct strbuf *error);

/*
 * Changes backlog and options of an open listener, after a reload. Options that the kernel
 * cannot reset to its own value (tcp_keep*, so_*buf) keep the last one. 0; -errno with @error.
 */
int tcp_configure(int fd, const struct service_conf *sc, const struct asked *asked,
		  struct strbuf *error);

enum accept_result {
	ACCEPT_DONE,
	ACCEPT_NONE,	  /* nobody waits */
	ACCEPT_RETRY,	  /* this one connection failed on its way, accept(2); ask again */
	ACCEPT_EXHAUSTED, /* no descriptor or memory: the connection stays in the backlog */
	ACCEPT_FAILED,	  /* a security module forbids it; or it is no listening socket: a bug */
};

/*
 * Takes one connection from the backlog. ACCEPT_DONE: *@ret_fd is the caller's,
 * close-on-exec and *blocking*: file status flags belong to the open file description,
 * which the worker will share, and it sets its own. Else only *@ret_errno is filled.
 */
enum accept_result tcp_accept(int fd, int flags, int *ret_fd, struct handoff_addr *ret_peer,
			      int *ret_errno);

/*
 * Begins a connection of ours to ourselves over loopback, of @family (of 4 for a Unix socket, and
 * where the machine has no IPv6). 0: both are the caller's and non-blocking, and *@ret_listener is
 * for this one alone: tcp_accept() gives its other end, whose peer is *@ret_peer; any other peer is
 * a stranger. -errno.
 */
int tcp_connect_to_self(uint8_t family, int *ret_listener, int *ret_client,
			struct handoff_addr *ret_peer);

/* Fills in what the kernel says of a listening TCP socket now, if it does. */
void tcp_count(int fd, struct metrics_listener *ret);

/*
 * Lets no further client in: SYNs are dropped in the kernel (clients try again a second
 * later), while handshakes that have begun still complete and what is in the backlog
 * stays there. After it the backlog can be emptied and the socket be closed without a
 * client that believed itself connected being reset. 0 or -errno.
 */
int tcp_stop_syns(int fd);

/*
 * The same where another socket listens on an overlapping address: from now on all new clients of
 * both are that one's, and handshakes that have begun here still complete. Not to be undone.
 */
int tcp_hide(int fd);

/* Undoes tcp_stop_syns(), on the listener or on a connection that inherited it. */
void tcp_remove_filter(int fd);

/* The local address of a socket, without flags; family 0: it has none of ours. 0 or -errno. */
int tcp_own_address(int fd, struct handoff_addr *ret);

/* The same of its other end. */
int tcp_peer_address(int fd, struct handoff_addr *ret);

/* Bytes that were written to connection @fd, by whoever had it; 0 if it is none of TCP. */
uint64_t tcp_written(int fd);

/* The local port of a socket; 0: it has none, and is none of TCP. */
uint16_t tcp_local_port(int fd);

/*
 * What the kernel says of an established connection now. 0 or -errno; -ENOTCONN: it is none, or is
 * closed on one side; -ENOSYS: the kernel is too old to say so much.
 */
int tcp_sample(int fd, struct idle_sample *ret);
