/*
 * reason.h - one line for a person: what was found and what to do.
 */
#pragma once

#define REASON_SIZE 1024

enum launch_exit {
	LAUNCH_GOOD = 0,
	LAUNCH_USAGE = 2,
	/* Found, but it cannot be a worker: as a shell says "cannot execute". */
	LAUNCH_REFUSED = 126,
	LAUNCH_MISSING = 127, /* not found */
};

struct reason {
	enum launch_exit code;
	char text[REASON_SIZE];
};

/* Writes the text, made fit for one line, and returns @code. Text that is too long is cut. */
enum launch_exit reason_set(struct reason *reason, enum launch_exit code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define reason_refuse(reason, ...) reason_set((reason), LAUNCH_REFUSED, __VA_ARGS__)
