#include "channel.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/fd.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

/* What the kernel charges the sender for one of our messages, measured on Linux 5.10 to 6.18. */
#define MESSAGE_CHARGE 1024

int channel_open(const struct handoff_name *name, unsigned queue, int *ret_tx, int *ret_rx)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	/*
	 * POLLOUT comes only while at most a quarter of the buffer is in use, and the
	 * dispatcher wants it at every message taken: hence four times the queue. setsockopt
	 * doubles the value and caps it at wmem_max, whose default of 208 KiB is enough for
	 * the largest queue that can be configured.
	 */
	int sndbuf = (int)queue * MESSAGE_CHARGE * 4 / 2;
	int no = 0;
	int pair[2];
	_cleanup_fd_ int tx = -1, rx = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	tx = pair[0];
	rx = pair[1];
	if (sndbuf > 65536 && setsockopt(tx, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)) < 0)
		return -errno;
	/* We never read tx, so a worker that sends descriptors into it could only pile them up. */
	(void)setsockopt(tx, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));

	handoff_name_put(sun.sun_path, name);
	if (bind(rx, (struct sockaddr *)&sun,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + HANDOFF_NAME_SIZE)) < 0)
		return -errno;
	*ret_tx = fd_take(&tx);
	*ret_rx = fd_take(&rx);
	return 0;
}

/* Room for up to two descriptors, aligned as CMSG_* wants it. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(2 * sizeof(int))];
};

static ssize_t send_with_fds(int fd, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union control ctl;
	/* sendmsg(2) only reads through iov_base, which POSIX declares without const. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > 0) {
		struct cmsghdr *c;

		assert(n_fds <= 2);
		memset(&ctl, 0, sizeof(ctl));
		msg.msg_control = ctl.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

int channel_send(int tx, const struct handoff_conn *conn, int conn_fd)
{
	/* SEQPACKET: a message goes whole or not at all. */
	if (send_with_fds(tx, conn, sizeof(*conn), &conn_fd, 1) >= 0)
		return CHANNEL_DONE;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
	case ETOOMANYREFS: /* our user has RLIMIT_NOFILE descriptors in flight already */
		return CHANNEL_BUSY;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return CHANNEL_GONE;
	}
	return -errno;
}

/* Takes the first descriptor out of @msg and closes any other. -1 if there is none. */
static int take_fd(struct msghdr *msg)
{
	int taken = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (taken < 0)
				taken = fd;
			else
				(void)close(fd);
		}
	}
	return taken;
}

static ssize_t receive_once(int rx, struct handoff_conn *conn, union control *ctl,
			    struct msghdr *msg, int flags)
{
	struct iovec iov = { .iov_base = conn, .iov_len = sizeof(*conn) };
	ssize_t n;

	do {
		*msg = (struct msghdr){ .msg_iov = &iov,
					.msg_iovlen = 1,
					.msg_control = ctl->buf,
					.msg_controllen = sizeof(ctl->buf) };
		n = recvmsg(rx, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	msg->msg_iov = NULL;
	return n;
}

int channel_receive(int rx, struct handoff_conn *ret_conn, int *ret_fd)
{
	struct handoff_conn conn;
	union control ctl;
	struct msghdr msg;
	ssize_t n;
	int fd;

	for (;;) {
		/*
		 * Without a free descriptor the message would be consumed and the connection
		 * closed (MSG_CTRUNC). So look first; what a look receives is a second
		 * reference that must be closed.
		 */
		n = receive_once(rx, &conn, &ctl, &msg, MSG_PEEK);
		if (n < 0 && errno == ECONNRESET)
			continue; /* said once when the peer left unread data; messages follow */
		if (n < 0)
			return errno == EAGAIN ? CHANNEL_EMPTY : -errno;
		if (n == 0)
			return CHANNEL_EMPTY;
		fd = take_fd(&msg);
		if (fd < 0 && (msg.msg_flags & MSG_CTRUNC))
			return -EMFILE;
		fd_closep(&fd);

		n = receive_once(rx, &conn, &ctl, &msg, 0);
		if (n <= 0)
			continue; /* the worker was faster: look again */
		fd = take_fd(&msg);
		if (fd >= 0 && handoff_check(&conn, (size_t)n, HANDOFF_CONN))
			break;
		/* A nudge of ours, or something from the worker's copy of tx: drop it. */
		fd_closep(&fd);
	}
	*ret_conn = conn;
	*ret_fd = fd;
	return CHANNEL_DONE;
}

void channel_nudge(int tx)
{
	struct handoff_nudge msg;

	handoff_header_init(&msg.h, HANDOFF_NUDGE);
	(void)send_with_fds(tx, &msg, sizeof(msg), NULL, 0);
}

unsigned channel_waiting(int rx)
{
	int bytes = 0;

	/* For SEQPACKET the kernel adds up the whole queue. */
	if (ioctl(rx, FIONREAD, &bytes) < 0 || bytes < 0)
		return 0;
	return (unsigned)bytes / sizeof(struct handoff_conn);
}

int rendezvous_send(int fd, const void *msg, size_t len, const int *fds, size_t n_fds)
{
	return send_with_fds(fd, msg, len, fds, n_fds) < 0 ? -errno : 0;
}

int rendezvous_receive(int fd, void *buf, size_t size)
{
	ssize_t n;

	/* recv(2), not recvmsg(2): descriptors that come along are closed by the kernel. */
	do
		n = recv(fd, buf, size, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}
