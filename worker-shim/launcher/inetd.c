#include "inetd.h"

#include "handoff_addr.h"
#include "inetd/park.h"
#include "inetd/shared.h"
#include "inetd/variables.h"
#include "native/meet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the kernel: more connections than that do not wait in a channel. */
#define BACKLOG 128

static bool meet(const char *at, struct handoff_meeting *ret)
{
	char why[HANDOFF_REASON_SIZE], path[HANDOFF_PATH_SIZE];
	struct handoff_addr addr;
	struct handoff_home home;
	bool port_only;

	if (!at || !handoff_read_place(at, &addr, path, &port_only))
		return reason_refuse("--inetd-listen: must be a port, /PATH or @NAME");
	if (addr.family == 6)
		addr.family = 4;
	if (handoff_find_home(HANDOFF_BACKEND_NATIVE, &home) < 0)
		return reason_refuse("--inetd: no broker has started this process");
	if (meet_broker(&home, &addr, path, BACKLOG, ret, why) < 0)
		return reason_refuse("%s", why);
	/*
	 * No child keeps it: with the broker's own, the end of the broker is the end of the
	 * channel, once it is empty.
	 */
	handoff_close_fd(&ret->tx);
	return true;
}

/* NULL: it can be parked. Else why not. */
static const char *cannot_park(const struct program *program)
{
	if (!*program->elf.interp)
		return "is statically linked";
	return program_privilege(program->binary);
}

static bool keep_open(int fd)
{
	return fcntl(fd, F_SETFD, 0) == 0;
}

/*
 * What the program finds at descriptor 0 until it is parked is a socket, too, as it may look: its
 * kind, or that it cannot be sought in. Its other end is closed, so nothing waits for it.
 */
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
	const char *slash = strrchr(library, '/'), *set = getenv("LD_PRELOAD");
	char *own = NULL, *preload = NULL, *text = NULL;
	bool good;

	good = asprintf(&own, "%.*s" PARK_LIBRARY, slash ? (int)(slash - library + 1) : 0,
			library) >= 0 &&
	       asprintf(&preload, "%s%s%s", own, set && *set ? ":" : "", set ? set : "") >= 0 &&
	       asprintf(&text, "%s:%d:%d:%d:%d:%u:%d:%s", inetd->park, (int)getpid(), m->rx,
			m->page, m->rendezvous, inetd->pool, inetd->own_stderr, own) >= 0;
	if (good && !strcmp(inetd->park, "first-read"))
		good = place_socket();
	if (good && access(own, R_OK) < 0)
		good = reason_refuse("the library %s: %s: install it", own, strerror(errno));
	else if (good)
		good = (keep_open(m->rx) && keep_open(m->page) && keep_open(m->rendezvous) &&
			setenv("LD_PRELOAD", preload, 1) == 0 &&
			(strcmp(inetd->park, "main") != 0 ||
			 setenv("LD_BIND_NOW", PARK_BIND_NOW, 0) == 0) &&
			setenv(PARK_VARIABLE, text, 1) == 0) ||
		       reason_refuse("no memory for the environment");
	free(own);
	free(preload);
	free(text);
	return good;
}

bool inetd_prepare(const struct inetd *inetd, const struct program *program, const char *library,
		   int *status_fd)
{
	const char *why = cannot_park(program);
	struct park parked;
	struct handoff_meeting m = { .page = -1 };

	if (!meet(inetd->listen, &m))
		return false;
	if (m.page < 0)
		return reason_refuse("the broker has no memory for the table of processes");
	if (!variables_prepare())
		return reason_refuse("no memory for the environment");
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
