/*
 * bound.h - how the record of a bind() travels with the socket.
 *
 * A socket that one program binds may be listened on by another, which got it through exec(3) or
 * SCM_RIGHTS and knows nothing of our tables. So the record is put where the descriptor goes: into
 * the instructions of a socket filter, which every process can read again.
 *
 * The kernel must not choose an address if a program without this library calls listen(2): the
 * socket is really bound, to HANDOFF_BOUND_IP without a port, and the filter drops every packet.
 * Such a listener is on a loopback address by which the broker knows it, and nobody can connect.
 *
 * What cannot be done (the app has a filter of its own, MPTCP has none, loopback is down) is left
 * out: in this process and its forks the table has the record all the same.
 */
#pragma once

#include "handoff_wire.h"

/* Records in @fd, an unbound TCP socket of that family, that the app binds it to @addr. */
void bound_mark(int fd, const struct handoff_addr *addr);

/* The record of @fd. False, with *@ret undefined, if it has none. */
bool bound_read(int fd, struct handoff_addr *ret);

/* Undoes bound_mark(), so that @fd can be bound to another address and connected. */
void bound_unmark(int fd);
