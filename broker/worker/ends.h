/*
 * ends - what it means that a process of a worker has ended, or that its app listens no more.
 */
#pragma once

#include "sys/unix_socket.h"
#include "worker/types.h"

extern const struct taker_ops worker_taker_ops;

void worker_look_expired(struct loop_timer *timer); /* worker::look */

/* Ends @w, which serves but cannot accept because of @why, as a failed start. */
void worker_refuse(struct worker *w, const struct strbuf *why);

/* Main was reaped with @status. */
void worker_main_exited(struct worker *w, int status);

/* @cred, whose pidfd it takes over, is the process of guest @w. 0 or -errno. */
int worker_watch_process(struct worker *w, struct unix_peer *cred);
void worker_unwatch_process(struct worker *w); /* does nothing for other workers */

/* Nobody tells of ends any more: from now on @w is watched as a guest is. */
void worker_watch_alone(struct worker *w);

/* A child that was not a main process has ended: if main is gone, what is left of @w? */
void worker_look_for_kin(struct worker *w);

void kin_look_end(struct kin_look *l); /* at any time. Then all zero */
