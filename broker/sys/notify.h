/*
 * notify - messages to the service manager that has started the broker, as in sd_notify(3):
 * systemd, or another that sets NOTIFY_SOCKET. There is one for the whole process, as there is one
 * log. Our parent sends them: systemd believes the main process of a unit alone. Nothing here waits
 * for the manager: one that does not read costs its own messages.
 */
#pragma once

#include <sys/types.h>
#include "base/strbuf.h"

/* Connects to the socket that the environment names, if it does. 0; -errno with @error. */
int notify_open(struct strbuf *error);

/*
 * Sends the lines of @text, and descriptor @fd, which stays the caller's, unless it is -1. False:
 * the manager has not got it, as it does not read now, or as there is none.
 */
bool notify_send(const char *text, int fd);

/* No message can ever be sent. */
bool notify_is_off(void);

/*
 * The manager ends process @pid (or us, if it names none) if it gets no WATCHDOG=1 for so many ms;
 * 0: it does not.
 */
int64_t notify_watchdog_ms(pid_t pid);
