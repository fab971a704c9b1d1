/*
 * escape - why a process of a worker listens, or holds a listening socket, without the library.
 *
 * Judged by what the kernel shows of the process and the socket. Pure: the caller has looked.
 */
#pragma once

#include <stdbool.h>

struct escape_facts {
	bool readable;	   /* all of the following could be read */
	bool library;	   /* it is mapped */
	bool dynamic;	   /* a dynamic linker is */
	bool privileged;   /* the kernel told it that it gained privileges at its execve(2) */
	bool preload;	   /* its environment has the library in LD_PRELOAD, */
	bool token;	   /* and its worker's token */
	bool no_token;	   /* ... or an empty one */
	bool other_user;   /* not the worker's */
	bool other_root;   /* not the broker's root directory */
	bool private_port; /* of the socket: the library leaves it alone */
	bool unlisted;	   /* a Unix socket that no `listen` line names: likewise */
	bool native;	   /* the service has mode = native */
	bool any_port;	   /* in the range from which the kernel chooses for port 0 */
};

/* What was found and what to do, to follow a colon. */
const char *escape_text(const struct escape_facts *facts);
