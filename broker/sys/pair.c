#include "pair.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/un.h>
#include "base/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

/* What the kernel charges the sender for one of our messages, measured on Linux 5.10 to 6.18. */
#define MESSAGE_CHARGE 1024
/* More than fit into a channel: a worker that writes garbage while we read does not keep us. */
#define MAX_DROPPED 1024
/* One of them is free, unless the random numbers are not. */
#define MAX_NAMES 8

ssize_t pair_receive_any(int sock, void *buf, size_t size, int flags, struct pair_message *ret)
{
	struct handoff_received got;

	do
		handoff_receive(sock, buf, size, MSG_CMSG_CLOEXEC | flags, 1, &got);
	while (got.n == -EINTR);
	ret->fd = got.fds[0];
	ret->cut_fds = ret->fd < 0 && (got.flags & MSG_CTRUNC);
	return got.n;
}

static int bind_fresh(int rx, struct handoff_name *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const socklen_t len = offsetof(struct sockaddr_un, sun_path) + HANDOFF_NAME_SIZE;
	int r = -EADDRINUSE;

	for (int i = 0; i < MAX_NAMES && r == -EADDRINUSE; i++) {
		if (getrandom(&name->random, sizeof(name->random), 0) != sizeof(name->random))
			return -EAGAIN;
		handoff_name_put(sun.sun_path, name);
		r = bind(rx, (struct sockaddr *)&sun, len) < 0 ? -errno : 0;
	}
	return r;
}

int pair_open(struct handoff_name *name, unsigned queue, int *ret_tx, int *ret_rx)
{
	/*
	 * POLLOUT comes only while at most a quarter of the buffer is in use, and the
	 * dispatcher wants it at every message taken: hence four times the queue. setsockopt
	 * doubles the value and caps it at wmem_max, whose default of 208 KiB is enough for
	 * the largest queue that can be configured.
	 */
	int sndbuf = (int)queue * MESSAGE_CHARGE * 4 / 2;
	int no = 0, r;
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

	r = bind_fresh(rx, name);
	if (r < 0)
		return r;
	*ret_tx = fd_take(&tx);
	*ret_rx = fd_take(&rx);
	return 0;
}

enum pair_result pair_send(int tx, const struct handoff_conn *conn, int conn_fd)
{
	switch (-handoff_send(tx, conn, sizeof(*conn), &conn_fd, 1, MSG_DONTWAIT)) {
	case 0:
		return PAIR_SENT;
	case EAGAIN:
		return PAIR_FULL;
	case ENOBUFS:
	case ENOMEM:
	case ETOOMANYREFS: /* our user has RLIMIT_NOFILE descriptors in flight already */
		return PAIR_BUSY;
	}
	/* EPIPE, ECONNRESET, ENOTCONN; all else is a bug of ours, and of no use to try again. */
	return PAIR_GONE;
}

bool pair_option_is(int fd, int option, int want)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == want;
}

/* A worker may send whatever it likes through its copy of tx; not everything goes to others. */
static bool is_connection(int fd)
{
	return pair_option_is(fd, SO_ACCEPTCONN, 0) &&
	       (pair_option_is(fd, SO_PROTOCOL, IPPROTO_TCP) ||
		(pair_option_is(fd, SO_DOMAIN, AF_UNIX) &&
		 pair_option_is(fd, SO_TYPE, SOCK_STREAM)));
}

enum pair_received pair_receive(int rx, struct handoff_conn *ret_conn, int *ret_fd, int *ret_errno)
{
	struct pair_message got;
	struct handoff_conn conn;
	ssize_t n;

	for (int i = 0; i < MAX_DROPPED; i++) {
		/*
		 * Without a free descriptor the message would be consumed and the connection
		 * closed (MSG_CTRUNC). So look first; what a look receives is a second
		 * reference that must be closed.
		 */
		n = pair_receive_any(rx, &conn, sizeof(conn), MSG_DONTWAIT | MSG_PEEK, &got);
		fd_closep(&got.fd);
		if (n == -ECONNRESET)
			continue; /* said once when the peer left unread data; messages follow */
		if (n == -EAGAIN)
			return PAIR_EMPTY;
		if (n < 0 || got.cut_fds) {
			*ret_errno = n < 0 ? (int)-n : EMFILE;
			return PAIR_FAILED;
		}

		n = pair_receive_any(rx, &conn, sizeof(conn), MSG_DONTWAIT, &got);
		if (n > 0 && got.fd >= 0 && handoff_check(&conn, (size_t)n, HANDOFF_CONN) &&
		    is_connection(got.fd)) {
			*ret_conn = conn;
			*ret_fd = got.fd;
			return PAIR_RECEIVED;
		}
		/*
		 * The worker was faster; or it is a nudge of ours, or something from the worker's
		 * copy of tx: drop it, and look again.
		 */
		fd_closep(&got.fd);
	}
	return PAIR_EMPTY;
}

void pair_nudge(int tx)
{
	struct handoff_nudge msg;

	handoff_header_init(&msg.h, HANDOFF_NUDGE);
	(void)handoff_send(tx, &msg, sizeof(msg), NULL, 0, MSG_DONTWAIT);
}

unsigned pair_waiting(int rx)
{
	int bytes = 0;

	/* For SEQPACKET the kernel adds up the whole queue. */
	if (ioctl(rx, FIONREAD, &bytes) < 0 || bytes < 0)
		return 0;
	return (unsigned)bytes / sizeof(struct handoff_conn);
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

/* --- the page ------------------------------------------------------------------------ */

struct handoff_page page_of_none;

static int make_memory(void)
{
	int fd = memfd_create("broker-page", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* Linux before 6.3 does not know it; later ones may insist on it (vm.memfd_noexec). */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("broker-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

int page_open(struct page *ret, unsigned processes)
{
	size_t size = processes ? handoff_processes_size(processes) : HANDOFF_PAGE_SIZE;
	_cleanup_fd_ int fd = make_memory();
	int r;

	/* Sealed before anybody else has it: a shorter file would be a SIGBUS for its reader. */
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	r = page_adopt(ret, fd, size);
	if (r < 0)
		return r;
	(void)fd_take(&fd);
	if (processes)
		handoff_processes_of(ret->map)->n = processes;
	return 0;
}

int page_adopt(struct page *ret, int fd, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	*ret = (struct page){ .fd = fd, .map = map, .size = size };
	return 0;
}

void page_close(struct page *p)
{
	if (p->map != &page_of_none)
		(void)munmap(p->map, p->size);
	fd_closep(&p->fd);
	*p = PAGE_INIT;
}

void page_read(const struct page *p, struct handoff_page *ret)
{
	/* Counts first: handoff_page_add() adds to the sum before, so that it is never too small.
	 */
	for (size_t i = 0; i < HANDOFF_PAGE_BUCKETS; i++)
		ret->count[i] = __atomic_load_n(&p->map->count[i], __ATOMIC_ACQUIRE);
	ret->sum_ns = __atomic_load_n(&p->map->sum_ns, __ATOMIC_ACQUIRE);
}
