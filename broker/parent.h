/*
 * parent - the process that people know as the broker: they signal it, the pid file and systemd
 * name it. The broker proper is its child.
 *
 * It starts the processes that the broker asks for (sys/starter_wire.h), reaps all, and tells of
 * each end. It passes signals on. It ends with the broker, and in the same way. It reads no file
 * and no text: it has almost nothing that could fail, and is never replaced.
 *
 * When the broker is killed (SIGKILL, out of memory), it ends the workers: see started.h. Then it dies
 * by the same signal.
 *
 * Of root's rights it keeps what it needs to start processes, or only the one to signal those of
 * other users: see starter_limit(). It takes signals to send only for processes that are its own
 * children, or in a group that one of these leads.
 */
#pragma once

/*
 * Makes this process the parent, and its child the broker, which goes on: there it returns 1. In
 * the parent it returns 0 once all have ended, with *@ret_code to exit with. -errno: it could not,
 * or cannot go on; then the broker ends by itself.
 */
int parent_run(int *ret_code);
