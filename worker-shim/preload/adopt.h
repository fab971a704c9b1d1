/*
 * adopt.h - sockets that come or go by another way than bind(), listen() and accept(): through
 * exec, SCM_RIGHTS or a descriptor copied behind our back.
 *
 * What comes tells by itself what it is: a channel by its name, a bound socket by its record
 * (bound.h).
 *
 * What goes where our tables do not is settled: the broker may listen on [::] for an app with an
 * AF_INET socket, and in this process the names of such a connection are translated (MARK_WANT_V4).
 * Before others see it, the kernel makes it an AF_INET socket. It cannot for a client that really
 * is an IPv6 one, for one that has closed its half already, nor the other way round.
 */
#pragma once

#include <stdbool.h>

/*
 * Marks @fd if it is a channel of this worker, and says ADOPT to the broker; or if it is a socket
 * with the record of a bind(). Returns whether it is marked now.
 */
bool adopt_fd(int fd);

/*
 * adopt_fd() for all descriptors that the constructor finds open. With them may have come what held
 * the channels until now: the launcher's connections and tx of a program that is started with its
 * listeners. This process has its own then, and closes those.
 */
void adopt_inherited(void);

/* Settles @fd, if it is a connection to be settled. Keeps errno; may run in a vfork child. */
void adopt_settle(int fd);

/* All that this process has. */
void adopt_settle_all(void);
