/*
 * holder - the rendezvous connections of a channel: which processes say that they have the
 * listening socket, and how the end of the last of them is verified.
 */
#pragma once

#include "dispatch/types.h"

/* Of a new channel, which nobody holds yet. */
void channel_init_holders(struct channel *c);
void channel_free_holders(struct channel *c);

/* Process @pid has the other end of @c and says so on @fd, owned on success. 0 or -errno. */
int channel_add_holder(struct channel *c, int fd, pid_t pid);

/* Whether any process has the other end of @c, asked of the kernel now. */
bool channel_has_holder(struct channel *c);

/* Nothing can be sent into @c any more. It gets none, and is lost when the loop runs next. */
void channel_break(struct channel *c);

/* Whether the process that listens is stopped: see proc_is_stopped(), proc_stays_stopped(). */
bool channel_is_stopped(struct channel *c);
bool channel_stays_stopped(struct channel *c);
