/*
 * handoff.h - libhandoff: for a program that is to be a worker of the broker, and knows it.
 *
 *	struct handoff *h;
 *	char reason[HANDOFF_REASON_MAX];
 *
 *	if (handoff_open("127.0.0.1:8080", &h, reason) < 0)
 *		errx(1, "%s", reason);
 *	for (;;) {
 *		int fd = handoff_next(h, HANDOFF_WAIT, NULL);
 *
 *		if (fd >= 0)
 *			serve(fd);		(and close it)
 *	}
 *
 * What other programs get through the preload library, this one does by itself: nothing is loaded
 * into it, so it may be static, of any language and libc. The service has `mode = native`
 * (broker.ini(5)). Link with `pkg-config --cflags --libs handoff`. docs/examples/worker.c is a
 * whole program, handoff(3) the manual page, docs/protocol.md what is spoken.
 *
 * Errors are returned as -errno; errno itself means nothing. After handoff_open() nothing is
 * allocated. There is no thread, no signal and no global variable here.
 *
 * Threads and processes: any number may call handoff_next(), handoff_is_draining(),
 * handoff_set_load() and handoff_leave() on the same handle at the same time, also processes that
 * fork(2) has made. Each connection goes to one of them. handoff_open() reads the environment, and
 * handoff_close() must be the last call on its handle in its process.
 */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* One listening address of a worker. */
struct handoff;

#define HANDOFF_REASON_MAX 480

/* For handoff_next(), beside SOCK_NONBLOCK. */
#define HANDOFF_WAIT 1

struct handoff_client {
	struct sockaddr_storage addr; /* as accept(2) reported it to the broker; Unix: no name */
	socklen_t addr_len;	      /* 0: not known */
	uint32_t listener;  /* the broker's number of the listener it came to; 0: a check */
	uint64_t id;	    /* unique in the life of a broker, rising */
	uint64_t accept_ns; /* CLOCK_MONOTONIC at the accept; 0: not measured */
};

/*
 * Tells the broker that this program listens on @address, and so is ready: "127.0.0.1:8080",
 * "[::]:8080" (IPv4 too), "8080" for 0.0.0.0:8080, or a Unix socket, "/run/app.sock" or "@app" for
 * an abstract name, that a `listen` line names. NULL: the port in $PORT. The broker listens there,
 * or where the `listen` lines of the service say. Waits for its answer, at most 30 s.
 *
 * 0: *@ret is the caller's, until handoff_close(). It has four descriptors, all close-on-exec.
 * Else *@ret is untouched, and @reason, of HANDOFF_REASON_MAX bytes or NULL, says in a sentence
 * why:
 *
 *	-EINVAL		@address is none, or $PORT is not set
 *	-ENOENT		no broker has started this program, or it has ended
 *	-EADDRINUSE	the address belongs to another service
 *	-EPROTO		the broker is of another version
 *	-EMFILE -ENOMEM	no room here
 *	-ETIMEDOUT	no answer
 *	others		the broker refuses, with what its own bind(2) said, for example
 */
int handoff_open(const char *address, struct handoff **ret, char *reason);

/*
 * Readable when a connection waits, and when handoff_is_draining() has changed: for poll(2), and
 * epoll(7) level-triggered or not. It stays the handle's: do not read from it, close it or change
 * it.
 */
int handoff_fd(const struct handoff *h);

/*
 * Takes the next connection: a connected socket, of TCP or Unix, close-on-exec, which is the
 *caller's to close.
 * @flags: SOCK_NONBLOCK sets O_NONBLOCK on it; HANDOFF_WAIT waits until there is one. *@ret_client,
 * unless that is NULL, says what it is. Or
 *
 *	-EAGAIN		none waits. Readable need not mean that there is one: the broker may have
 *			given it to another worker. With HANDOFF_WAIT: the worker has begun to drain
 *	-EINTR		a signal came while it waited
 *	-EMFILE		no descriptor is free. The connection waits on: close some, or leave
 *	-EINVAL		@flags
 *
 * The broker closes its own copy of a connection a moment after it has sent it. So remove a
 * connection from an epoll set (EPOLL_CTL_DEL) before you close it: the close may not be the last.
 */
int handoff_next(struct handoff *h, int flags, struct handoff_client *ret_client);

/*
 * Whether this worker is to finish what it has, because a reload replaces it, or it is to end. No
 * more come: close what is idle, and let no client keep its connection alive. When no connection is
 * left, or drain_timeout is over, stop_signal follows. A rollback may take it back. Costs no system
 * call.
 */
int handoff_is_draining(const struct handoff *h);

/*
 * Says that this worker is as busy as @load connections would make it: for balance =
 * least-connections. The broker uses the larger of that and of the number that are open, so a
 * worker can draw nothing to itself. 0: only what is open counts, as at first. Heard within 25 ms.
 * Costs no system call. Of several processes that share a handle, the last word holds.
 */
void handoff_set_load(struct handoff *h, uint32_t load);

/*
 * Says that this worker, with all its addresses, wants no more. The broker gives what still waits
 * here to others and starts another worker in its place at once, as after an exit; this one drains.
 * Do not poll for more, or call handoff_next(): what that still returns has to be served.
 *
 * 0; -EOPNOTSUPP: the broker had no memory to share. Then exit when you are done.
 */
int handoff_leave(struct handoff *h);

/*
 * Closes the handle. When the last process that has it does, that is as if an app had closed its
 * listening socket: what waits goes to others, and relisten_timeout (broker.ini(5)) begins.
 * Connections that were taken stay open. NULL: nothing happens.
 */
void handoff_close(struct handoff *h);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
