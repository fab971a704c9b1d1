/*
 * tcp - a listening TCP socket: how it is made, asked for a connection, and ended
 * without losing one.
 *
 * Owns nothing: descriptors go out to the caller. Never logs, never blocks.
 */
#pragma once

#include "base/strbuf.h"
#include "config/conf.h"
#include "sys/asked_socket.h"

/*
 * Opens, binds and listens on @addr with the socket options of @sc and of the app. 0: *@ret_fd is
 * the caller's; close-on-exec, non-blocking. -errno: bind(2)'s or listen(2)'s, nothing left open;
 * or @error says that what the app asked cannot be done.
 */
int tcp_open(const struct handoff_addr *addr, const struct service_conf *sc,
	     const struct asked *asked, struct strbuf *error, int *ret_fd);

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
	ACCEPT_FAILED,	  /* the descriptor is no listening socket: a bug of ours */
};

/*
 * Takes one connection from the backlog. ACCEPT_DONE: *@ret_fd is the caller's,
 * close-on-exec and *blocking*: file status flags belong to the open file description,
 * which the worker will share, and it sets its own. Else only *@ret_errno is filled.
 */
enum accept_result tcp_accept(int fd, int *ret_fd, struct handoff_addr *ret_peer, int *ret_errno);

struct tcp_counts {
	uint32_t backlog, backlog_max; /* connections that wait to be accepted, and how many may */
	uint32_t overflows;	       /* connections dropped because no more could wait */
};

/* What the kernel says of a listening TCP socket now. 0 or -errno. */
int tcp_count(int fd, struct tcp_counts *ret);

/*
 * Lets no further client in: SYNs are dropped in the kernel (clients try again a second
 * later), while handshakes that have begun still complete and what is in the backlog
 * stays there. After it the backlog can be emptied and the socket be closed without a
 * client that believed itself connected being reset. 0 or -errno.
 */
int tcp_stop_syns(int fd);

/* Undoes tcp_stop_syns(), on the listener or on a connection that inherited it. */
void tcp_remove_filter(int fd);
