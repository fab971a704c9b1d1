/*
 * adopt.h - sockets that come or go by another way than bind(), listen() and accept(): through
 * exec, SCM_RIGHTS or a descriptor copied behind our back.
 *
 * What comes tells by itself what it is: a channel by its name, a bound socket by its record
 * (below).
 *
 * What goes where our tables do not is settled: the broker may listen on [::] for an app with an
 * AF_INET socket, and in this process the names of such a connection are translated (MARK_WANT_V4).
 * Before others see it, the kernel makes it an AF_INET socket. It cannot for a client that really
 * is an IPv6 one, for one that has closed its half already, nor the other way round.
 */
#pragma once

#include "addr.h"

/* Marks @fd if it is a channel of ours (ADOPT is said) or has a record of bind(). True: marked. */
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

/*
 * How the record of a bind() travels with the socket.
 *
 * A socket that one program binds may be listened on by another, which got it through exec(3) or
 * SCM_RIGHTS and knows nothing of our tables. So the record is put where the descriptor goes: into
 * the instructions of a socket filter, which every process can read again.
 *
 * The kernel must not choose an address if a program without this library calls listen(2): the
 * socket is really bound, to HANDOFF_BOUND_IP without a port, and the filter drops every packet.
 * Such a listener is on a loopback address by which the broker knows it, and nobody can connect. A
 * Unix socket is left without a name, with which nobody can listen.
 *
 * What cannot be done (the app has a filter of its own, MPTCP has none, loopback is down) is left
 * out: in this process and its forks the table has the record all the same.
 */

/* Records in @fd, an unbound stream socket of that family, that the app binds it to @app. */
void bound_mark(int fd, const struct handoff_place *app);

/* The record of @fd. False, with *@ret undefined, if it has none. */
bool bound_read(int fd, struct handoff_place *ret);

/* Undoes bound_mark(), so that @fd can be bound to another address and connected. */
void bound_unmark(int fd);
