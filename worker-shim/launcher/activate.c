#include "activate.h"

#include <fcntl.h>
#include "handoff_meet.h"
#include "reason.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static struct listener {
	const char *name; /* NULL: the service's */
	const char *text; /* of the address, as it was given */
	struct handoff_place at;
	bool port_only;
	int rx;
} listeners[ACTIVATE_MAX];
static size_t n_listeners;

/* --- what is asked for ------------------------------------------------------------------ */

bool activate_add(char *text)
{
	struct listener *l = &listeners[n_listeners];
	char *equals = strchr(text, '=');

	if (n_listeners == ACTIVATE_MAX)
		return reason_set(LAUNCH_USAGE, "--listen: more than %d", ACTIVATE_MAX);
	if (equals) {
		*equals = '\0';
		l->name = text;
	}
	l->text = equals ? equals + 1 : text;
	if (!handoff_read_place(l->text, &l->at, &l->port_only))
		return reason_set(LAUNCH_USAGE,
				  "--listen %.80s: must be [NAME=][ADDRESS:]PORT, /PATH or @NAME",
				  l->text);
	n_listeners++;
	return true;
}

/* --- what the program is told ----------------------------------------------------------- */

static bool tell_systemd(void)
{
	const char *service = getenv(HANDOFF_ENV_SERVICE), *other = service ? service : "unknown";
	bool good = environment_put("LISTEN_FDNAMES=");

	for (size_t i = 0; good && i < n_listeners; i++)
		good = environment_put("LISTEN_FDNAMES=%s%s%s", getenv("LISTEN_FDNAMES"),
				       i ? ":" : "", listeners[i].name ? listeners[i].name : other);
	return good && environment_put("LISTEN_FDS=%zu", n_listeners) &&
	       environment_put("LISTEN_PID=%d", (int)getpid());
}

static bool tell_einhorn(void)
{
	bool good = environment_put("EINHORN_FD_COUNT=%zu", n_listeners) &&
		    environment_put("EINHORN_MASTER_PID=%d", (int)getppid());

	for (int i = 0; good && i < (int)n_listeners; i++)
		good = environment_put("EINHORN_FD_%d=%d", i, FIRST_FD + i) &&
		       environment_put("EINHORN_FD_FAMILY_%d=%s", i,
				       listeners[i].at.path[0]		  ? "AF_UNIX"
				       : listeners[i].at.addr.family == 6 ? "AF_INET6"
									  : "AF_INET");
	return good;
}

static bool tell_server_starter(void)
{
	const char *generation = getenv(HANDOFF_ENV_GENERATION);
	bool good = environment_put("SERVER_STARTER_PORT=");

	for (int i = 0; good && i < (int)n_listeners; i++)
		good = environment_put("SERVER_STARTER_PORT=%s%s%s=%d",
				       getenv("SERVER_STARTER_PORT"), i ? ";" : "",
				       listeners[i].text, FIRST_FD + i);
	return good &&
	       environment_put("SERVER_STARTER_GENERATION=%s", generation ? generation : "1");
}

static const struct convention {
	const char *word;
	bool (*tell)(void); /* NULL: the socket is its input ... */
	int last_fd;	    /* ... and all descriptors up to this */
} conventions[] = {
	{ "systemd", tell_systemd, 0 },
	{ "einhorn", tell_einhorn, 0 },
	{ "server-starter", tell_server_starter, 0 },
	{ "inetd", NULL, STDOUT_FILENO },
	{ "inetd-stderr", NULL, STDERR_FILENO },
};
static const struct convention *convention;

bool activate_set(const char *word)
{
	convention = NULL;
	for (size_t i = 0; i < sizeof(conventions) / sizeof(conventions[0]); i++)
		if (!strcmp(word, conventions[i].word))
			convention = &conventions[i];
	return convention || reason_set(LAUNCH_USAGE,
					"--activation %s: must be systemd, einhorn or "
					"server-starter",
					word);
}

bool activate_complete(bool *ret_wanted)
{
	*ret_wanted = convention && n_listeners;
	return !convention == !n_listeners ||
	       reason_set(LAUNCH_USAGE, "--activation and --listen need each other");
}

/* --- the listeners ---------------------------------------------------------------------- */

/* Moves *@fd above all numbers that listeners get, and through the exec. */
static bool move(int *fd)
{
	int moved = fcntl(*fd, F_DUPFD, FIRST_FD + (int)n_listeners);

	if (moved < 0)
		return false;
	(void)close(*fd);
	*fd = moved;
	return true;
}

/* As the broker does where the kernel has no IPv6. */
static void choose_family(struct listener *l)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		(void)close(fd);
	else if (l->port_only && errno == EAFNOSUPPORT)
		l->at.addr.family = 4;
}

static bool meet(const struct handoff_home *home, struct listener *l)
{
	const struct handoff_wish wish = { .at = l->at, .backlog = 4096, .own = -1 };
	char why[HANDOFF_REASON_SIZE];
	struct handoff_meeting m;

	if (handoff_meet_own(home, &wish, &m, why) < 0)
		return reason_refuse("no listener on %s: %s", l->text, why);
	handoff_close_fd(&m.page);
	if (!move(&m.rx) || !move(&m.tx) || !move(&m.rendezvous))
		return reason_refuse("no descriptor is free for the listener on %s", l->text);
	l->rx = m.rx;
	return true;
}

bool activate(bool v6only, int *status_fd)
{
	struct handoff_home home;

	if (handoff_find_home(HANDOFF_BACKEND_PRELOAD, &home) < 0)
		return reason_refuse("--activation: no broker has started this process");
	if (*status_fd >= 0 && !move(status_fd))
		return reason_refuse("no descriptor is free");
	for (struct listener *l = listeners; l < listeners + n_listeners; l++) {
		choose_family(l);
		if (v6only && l->at.addr.family == 6)
			l->at.addr.flags = HANDOFF_V6ONLY;
		if (!meet(&home, l))
			return false;
	}
	for (size_t i = 0; i < n_listeners; i++) {
		int fd = convention->tell ? FIRST_FD + (int)i : STDIN_FILENO;

		do
			if (dup2(listeners[i].rx, fd) < 0)
				return reason_refuse("no descriptor is free");
		while (++fd <= convention->last_fd);
		(void)close(listeners[i].rx);
	}
	return !convention->tell || convention->tell() ||
	       reason_refuse("the environment has no room for the listeners");
}
