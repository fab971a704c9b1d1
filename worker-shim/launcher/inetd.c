#include "inetd.h"

#include <fcntl.h>
#include "handoff_meet.h"
#include "inetd/park.h"

static bool meet(const char *at, struct handoff_meeting *ret)
{
	/* More connections than that do not wait in a channel. */
	struct handoff_wish wish = { .backlog = 128, .own = -1 };
	char why[HANDOFF_REASON_SIZE];
	struct handoff_home home;
	bool port_only;

	if (!at || !handoff_read_place(at, &wish.at, &port_only))
		return reason_refuse("--inetd-listen: must be a port, /PATH or @NAME");
	if (wish.at.addr.family == 6)
		wish.at.addr.family = 4;
	if (handoff_find_home(HANDOFF_BACKEND_NATIVE, &home) < 0)
		return reason_refuse("--inetd: no broker has started this process");
	if (handoff_meet_own(&home, &wish, ret, why) < 0)
		return reason_refuse("%s", why);
	/* No child keeps it: so the end of the broker is the end of the channel, once empty. */
	handoff_close_fd(&ret->tx);
	return true;
}

static bool keep_open(int fd)
{
	return fcntl(fd, F_SETFD, 0) == 0;
}

/* Until it is parked the program may look what descriptor 0 is: a socket, with no other end. */
static bool place_socket(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	(void)close(ends[1]);
	return dup2(ends[0], STDIN_FILENO) == STDIN_FILENO && close(ends[0]) == 0;
}

/* The library does the rest. */
static bool prepare_program(const struct inetd *inetd, const struct handoff_meeting *m,
			    const char *library)
{
	const char *slash = strrchr(library, '/');
	char own[PATH_MAX + sizeof(PARK_LIBRARY)];

	(void)snprintf(own, sizeof(own), "%.*s" PARK_LIBRARY,
		       slash ? (int)(slash - library + 1) : 0, library);
	if (access(own, R_OK) < 0)
		return reason_refuse("the library %s: %s: install it", own, strerror(errno));
	return (strcmp(inetd->park, "first-read") != 0 || place_socket()) && keep_open(m->rx) &&
	       keep_open(m->page) && keep_open(m->rendezvous) && environment_preload("", own) &&
	       (strcmp(inetd->park, "main") != 0 || setenv("LD_BIND_NOW", PARK_BIND_NOW, 0) == 0) &&
	       environment_put(PARK_VARIABLE "=%s:%d:%d:%d:%d:%u:%d:%s", inetd->park, (int)getpid(),
			       m->rx, m->page, m->rendezvous, inetd->pool, inetd->own_stderr, own);
}

bool inetd_prepare(const struct inetd *inetd, const struct program *program, const char *library,
		   int *status_fd)
{
	/* Why it cannot be parked; NULL: it can. */
	const char *why =
		*program->elf.interp ? program_privilege(program->binary) : "is statically linked";
	struct park parked;
	struct handoff_meeting m = { .page = -1 };

	if (!meet(inetd->listen, &m))
		return false;
	if (m.page < 0)
		return reason_refuse("the broker has no memory for the table of processes");
	if (!variables_prepare())
		return false;
	if (strcmp(inetd->park, "exec") != 0 && !why)
		return prepare_program(inetd, &m, library);
	if (strcmp(inetd->park, "exec") != 0)
		(void)fprintf(stderr,
			      "%s %s, so it is executed for each connection (park = exec)\n",
			      program->binary, why);
	/* Nothing else goes wrong: the broker sees that the command runs. */
	if (*status_fd >= 0)
		(void)close(*status_fd);
	*status_fd = -1;
	parked = (struct park){ m.rx, m.page, m.rendezvous, inetd->pool, inetd->own_stderr };
	return park(&parked) || reason_refuse("cannot be parked: %s", strerror(errno));
}
