/*
 * tcp_info - what the kernel knows of one TCP connection, as policy/idle.h wants it.
 */
#pragma once

#include "policy/idle.h"

#define TCP_INFO_BYTES 256 /* of a buffer for struct tcp_info */

/*
 * @info: a struct tcp_info of @len bytes. Fills @ret but for .unread and .unacked, without which
 * .written is only what was acknowledged. False: the kernel is too old to say so much.
 */
bool tcp_info_read(const void *info, size_t len, struct idle_sample *ret);

/* Of the connection @fd now. 0 or -errno; -ENOTCONN: it is not established, or is none. */
int tcp_info_ask(int fd, struct idle_sample *ret);
