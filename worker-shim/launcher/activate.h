/*
 * activate.h - the listeners of a program that expects to be started with them: they are channels,
 * made before it is executed.
 *
 *	systemd		descriptors 3, 4, ...; LISTEN_FDS and so on, as in sd_listen_fds(3)
 *	einhorn		EINHORN_FD_COUNT, EINHORN_FD_0, EINHORN_FD_FAMILY_0, EINHORN_MASTER_PID
 *	server-starter	SERVER_STARTER_PORT="8080=3;127.0.0.1:8081=4", SERVER_STARTER_GENERATION
 *	inetd		descriptors 0 and 1; inetd-stderr: 2 as well
 *
 * Between the exec and the moment when the preload library in the program has connections of its
 * own, what the launcher said HELLO with keeps the channels alive: it is not close-on-exec. The
 * library closes it then (adopt.h).
 */
#pragma once

#include <stdbool.h>

/* How many at most. */
#define ACTIVATE_MAX 256

/* The conventions of @word. False, with the reason: there are no such. */
bool activate_set(const char *word);

/* Another: [NAME=]ADDRESS, as http=[::]:80, or 80 for all. Keeps @text. False, with the reason. */
bool activate_add(char *text);

/* Whether there is anything to do; false, with the reason, if one was given without the other. */
bool activate_complete(bool *ret_wanted);

/*
 * Asks the broker for all listeners, puts them at 3 and above and sets the environment. Moves
 * *@status_fd out of the way, unless it is -1; it is not close-on-exec then. False, with the
 * reason: this worker cannot start.
 */
bool activate(bool v6only, int *status_fd);
