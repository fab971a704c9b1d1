/*
 * slot.h - the descriptors behind a slot: hiding them, letting them go, and finding
 * out that a mark is stale.
 */
#ifndef SHIM_SLOT_H
#define SHIM_SLOT_H

#include "table.h"

/* Our own descriptors go here and above, out of the way of select() and of small loops. */
#define HIDDEN_FROM 1000

/* The inode of the socket at @fd, or 0 if @fd is no open socket. */
uint64_t slot_socket_ino(int fd);

/*
 * Moves the descriptor *@fd out of the app's way, close-on-exec, and hides it from the
 * app's close() and dup2(). On success *@fd is the new number; -errno leaves it as it was.
 */
int slot_hide(struct slot *slot, int *fd);

/* table_set() and, if that dropped the last reference of a slot, the release of it. Keeps errno. */
void slot_mark(int fd, uint16_t mark);

/* Closes this process's tx, rendezvous and shadow: the goodbye, if nobody else holds them. */
void slot_close_hidden(struct slot *slot);

/*
 * The slot at @fd, after a look at the inode. An app can close a descriptor behind our back
 * (a raw system call) and get the number again for something else; then the stale mark is
 * dropped and NULL returned. One fstat(): for everything but the normal path of accept().
 */
struct slot *slot_at(int fd);

/* The hidden descriptor @fd is wanted by the app: moves ours to another number. 0 or -errno. */
int slot_move_hidden(int fd);

#endif
