/*
 * swap.h - puts the channel where the app's listening socket was.
 *
 * An epoll registration belongs to the socket, not to its number. When the channel takes over
 * the number, the app's registrations would stay with the old socket, which never becomes
 * readable. So they are removed before and added again after, as /proc lists them.
 */
#pragma once

#include "table.h"

/*
 * Puts @rx over @fd and over every other descriptor of this process for the same socket,
 * keeping for each FD_CLOEXEC, for all O_NONBLOCK, and the receive timeout. Gives each the
 * mark of @slot, whose inode it sets. -errno: nothing was changed.
 */
int swap_in(struct slot *slot, int fd, int rx);
