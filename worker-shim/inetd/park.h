/*
 * park.h - the zygote of an inetd service: a process that keeps some children ready, each of which
 * takes one connection.
 *
 * The zygote has whatever was loaded and computed until it is parked; so a child that takes a
 * connection goes on at once. It never takes one itself, and so never has more than these
 * descriptors: what the program had open, the channel, the page, the rendezvous.
 *
 * The library (library.c) parks a program before main, or at its first read; the launcher parks
 * itself, and its children execute the program.
 */
#pragma once

#include "handoff_wire.h"

struct park {
	int rx, page, rendezvous; /* of the channel, see docs/protocol.md; -1 in a child */
	unsigned pool;		  /* how many children wait for a connection */
	bool own_stderr;	  /* descriptor 2 becomes the connection, too */
};

/*
 * Returns in each child that has a connection, which is then its descriptors 0 and 1, and of which
 * its environment speaks (below); nothing else of @p is open. The zygote does not return: it
 * ends when the broker has closed the channel and all that its children serve is served. False: it
 * could not begin, with errno.
 */
bool park(struct park *p);

/*
 * What the launcher tells libworker-inetd.so, in one variable of the environment:
 *
 *	main or first-read : process : rx : page : rendezvous : pool : descriptor 2, too : the
 *	library's path
 *
 * The descriptors are those of a channel, open in the program that is executed.
 */

#define PARK_VARIABLE "BROKER_PARK"
#define PARK_FORMAT   "%15[^:]:%d:%d:%d:%d:%u:%d:%4095s"
#define PARK_LIBRARY  "libworker-inetd.so"

/* LD_BIND_NOW before main, unless the service sets it: functions are looked up only once. */
#define PARK_BIND_NOW "parked"

/*
 * What the environment of an inetd program says of its connection: as tcpserver and
 * as CGI name it.
 *
 * Main may have got its environment already, as a pointer. So the variables are there from the
 * start, with room for any value, and are written over in place.
 */

/* Makes them, without a value yet, in the process that becomes the zygote. False: no memory. */
bool variables_prepare(void);

const char *variables_name(size_t i); /* NULL: there are no more */
