/*
 * bound.h - how the record of a bind() travels with the socket.
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
#pragma once

#include "addr.h"

/* Records in @fd, an unbound stream socket of that family, that the app binds it to @app. */
void bound_mark(int fd, const struct handoff_place *app);

/* The record of @fd. False, with *@ret undefined, if it has none. */
bool bound_read(int fd, struct handoff_place *ret);

/* Undoes bound_mark(), so that @fd can be bound to another address and connected. */
void bound_unmark(int fd);
