/*
 * options.h - socket options that accepted connections inherit from a listener.
 *
 * On Linux a connection starts as a copy of its listening socket, so an app may set
 * TCP_NODELAY once, on the listener. The broker's listener knows nothing of that:
 * what the app changed is noted at listen() and set again on each connection. An
 * app that changed nothing pays for one comparison.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#define OPTIONS_MAX	   24
#define OPTIONS_VALUE_SIZE 16

struct options {
	_Atomic uint32_t changed; /* bit i: values[i] holds what to set */
	uint8_t sizes[OPTIONS_MAX];
	unsigned char values[OPTIONS_MAX][OPTIONS_VALUE_SIZE] __attribute__((aligned(8)));
};

/*
 * Notes in @options every inherited option of @sock that differs from a fresh socket
 * of @domain. Without a descriptor to make that one, nothing is noted.
 */
void options_collect(struct options *options, int sock, int domain);

/* Records that the app has set @level, @name on its listener, whose options @sock keeps. */
void options_update(struct options *options, int sock, int level, int name);

/* Sets what was noted on @conn. Errors are passed over: the kernel inherits silently too. */
void options_apply(const struct options *options, int conn);
