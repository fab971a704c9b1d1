/*
 * variables.h - what the environment of an inetd program says of its connection: as tcpserver and
 * as CGI name it.
 *
 * Main may have got its environment already, as a pointer. So the variables are there from the
 * start, with room for any value, and are written over in place.
 */
#pragma once

#include "handoff_wire.h"

/* Makes them, without a value yet, in the process that becomes the zygote. False: no memory. */
bool variables_prepare(void);

/* Of the connection @fd of @peer. One that is gone stays so; a Unix socket's are empty. */
void variables_set(int fd, const struct handoff_addr *peer);

const char *variables_name(size_t i); /* NULL: there are no more */
