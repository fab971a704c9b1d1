#include "join.h"

#include "handoff_meet.h"
#include "reason.h"

/* The broker allows no others in a service's name. */
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool explain_connect(const char *path, int error)
{
	const char *what = strerror(error);

	switch (error) {
	case ENOENT:
	case ENOTDIR:
		what = "no such socket: `control` in [broker] says where it is, and the broker "
		       "must run";
		break;
	case ECONNREFUSED:
		what = "no broker listens there: start the broker, or name its control socket";
		break;
	case EACCES:
	case EPERM:
		return reason_refuse("--join %s: not allowed for user %d: a guest is started by "
				     "root or by the broker's user",
				     path, (int)geteuid());
	case EAGAIN:
	case ETIMEDOUT:
		what = "the broker does not answer: too many clients are waiting";
		break;
	case EPROTOTYPE:
		what = "not a control socket; is it the rendezvous?";
		break;
	}
	return reason_refuse("--join %s: %s", path, what);
}

static bool ask(const char *control, const char *service, bool pinned_only, int *ret_fd)
{
	const struct timeval timeout = { .tv_sec = JOIN_TIMEOUT_MS / 1000 };
	struct handoff_join msg = { .flags = pinned_only ? HANDOFF_JOIN_PINNED_ONLY : 0 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int error;

	if (strlen(control) >= sizeof(addr.sun_path))
		return reason_set(LAUNCH_USAGE, "--join: the path is too long for a socket");
	strcpy(addr.sun_path, control);
	error = handoff_dial(&addr, SOCK_STREAM, JOIN_TIMEOUT_MS, ret_fd);
	if (error)
		return explain_connect(control, error);
	(void)setsockopt(*ret_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));

	handoff_header_init(&msg.h, HANDOFF_JOIN);
	strcpy(msg.service, service);
	/* So little goes whole into an empty socket. */
	if (send(*ret_fd, &msg, sizeof(msg), MSG_NOSIGNAL) != sizeof(msg))
		return reason_refuse("--join %s: cannot ask: %s", control, strerror(errno));
	return true;
}

union answer {
	struct handoff_header h;
	struct handoff_joined joined;
	struct handoff_refused refused;
	uint64_t align;
	char text[HANDOFF_MAX_SIZE + 2]; /* one that is too long, terminated */
};

/* True: all that the broker says until it closes the connection is a place. */
static bool hear(int fd, union answer *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret->text, sizeof(ret->text) - 1, MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return reason_refuse("the broker has not answered within %d s; is its process "
				     "stopped?",
				     JOIN_TIMEOUT_MS / 1000);
	if (n < 0)
		return reason_refuse("the broker has closed the control connection: %s",
				     strerror(errno));
	if (n == 0)
		return reason_refuse("the broker has closed the control connection without an "
				     "answer: it ends, or has no room for another client");
	ret->text[n] = '\0';
	if (handoff_check(ret, (size_t)n, HANDOFF_JOINED))
		return true;
	if (handoff_check(ret, (size_t)n, HANDOFF_REFUSED))
		return reason_refuse("the broker refuses: %s", ret->refused.reason);
	/* A client that is not let in gets JSON at once, before the broker has read its request. */
	if (ret->text[0] == '{')
		return reason_refuse("the broker refuses: %.*s", (int)strcspn(ret->text, "\n"),
				     ret->text);
	return reason_refuse("the program at the control socket is not a broker of this version");
}

/* All ports but those of the service are the app's own: a tool in front of it keeps its port. */
static void list_private_ports(const struct handoff_joined *m, char *ret, size_t size)
{
	unsigned from = 1;
	size_t len = 0;

	*ret = '\0';
	for (size_t i = 0; i <= m->n_ports && len < size; i++) {
		unsigned next = i < m->n_ports ? m->ports[i] : UINT16_MAX + 1u;

		if (from < next)
			len += (size_t)snprintf(ret + len, size - len, "%s%u-%u", len ? "," : "",
						from, next - 1);
		from = next + 1;
	}
}

static bool set_environment(const struct handoff_joined *m)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "", private_ports[1024];

	handoff_hex_put(token, m->token, sizeof(m->token));
	list_private_ports(m, private_ports, sizeof(private_ports));
	/* What a worker's shell may have left: this process would look like that worker. */
	(void)unsetenv(HANDOFF_ENV_SLOT);
	(void)unsetenv(HANDOFF_ENV_WRAPPER);
	return environment_put(HANDOFF_ENV_SERVICE "=%s", m->service) &&
	       environment_put(HANDOFF_ENV_WORKER "=%s", m->worker) &&
	       environment_put(HANDOFF_ENV_GENERATION "=%u", m->generation) &&
	       environment_put(HANDOFF_ENV_RENDEZVOUS "=%s", m->rendezvous) &&
	       environment_put(HANDOFF_ENV_TOKEN "=%s", token) &&
	       environment_put(HANDOFF_ENV_PRIVATE "=%s", private_ports) &&
	       environment_put(HANDOFF_ENV_SOCKETS "=%s", m->path);
}

bool join_broker(const char *control, const char *service, bool pinned_only)
{
	size_t n = strspn(service, NAME_CHARACTERS);
	union answer answer = { .text = "" };
	bool good;
	int fd = -1;

	if (n == 0 || n >= HANDOFF_SERVICE_SIZE || service[n])
		return reason_set(LAUNCH_USAGE, "--service %.80s: not a valid service name",
				  service);
	good = ask(control, service, pinned_only, &fd) && hear(fd, &answer);
	handoff_close_fd(&fd);
	return good && (set_environment(&answer.joined) || reason_refuse("out of memory"));
}
