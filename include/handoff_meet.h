/*
 * handoff_meet.h - the worker's side of the rendezvous, as docs/protocol.md asks. There is one
 * version, for the launcher, libhandoff and the preload library, which defines connect(2),
 * close(2) and others as libc's own functions before it includes this (real.h): its hooks bear
 * these names.
 *
 * Never:  allocates, writes anywhere, calls what a vfork child may not.
 */
#pragma once

#include "handoff_addr.h"
#include "handoff_name.h"
#include "handoff_page.h"
#include "handoff_rights.h"
#include "handoff_wire.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* How long the broker may take to answer. */
#define HANDOFF_MEET_LISTEN_MS 30000
#define HANDOFF_MEET_ADOPT_MS  5000

/* Where this process belongs: what the broker has put into its environment. */
struct handoff_home {
	struct sockaddr_un rendezvous;
	uint8_t token[HANDOFF_TOKEN_SIZE];
	char service[HANDOFF_SERVICE_SIZE];
	uint32_t slot, generation;
	uint32_t backend; /* what takes the connections: enum handoff_backend */
};

/* What is asked for. */
struct handoff_wish {
	struct handoff_place at;
	uint32_t backlog;
	uint32_t flags;	  /* HANDOFF_HELLO_* */
	uint64_t channel; /* with ADOPT */
	int own; /* the app's socket, for the broker to see what options it has; -1: none */
};

/* What came of it. Descriptors are close-on-exec and the caller's; -1: none. */
struct handoff_meeting {
	int rx, tx; /* with HANDOFF_HELLO_UDP, rx is the socket, and the only one but .rendezvous */
	int page;   /* handoff_page.h */
	int rendezvous; /* to be kept open: its end is the goodbye */
	uint64_t channel;
	char path[HANDOFF_PATH_SIZE];
	bool refused;	  /* the broker has said so */
	uint16_t version; /* of its answer */
};

/* False: @name is not set, or too long to be the broker's; @ret is as it was. */
static inline bool handoff_copy_env(const char *name, char *ret, size_t size)
{
	const char *text = getenv(name);

	if (!text || strlen(text) >= size)
		return false;
	strcpy(ret, text);
	return true;
}

/* 0: it is not set, or none. */
static inline uint32_t handoff_env_number(const char *name)
{
	const char *text = getenv(name);
	uint32_t n;

	return text && handoff_read_number(text, UINT32_MAX, &n) ? n : 0;
}

/* 0; -ENOENT: no broker has started this process; -EINVAL: something has spoilt what it said. */
static inline int handoff_find_home(enum handoff_backend backend, struct handoff_home *ret)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1], *path;

	memset(ret, 0, sizeof(*ret));
	ret->rendezvous.sun_family = AF_UNIX;
	ret->backend = backend;
	path = ret->rendezvous.sun_path;
	if (!getenv(HANDOFF_ENV_RENDEZVOUS) || !getenv(HANDOFF_ENV_TOKEN))
		return -ENOENT;
	if (!handoff_copy_env(HANDOFF_ENV_RENDEZVOUS, path, sizeof(ret->rendezvous.sun_path)) ||
	    !*path || !handoff_copy_env(HANDOFF_ENV_TOKEN, token, sizeof(token)) ||
	    strlen(token) != sizeof(token) - 1 ||
	    !handoff_hex_get(token, ret->token, sizeof(ret->token)))
		return -EINVAL;
	(void)handoff_copy_env(HANDOFF_ENV_SERVICE, ret->service, sizeof(ret->service));
	ret->slot = handoff_env_number(HANDOFF_ENV_SLOT);
	ret->generation = handoff_env_number(HANDOFF_ENV_GENERATION);
	return 0;
}

static inline int64_t handoff_now_ms(void)
{
	return (int64_t)(handoff_now_ns() / 1000000);
}

/* Signal handlers of the app may run meanwhile; listen(2) never fails with EINTR, nor does this. */
static inline bool handoff_wait_readable(int fd, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline_ms - handoff_now_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (r > 0)
			return true;
		if (r == 0 || (errno != EINTR && errno != EAGAIN))
			return false;
	}
}

/* 0 or an errno. Either way *@ret_fd is the caller's, if it is one. */
static inline int handoff_dial(const struct sockaddr_un *to, int type, int timeout_ms, int *ret_fd)
{
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000 };
	int r;

	*ret_fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0)
		return errno;
	/* Bounds connect() too, which waits while the broker's backlog is full. */
	(void)setsockopt(*ret_fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	do
		r = connect(*ret_fd, (const struct sockaddr *)to, sizeof(*to));
	while (r < 0 && errno == EINTR);
	return r < 0 ? errno : 0;
}

static inline int handoff_say_hello(int fd, const struct handoff_home *home,
				    const struct handoff_wish *wish)
{
	struct handoff_hello hello = {
		.addr = wish->at.addr,
		.slot = home->slot,
		.generation = home->generation,
		.pid = (int32_t)getpid(),
		.backlog = wish->backlog,
		.backend = home->backend,
		.flags = wish->flags,
		.channel = wish->channel,
	};

	handoff_header_init(&hello.h, HANDOFF_HELLO);
	memcpy(hello.token, home->token, sizeof(hello.token));
	memcpy(hello.service, home->service, sizeof(hello.service));
	strcpy(hello.path, wish->at.path);
	return handoff_send(fd, &hello, sizeof(hello), &wish->own, wish->own >= 0, 0);
}

/* Whether @fd, or what is at its other end (@peer), is a channel of this worker; *@ret says which.
 */
static inline bool handoff_is_channel(const struct handoff_home *home, int fd, bool peer,
				      struct handoff_name *ret)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	struct sockaddr *addr = (struct sockaddr *)&name;
	socklen_t len = sizeof(name);
	int saved = errno;
	bool good = (peer ? getpeername(fd, addr, &len) : getsockname(fd, addr, &len)) == 0 &&
		    name.sun_family == AF_UNIX &&
		    handoff_name_get(name.sun_path, len - offsetof(struct sockaddr_un, sun_path),
				     ret) &&
		    !memcmp(ret->worker, home->token, sizeof(ret->worker));

	errno = saved;
	return good;
}

/* NULL: WELCOME. Else why not, perhaps in @answer, and *@error as an errno. */
static inline const char *handoff_try(const struct handoff_home *home,
				      const struct handoff_wish *wish, struct handoff_meeting *m,
				      union handoff_message *answer, int *error)
{
	/* listen() may wait for a busy broker; what inherits a listener serves anyway. */
	int timeout_ms =
		wish->flags & HANDOFF_HELLO_ADOPT ? HANDOFF_MEET_ADOPT_MS : HANDOFF_MEET_LISTEN_MS;
	int64_t deadline_ms = handoff_now_ms() + timeout_ms;
	struct handoff_name name;
	struct handoff_received got;

	*error = handoff_dial(&home->rendezvous, SOCK_SEQPACKET, timeout_ms, &m->rendezvous);
	if (*error == EMFILE || *error == ENFILE)
		return "no descriptor is free";
	if (*error == EACCES)
		return "its present user may not reach the broker: set user in the service "
		       "instead of having the program change its user";
	if (*error == ENOENT)
		return "the broker is not there, or its socket is outside of this program's "
		       "root directory (chroot): it must listen before it changes that";
	if (*error)
		return "the broker is not there";

	*error = EADDRNOTAVAIL;
	if (handoff_say_hello(m->rendezvous, home, wish) < 0)
		return "the broker no longer listens";
	if (!handoff_wait_readable(m->rendezvous, deadline_ms)) {
		*error = ETIMEDOUT;
		return "the broker did not answer in time";
	}
	handoff_receive(m->rendezvous, answer, sizeof(*answer), MSG_CMSG_CLOEXEC | MSG_DONTWAIT,
			HANDOFF_FDS_MAX, &got);
	m->rx = got.fds[0];
	m->tx = got.fds[1];
	m->page = got.fds[2];
	if (got.flags & MSG_CTRUNC) {
		*error = EMFILE;
		return "no descriptor is free";
	}
	if (got.n < (ssize_t)sizeof(answer->h))
		return "the broker closed the connection";
	m->version = answer->h.version;
	m->refused = handoff_check(answer, (size_t)got.n, HANDOFF_REFUSED);
	if (m->refused) {
		*error = (int)answer->refused.error;
		return answer->refused.reason;
	}
	*error = EPROTO;
	if ((wish->flags & HANDOFF_HELLO_UDP) && m->rx >= 0 && m->tx < 0 &&
	    handoff_check(answer, (size_t)got.n, HANDOFF_WELCOME))
		return NULL;
	if (!handoff_check(answer, (size_t)got.n, HANDOFF_WELCOME) || m->tx < 0)
		return "the broker sent an answer of an unknown version";
	if (!handoff_is_channel(home, m->rx, false, &name) ||
	    name.channel != answer->welcome.channel)
		return "the broker sent a channel without its name";
	m->channel = name.channel;
	strcpy(m->path, answer->welcome.path);
	return NULL;
}

static inline void handoff_meeting_close(struct handoff_meeting *m)
{
	handoff_close_fd(&m->rx);
	handoff_close_fd(&m->tx);
	handoff_close_fd(&m->page);
	handoff_close_fd(&m->rendezvous);
}

/*
 * Says HELLO and waits for the answer. 0: *@ret is what the broker gave. -errno: nothing is left
 * open, and @ret_reason says why in a sentence.
 */
static inline int handoff_meet(const struct handoff_home *home, const struct handoff_wish *wish,
			       struct handoff_meeting *ret, char ret_reason[HANDOFF_REASON_SIZE])
{
	union handoff_message answer;
	const char *why;
	int error;

	*ret = (struct handoff_meeting){ .rx = -1, .tx = -1, .page = -1, .rendezvous = -1 };
	why = handoff_try(home, wish, ret, &answer, &error);
	if (!why)
		return 0;
	handoff_meeting_close(ret);
	strcpy(ret_reason, why);
	return -error;
}

/* The same for a program of our own, which can be built again. */
static inline int handoff_meet_own(const struct handoff_home *home, const struct handoff_wish *wish,
				   struct handoff_meeting *ret,
				   char ret_reason[HANDOFF_REASON_SIZE])
{
	int r = handoff_meet(home, wish, ret, ret_reason);

	if (r == -EPROTO && ret->version != HANDOFF_VERSION)
		(void)snprintf(ret_reason, HANDOFF_REASON_SIZE,
			       "the broker speaks version %u of the handoff protocol, and this "
			       "program version %d: build it with the library of the broker that "
			       "runs",
			       ret->version, HANDOFF_VERSION);
	return r;
}
