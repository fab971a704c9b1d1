/*
 * fdpass - messages with descriptors over a Unix socket, with the traps of SCM_RIGHTS dealt with
 * in one place.
 */
#pragma once

#include <sys/types.h>
#include "base/util.h"

/*
 * Sends one message of SOCK_SEQPACKET with @n_fds descriptors, at most HANDOFF_FDS_MAX; they stay
 * the caller's. Never blocks, raises no SIGPIPE. 0, and the message went as a whole; -errno.
 */
int fdpass_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds);

struct fdpass_received {
	int fd; /* the first that came, the caller's, close-on-exec; -1: none. Others are closed */
	bool cut_fds; /* a descriptor did not fit into our table: it is lost */
};

/*
 * Receives one message of SOCK_SEQPACKET, @flags as for recvmsg(2). Its bytes, 0 at end of file,
 * -errno; *@ret is filled in every case.
 */
ssize_t fdpass_receive(int sock, void *buf, size_t size, int flags, struct fdpass_received *ret);
