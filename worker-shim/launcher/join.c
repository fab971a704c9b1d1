#include "join.h"

#include "answer.h"
#include "handoff_name.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SIZE 16384 /* of all lines: the longest, "join", has about one kilobyte */

struct place {
	char service[HANDOFF_SERVICE_SIZE];
	char worker[HANDOFF_SERVICE_SIZE + 32];
	char generation[16];
	char rendezvous[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char token[2 * HANDOFF_TOKEN_SIZE + 1];
	char private_ports[4096];
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* It goes into a line of words; the broker allows no other names. */
static bool name_is_plain(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < HANDOFF_SERVICE_SIZE &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       n;
}

static enum launch_exit explain_connect(const char *path, int error, struct reason *reason)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return reason_set(reason, LAUNCH_REFUSED,
				  "--join %s: no such socket: `control` in [broker] says where it "
				  "is, and the broker must run",
				  path);
	case ECONNREFUSED:
		return reason_set(
			reason, LAUNCH_REFUSED,
			"--join %s: no broker listens there: start it, or name its control socket",
			path);
	case EACCES:
	case EPERM:
		return reason_set(reason, LAUNCH_REFUSED,
				  "--join %s: not allowed for user %d: a guest is started by root "
				  "or by the broker's user",
				  path, (int)geteuid());
	case EAGAIN:
	case ETIMEDOUT:
		return reason_set(reason, LAUNCH_REFUSED,
				  "--join %s: the broker does not answer: too many wait there",
				  path);
	case EPROTOTYPE:
		return reason_set(reason, LAUNCH_REFUSED,
				  "--join %s: not a control socket; the rendezvous perhaps?", path);
	}
	return reason_set(reason, LAUNCH_REFUSED, "--join %s: %s", path, strerror(error));
}

static enum launch_exit dial(const char *path, int *ret_fd, struct reason *reason)
{
	const struct timeval timeout = { .tv_sec = JOIN_TIMEOUT_MS / 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, r, error;

	if (strlen(path) >= sizeof(addr.sun_path))
		return reason_set(reason, LAUNCH_USAGE,
				  "--join: the path is too long for a socket");
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return explain_connect(path, errno, reason);
	/* Bounds connect() too, which waits while the backlog is full, and the request. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	do
		r = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
	while (r < 0 && errno == EINTR);
	if (r < 0) {
		error = errno;
		(void)close(fd);
		return explain_connect(path, error, reason);
	}
	*ret_fd = fd;
	return LAUNCH_GOOD;
}

static bool ask(int fd, const struct join *join)
{
	char line[HANDOFF_SERVICE_SIZE + 32];
	int n = snprintf(line, sizeof(line), "join %s%s\n", join->service,
			 join->pinned_only ? " --pinned-only" : "");

	/* So short a line goes whole into an empty socket. */
	return send(fd, line, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Returns the bytes that came, 0 at the end of file, -errno; -ETIMEDOUT at the deadline. */
static ssize_t read_some(int fd, char *buf, size_t size, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline_ms - now_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;
		ssize_t n;

		if (r == 0)
			return -ETIMEDOUT;
		if (r > 0) {
			n = read(fd, buf, size);
			if (n >= 0)
				return n;
		}
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

/*
 * One line of the answer. True, with *@ret_code, when the answer is over. Kinds that are not known
 * are for later versions.
 */
static bool understand(const char *line, size_t len, struct place *place, struct reason *reason,
		       enum launch_exit *ret_code)
{
	char type[64], message[4096];
	struct answer_field head[] = {
		{ "type", type, sizeof(type) },
		{ "message", message, sizeof(message) },
	};
	struct answer_field body[] = {
		{ "service", place->service, sizeof(place->service) },
		{ "worker", place->worker, sizeof(place->worker) },
		{ "generation", place->generation, sizeof(place->generation) },
		{ "rendezvous", place->rendezvous, sizeof(place->rendezvous) },
		{ "token", place->token, sizeof(place->token) },
		{ "private_ports", place->private_ports, sizeof(place->private_ports) },
	};
	bool good = answer_read(line, len, head, sizeof(head) / sizeof(head[0]));

	if (good && !strcmp(type, "error")) {
		*ret_code = reason_set(reason, LAUNCH_REFUSED, "the broker refuses: %s",
				       *message ? message : "it does not say why");
		return true;
	}
	if (good && !strcmp(type, "end")) {
		*ret_code = LAUNCH_GOOD;
		return true;
	}
	if (good && !strcmp(type, "join"))
		good = answer_read(line, len, body, sizeof(body) / sizeof(body[0]));
	if (good)
		return false;
	*ret_code =
		reason_set(reason, LAUNCH_REFUSED,
			   "what answers at the control socket is not a broker of this version");
	return true;
}

static enum launch_exit collect(int fd, struct place *place, struct reason *reason)
{
	int64_t deadline = now_ms() + JOIN_TIMEOUT_MS;
	static char buf[ANSWER_SIZE];
	size_t len = 0;

	while (len < sizeof(buf)) {
		enum launch_exit code;
		ssize_t n = read_some(fd, buf + len, sizeof(buf) - len, deadline);
		char *newline;

		if (n == -ETIMEDOUT)
			return reason_set(reason, LAUNCH_REFUSED,
					  "the broker has not answered within %d s; is it stopped?",
					  JOIN_TIMEOUT_MS / 1000);
		if (n <= 0)
			return reason_set(reason, LAUNCH_REFUSED,
					  "the broker has closed the control connection%s%s",
					  n < 0 ? ": "
						: " without an answer: it ends, or has no "
						  "room for another client",
					  n < 0 ? strerror((int)-n) : "");
		len += (size_t)n;
		while ((newline = memchr(buf, '\n', len))) {
			size_t used = (size_t)(newline - buf) + 1;

			if (understand(buf, used - 1, place, reason, &code))
				return code;
			len -= used;
			memmove(buf, newline + 1, len);
		}
	}
	return reason_set(reason, LAUNCH_REFUSED, "the broker's answer has no end");
}

static bool is_complete(const struct place *place)
{
	uint8_t token[HANDOFF_TOKEN_SIZE] = { 0 };

	return place->rendezvous[0] == '/' && place->worker[0] && place->service[0] &&
	       place->generation[0] && strlen(place->token) == 2 * sizeof(token) &&
	       handoff_hex_get(place->token, token, sizeof(token));
}

/* What an outer worker's shell may have left in ours would make us look like that one. */
static bool set_environment(const struct place *place)
{
	const struct {
		const char *name, *value;
	} variables[] = {
		{ HANDOFF_ENV_SERVICE, place->service },
		{ HANDOFF_ENV_WORKER, place->worker },
		{ HANDOFF_ENV_GENERATION, place->generation },
		{ HANDOFF_ENV_RENDEZVOUS, place->rendezvous },
		{ HANDOFF_ENV_TOKEN, place->token },
		{ HANDOFF_ENV_PRIVATE, place->private_ports },
		{ HANDOFF_ENV_SLOT, "" },
		{ HANDOFF_ENV_WRAPPER, "" },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		r |= *variables[i].value ? setenv(variables[i].name, variables[i].value, 1)
					 : unsetenv(variables[i].name);
	return r == 0;
}

enum launch_exit join_broker(const struct join *join, struct reason *ret_reason)
{
	struct place place = { .service = "" };
	enum launch_exit code;
	int fd = -1;

	if (!name_is_plain(join->service))
		return reason_set(ret_reason, LAUNCH_USAGE,
				  "--service %.80s: not a name that a service can have",
				  join->service);
	code = dial(join->control, &fd, ret_reason);
	if (code != LAUNCH_GOOD)
		return code;
	if (ask(fd, join))
		code = collect(fd, &place, ret_reason);
	else
		code = reason_set(ret_reason, LAUNCH_REFUSED, "--join %s: cannot ask: %s",
				  join->control, strerror(errno));
	(void)close(fd);
	if (code != LAUNCH_GOOD)
		return code;
	if (!is_complete(&place))
		return reason_set(ret_reason, LAUNCH_REFUSED,
				  "the broker's answer is not complete: worker-shim and broker are "
				  "of different builds");
	if (!set_environment(&place))
		return reason_set(ret_reason, LAUNCH_REFUSED, "no memory for the environment");
	return LAUNCH_GOOD;
}
