#include "rendezvous.h"

#include "handoff_name.h"
#include "receive.h"
#include "say.h"
#include "shim.h"

#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

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

/* 0 or an errno. Either way *@ret_fd is the caller's, if it is one. */
static int dial(int timeout_ms, int *ret_fd)
{
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000 };
	int r;

	*ret_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0)
		return errno;
	/* Bounds connect() too, which waits while the broker's backlog is full. */
	(void)real.setsockopt(*ret_fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	do
		r = real.connect(*ret_fd, (const struct sockaddr *)&shim.rendezvous,
				 sizeof(shim.rendezvous));
	while (r < 0 && errno == EINTR);
	return r < 0 ? errno : 0;
}

/* Sends HELLO, with the descriptor @own unless it is -1. */
static bool say_hello(int fd, const struct slot *slot, bool adopt, int own)
{
	struct handoff_hello hello = {
		.addr = slot->app.addr,
		.slot = shim.slot,
		.generation = shim.generation,
		.pid = (int32_t)getpid(),
		.backlog = slot->backlog,
		.backend = HANDOFF_BACKEND_PRELOAD,
		.flags = adopt ? HANDOFF_HELLO_ADOPT : 0,
		.channel = adopt ? slot->channel : 0,
	};

	handoff_header_init(&hello.h, HANDOFF_HELLO);
	memcpy(hello.token, shim.token, sizeof(hello.token));
	memcpy(hello.service, shim.service, sizeof(hello.service));
	strcpy(hello.path, slot->app.path);
	return handoff_send(fd, &hello, sizeof(hello), &own, own >= 0, 0) == 0;
}

union answer {
	struct handoff_welcome welcome;
	struct handoff_refused refused;
	unsigned char bytes[HANDOFF_MAX_SIZE];
};

bool rendezvous_is_peer(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(name);

	return real.getpeername(fd, (struct sockaddr *)&name, &len) == 0 &&
	       name.sun_family == AF_UNIX &&
	       !strncmp(name.sun_path, shim.rendezvous.sun_path, sizeof(name.sun_path));
}

static bool is_channel(int (*name_of)(int, struct sockaddr *, socklen_t *), int fd,
		       struct handoff_name *ret_name)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	_keep_errno_ int saved = errno;

	return name_of(fd, (struct sockaddr *)&name, &len) == 0 && name.sun_family == AF_UNIX &&
	       handoff_name_get(name.sun_path, len - offsetof(struct sockaddr_un, sun_path),
				ret_name) &&
	       !memcmp(ret_name->token, shim.token, sizeof(shim.token));
}

bool rendezvous_name_of(int fd, struct handoff_name *ret_name)
{
	return is_channel(real.getsockname, fd, ret_name);
}

bool rendezvous_is_tx(int fd)
{
	struct handoff_name unused;

	return is_channel(real.getpeername, fd, &unused);
}

/* NULL: WELCOME. Else one line that says why not, perhaps of @answer, and *@error as an errno. */
static const char *meet(const struct slot *slot, bool adopt, int own, struct meeting *m,
			union answer *answer, int *error)
{
	int timeout_ms = adopt ? MEET_ADOPT_MS : MEET_LISTEN_MS;
	int64_t deadline_ms = now_ms() + timeout_ms;
	struct handoff_name name;
	struct handoff_received got;
	int dialed;

	*error = dial(timeout_ms, &m->rendezvous);
	if (*error == EMFILE || *error == ENFILE)
		return "no descriptor is free";
	dialed = *error;
	*error = EADDRNOTAVAIL;
	if (dialed == EACCES)
		return "its present user may not reach the broker: set user in the service "
		       "instead of having the program change its user";
	if (dialed == ENOENT)
		return "the broker is not there, or its socket is outside of this program's "
		       "root directory (chroot): it must listen before it changes that";
	if (dialed != 0)
		return "the broker is not there";

	if (!say_hello(m->rendezvous, slot, adopt, own))
		return "the broker no longer listens";
	if (!wait_readable(m->rendezvous, deadline_ms))
		return "the broker did not answer in time";

	handoff_receive(m->rendezvous, answer, sizeof(*answer), MSG_CMSG_CLOEXEC | MSG_DONTWAIT,
			HANDOFF_FDS_MAX, real_closep, &got);
	m->rx = got.fds[0];
	m->tx = got.fds[1];
	m->page = got.fds[2];
	if (got.flags & MSG_CTRUNC) {
		*error = EMFILE;
		return "no descriptor is free";
	}
	if (got.n <= 0)
		return "the broker closed the connection";
	if (handoff_check(answer, (size_t)got.n, HANDOFF_REFUSED)) {
		*error = (int)answer->refused.error;
		return answer->refused.reason;
	}
	if (!handoff_check(answer, (size_t)got.n, HANDOFF_WELCOME) || m->tx < 0)
		return "the broker sent an answer of an unknown version";
	if (!rendezvous_name_of(m->rx, &name) || name.channel != answer->welcome.channel)
		return "the broker sent a channel without its name";
	m->channel = name.channel;
	strcpy(m->path, answer->welcome.path);
	return NULL;
}

int rendezvous_meet(const struct slot *slot, bool adopt, int own, struct meeting *ret)
{
	union answer answer;
	const char *reason;
	int error;

	ret->rx = ret->tx = ret->page = -1;
	reason = meet(slot, adopt, own, ret, &answer, &error);
	if (!reason)
		return 0;
	meeting_close(ret);
	if (own >= 0)
		say(slot, reason, NULL);
	return -error;
}
