/*
 * blocked.h - threads of this process that wait in a system call for a descriptor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* More threads than that are not looked at. */
#define BLOCKED_THREADS 256

struct blocked {
	size_t n;
	bool unknown;
	int fds[BLOCKED_THREADS]; /* the first argument of the call that each is in */
};

/* False: not all threads could be looked at. */
bool blocked_look(struct blocked *ret);

bool blocked_on(const struct blocked *b, int fd);
