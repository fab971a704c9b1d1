/*
 * slot.h - the descriptors behind a slot: hidden, let go, and found out to be stale; and its page.
 */
#pragma once

#include "table.h"

/* The inode of the socket at @fd, or 0 if @fd is no open socket. */
uint64_t slot_socket_ino(int fd);

/* Copies @fd to 1000 and above, if it can: @role of @slot, hidden from the app. 0 or -errno. */
int slot_hide(struct slot *slot, enum hidden_role role, int fd);

/* The descriptor that @slot hides as @role, or -1. */
static inline int slot_hidden(const struct slot *slot, enum hidden_role role)
{
	return atomic_load_explicit(&slot->hidden[role].fd, memory_order_acquire);
}

/* Closes this process's copy. Keeps errno. */
void slot_close_hidden(struct slot *slot, enum hidden_role role);

/* table_set() and, if that took the last reference of a slot, the end of it. Keeps errno. */
void slot_mark(int fd, uint16_t mark);

/* Gives @fd a slot of its own, in state BOUND: the app has bound it to @app. NULL: none is free.
 */
struct slot *slot_bind(int fd, int domain, const struct handoff_place *app);

/* What getsockname(2) says of it; returns the length. */
socklen_t slot_name(const struct slot *slot, struct sockaddr_storage *ret);

/*
 * The slot at @fd, after a check of the inode. An app can close a descriptor without our
 * knowledge (by a raw system call) and reuse its number; then the stale mark is dropped and NULL
 * is returned. Costs one fstat(): not for the normal path of accept().
 */
struct slot *slot_at(int fd);

/* The app's own socket if a channel stands at @fd, which checks the inode; -1: it has been lost. */
int slot_own_socket(int fd);

/* What answers for @fd: the app's own socket for a channel, else @fd. */
static inline int slot_answering(int fd)
{
	return __builtin_expect(!table_socket(fd), 1) ? fd : slot_own_socket(fd);
}

/* Whether @fd is a hidden descriptor of ours. Drops a stale mark in the same way. */
bool slot_hides(int fd);

/* @slot shares the page @fd from now on; none, if it is none: all works then, but slower. */
void slot_map_page(struct slot *slot, int fd);

/* The app wants the number @fd for itself: what we hide there moves on. 0 or -errno. */
int slot_move_hidden(int fd);
