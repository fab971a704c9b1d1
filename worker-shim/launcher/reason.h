/*
 * reason.h - why this process cannot become the worker: one line for a person, what was found and
 * what to do. There is one, as there is one errno. And the environment of the worker.
 */
#pragma once

#include <stdbool.h>

enum launch_exit {
	LAUNCH_GOOD = 0,
	LAUNCH_USAGE = 2,
	/* Found, but it cannot be a worker: as a shell says "cannot execute". */
	LAUNCH_REFUSED = 126,
	LAUNCH_MISSING = 127, /* not found */
};

/* The last one; "" and LAUNCH_GOOD until one was set. */
extern struct reason {
	enum launch_exit code;
	char text[1024];
} reason;

/* Returns false. The text becomes one line and may be cut; the last reason may be an argument. */
bool reason_set(enum launch_exit code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define reason_refuse(...) reason_set(LAUNCH_REFUSED, __VA_ARGS__)

/* Puts NAME=VALUE into the environment of the program, where it stays. False: no memory. */
bool environment_put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Puts @library before what LD_PRELOAD has, and @first, if it is not empty, before that. */
bool environment_preload(const char *first, const char *library);
