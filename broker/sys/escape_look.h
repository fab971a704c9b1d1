/*
 * escape_look - what /proc shows of a process that ought to have the preload library: the facts for
 * policy/escape.h, and where else than on TCP it may be reached.
 */
#pragma once

#include <sys/types.h>
#include "base/strbuf.h"
#include "policy/escape.h"

/* Looks at @pid of a worker with @uid and @token (as in its environment); not at any socket. */
void escape_look(pid_t pid, uid_t uid, const char *token, struct escape_facts *ret);

/* Whether the kernel may choose @port for a socket that is bound to port 0. */
bool escape_port_is_any(uint16_t port);

/* Adds the name of a Unix socket on which @pid listens. False: there is none. */
bool escape_add_unix_socket(pid_t pid, struct strbuf *out);

/* Whether a message waits for @pid that has descriptors of sockets in it. */
bool escape_has_rights_in_flight(pid_t pid);
