#include "meet.h"

#include "handoff_name.h"
#include "handoff_rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* A broker that is busy rolling other workers answers late. */
#define MEET_TIMEOUT_S 30

static void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

void meeting_close(struct meeting *m)
{
	close_fd(&m->rx);
	close_fd(&m->tx);
	close_fd(&m->page);
	close_fd(&m->rendezvous);
}

static bool copy_from(const char *name, char *ret, size_t size)
{
	const char *text = getenv(name);

	return text && (size_t)snprintf(ret, size, "%s", text) < size && *ret;
}

static uint32_t number_from(const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

int place_read(struct place *ret)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1];

	*ret = (struct place){
		.rendezvous = { .sun_family = AF_UNIX },
		.backend = HANDOFF_BACKEND_NATIVE,
	};
	if (!getenv(HANDOFF_ENV_RENDEZVOUS) || !getenv(HANDOFF_ENV_TOKEN))
		return -ENOENT;
	if (!copy_from(HANDOFF_ENV_RENDEZVOUS, ret->rendezvous.sun_path,
		       sizeof(ret->rendezvous.sun_path)) ||
	    !copy_from(HANDOFF_ENV_TOKEN, token, sizeof(token)) ||
	    strlen(token) != sizeof(token) - 1 ||
	    !handoff_hex_get(token, ret->token, sizeof(ret->token)))
		return -EINVAL;
	(void)copy_from(HANDOFF_ENV_SERVICE, ret->service, sizeof(ret->service));
	ret->slot = number_from(HANDOFF_ENV_SLOT);
	ret->generation = number_from(HANDOFF_ENV_GENERATION);
	return 0;
}

static int fail(char reason[HANDOFF_REASON_SIZE], int error, const char *what)
{
	(void)snprintf(reason, HANDOFF_REASON_SIZE, "%s", what);
	return -error;
}

static int say_hello(const struct place *place, const struct handoff_addr *addr, uint32_t backlog,
		     int fd)
{
	const struct timeval timeout = { .tv_sec = MEET_TIMEOUT_S };
	struct handoff_hello hello = {
		.addr = *addr,
		.slot = place->slot,
		.generation = place->generation,
		.pid = (int32_t)getpid(),
		.backlog = backlog,
		.backend = place->backend,
	};
	int r;

	/* Both bound connect(2), which waits while the broker's backlog is full, and the answer. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	do
		r = connect(fd, (const struct sockaddr *)&place->rendezvous,
			    sizeof(place->rendezvous));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	handoff_header_init(&hello.h, HANDOFF_HELLO);
	memcpy(hello.token, place->token, sizeof(hello.token));
	memcpy(hello.service, place->service, sizeof(hello.service));
	return handoff_send(fd, &hello, sizeof(hello), NULL, 0, 0);
}

/* Whether @fd is the channel of that number, and this worker's. */
static bool is_channel(const struct place *place, int fd, uint64_t channel)
{
	struct sockaddr_un addr = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(addr);
	struct handoff_name name;

	return getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.sun_family == AF_UNIX &&
	       handoff_name_get(addr.sun_path, len - offsetof(struct sockaddr_un, sun_path),
				&name) &&
	       name.channel == channel && !memcmp(name.token, place->token, sizeof(place->token));
}

union answer {
	struct handoff_header h;
	struct handoff_welcome welcome;
	struct handoff_refused refused;
	unsigned char bytes[HANDOFF_MAX_SIZE];
};

static int fail_version(char reason[HANDOFF_REASON_SIZE], const struct handoff_header *h)
{
	if (h->version == HANDOFF_VERSION)
		return fail(reason, EPROTO, "the broker sent an answer that is none");
	(void)snprintf(reason, HANDOFF_REASON_SIZE,
		       "the broker speaks version %u of the handoff protocol, and this program "
		       "version %d: build it with the library of the broker that runs",
		       h->version, HANDOFF_VERSION);
	return -EPROTO;
}

static int hear(const struct place *place, struct meeting *m, char reason[HANDOFF_REASON_SIZE])
{
	struct handoff_received got;
	union answer answer;

	do
		handoff_receive(m->rendezvous, &answer, sizeof(answer), MSG_CMSG_CLOEXEC,
				HANDOFF_FDS_MAX, close_fd, &got);
	while (got.n == -EINTR);
	m->rx = got.fds[0];
	m->tx = got.fds[1];
	m->page = got.fds[2];
	if (got.n == -EAGAIN)
		return fail(reason, ETIMEDOUT, "the broker did not answer in time");
	if (got.n < (ssize_t)sizeof(answer.h))
		return fail(reason, EADDRNOTAVAIL, "the broker closed the connection");
	if (handoff_check(&answer, (size_t)got.n, HANDOFF_REFUSED))
		return fail(reason, (int)answer.refused.error, answer.refused.reason);
	if (got.flags & MSG_CTRUNC)
		return fail(reason, EMFILE, "no descriptor is free");
	if (!handoff_check(&answer, (size_t)got.n, HANDOFF_WELCOME) || m->tx < 0)
		return fail_version(reason, &answer.h);
	if (!is_channel(place, m->rx, answer.welcome.channel))
		return fail(reason, EPROTO, "the broker sent a channel without its name");
	m->channel = answer.welcome.channel;
	m->addr = answer.welcome.addr;
	return 0;
}

int place_meet(const struct place *place, const struct handoff_addr *addr, uint32_t backlog,
	       struct meeting *ret, char reason[HANDOFF_REASON_SIZE])
{
	int r;

	*ret = (struct meeting){ .rx = -1, .tx = -1, .page = -1, .rendezvous = -1 };
	ret->rendezvous = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (ret->rendezvous < 0)
		return fail(reason, errno, "no descriptor is free");
	r = say_hello(place, addr, backlog, ret->rendezvous);
	if (r < 0)
		r = fail(reason, -r,
			 r == -EACCES ? "this user may not reach the broker: set user "
					"in the service instead of changing it"
				      : "the broker is not there");
	else
		r = hear(place, ret, reason);
	if (r < 0)
		meeting_close(ret);
	return r;
}
