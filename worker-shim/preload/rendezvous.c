#include "rendezvous.h"

#include "handoff_name.h"
#include "handoff_rights.h"
#include "real.h"
#include "shim.h"

#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int fail(struct meeting *m, int error, const char *reason)
{
	m->error = error;
	strncpy(m->reason, reason, sizeof(m->reason) - 1);
	m->reason[sizeof(m->reason) - 1] = '\0';
	meeting_close(m);
	return -error;
}

void meeting_close(struct meeting *m)
{
	real_closep(&m->rx);
	real_closep(&m->tx);
	real_closep(&m->page);
	real_closep(&m->rendezvous);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A signal handler of the app may run meanwhile; listen(2) never fails with EINTR, nor do we. */
static bool wait_readable(int fd, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline_ms - now_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (r > 0)
			return true;
		if (r == 0 || (errno != EINTR && errno != EAGAIN))
			return false;
	}
}

static int dial(int timeout_ms)
{
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000 };
	_cleanup_real_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	/* Bounds connect() too, which waits while the broker's backlog is full. */
	(void)real.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	do
		r = real.connect(fd, (const struct sockaddr *)&shim.rendezvous,
				 sizeof(shim.rendezvous));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return real_fd_take(&fd);
}

static void hello_init(const struct slot *slot, bool adopt, struct handoff_hello *ret)
{
	memset(ret, 0, sizeof(*ret));
	handoff_header_init(&ret->h, HANDOFF_HELLO);
	ret->addr = slot->addr;
	ret->slot = shim.slot;
	ret->generation = shim.generation;
	ret->pid = (int32_t)getpid();
	ret->backlog = slot->backlog;
	ret->backend = HANDOFF_BACKEND_PRELOAD;
	ret->flags = adopt ? HANDOFF_HELLO_ADOPT : 0;
	ret->channel = adopt ? slot->channel : 0;
	memcpy(ret->token, shim.token, sizeof(ret->token));
	memcpy(ret->service, shim.service, sizeof(ret->service));
}

static int send_hello(int fd, const struct handoff_hello *hello)
{
	ssize_t n;

	do
		n = send(fd, hello, sizeof(*hello), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

union answer {
	struct handoff_welcome welcome;
	struct handoff_refused refused;
	unsigned char bytes[HANDOFF_MAX_SIZE];
};

/* Returns the length of the answer, with its descriptors in @m, or -errno. */
static ssize_t receive_answer(struct meeting *m, union answer *ret)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	int fds[3] = { -1, -1, -1 };
	ssize_t n;

	do
		n = recvmsg(m->rendezvous, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	(void)handoff_take_rights(&msg, fds, sizeof(fds) / sizeof(fds[0]), real_closep);
	m->rx = fds[0];
	m->tx = fds[1];
	m->page = fds[2];
	return msg.msg_flags & MSG_CTRUNC ? -EMFILE : n;
}

bool rendezvous_name_of(int fd, struct handoff_name *ret_name)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	int saved = errno;
	bool is;

	is = real.getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
	     len > offsetof(struct sockaddr_un, sun_path) && len <= sizeof(name) &&
	     name.sun_family == AF_UNIX &&
	     handoff_name_get(name.sun_path, len - offsetof(struct sockaddr_un, sun_path),
			      ret_name) &&
	     !memcmp(ret_name->token, shim.token, sizeof(shim.token));
	errno = saved;
	return is;
}

int rendezvous_meet(const struct slot *slot, bool adopt, int timeout_ms, struct meeting *ret)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	struct handoff_hello hello;
	struct handoff_name name;
	union answer answer;
	ssize_t n;
	int r;

	ret->rx = ret->tx = ret->page = -1;
	ret->rendezvous = dial(timeout_ms);
	if (ret->rendezvous == -EMFILE || ret->rendezvous == -ENFILE)
		return fail(ret, -ret->rendezvous, "no descriptor is free");
	if (ret->rendezvous == -EACCES)
		return fail(ret, EADDRNOTAVAIL,
			    "its present user may not reach the broker: set user in the service "
			    "instead of having the program change its user");
	if (ret->rendezvous < 0)
		return fail(ret, EADDRNOTAVAIL, "the broker is not there");

	hello_init(slot, adopt, &hello);
	r = send_hello(ret->rendezvous, &hello);
	if (r < 0)
		return fail(ret, EADDRNOTAVAIL, "the broker no longer listens");
	if (!wait_readable(ret->rendezvous, deadline_ms))
		return fail(ret, EADDRNOTAVAIL, "the broker did not answer in time");

	n = receive_answer(ret, &answer);
	if (n == -EMFILE)
		return fail(ret, EMFILE, "no descriptor is free");
	if (n <= 0)
		return fail(ret, EADDRNOTAVAIL, "the broker closed the connection");
	if (handoff_check(&answer, (size_t)n, HANDOFF_REFUSED))
		return fail(ret, (int)answer.refused.error, answer.refused.reason);
	if (!handoff_check(&answer, (size_t)n, HANDOFF_WELCOME) || ret->tx < 0)
		return fail(ret, EADDRNOTAVAIL, "the broker sent an answer of an unknown version");
	if (!rendezvous_name_of(ret->rx, &name) || name.channel != answer.welcome.channel)
		return fail(ret, EADDRNOTAVAIL, "the broker sent a channel without its name");

	ret->channel = answer.welcome.channel;
	ret->addr = answer.welcome.addr;
	return 0;
}
