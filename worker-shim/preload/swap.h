/*
 * swap.h - puts the channel where the app's listening socket was.
 *
 * An epoll registration belongs to the socket, not to its number. When the number is given
 * to the channel the app's registrations would stay with the old socket, which is silent
 * for ever. So they are taken out before and put in again after, as /proc tells them.
 */
#ifndef SHIM_SWAP_H
#define SHIM_SWAP_H

#include "table.h"

/*
 * Puts @rx over @fd and over every other descriptor of this process for the same socket,
 * keeping for each FD_CLOEXEC, for all O_NONBLOCK, and the receive timeout. Gives each the
 * mark of @slot, whose inode it sets. -errno: nothing was changed.
 */
int swap_in(struct slot *slot, int fd, int rx);

#endif
