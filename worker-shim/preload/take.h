/*
 * take.h - accept() on a channel: one recvmsg() of one CONN message.
 */
#pragma once

#include "handoff_page.h"
#include "handoff_wire.h"

/*
 * Takes the next connection from the channel @rx. @flags: SOCK_CLOEXEC, SOCK_NONBLOCK.
 * What the broker may know of it is in @page then, unless that is NULL.
 * Returns the descriptor, which the caller owns, and fills *@ret_conn; or -errno:
 * EAGAIN, EINTR as recvmsg(2) says, EINVAL at the end of the channel, EMFILE if there is
 * no room for a descriptor (the connection stays in the channel), ECONNABORTED if
 * nothing but broken messages came. Anything else: @rx is no channel.
 */
int take_conn(int rx, int flags, struct handoff_page *page, struct handoff_conn *ret_conn);
