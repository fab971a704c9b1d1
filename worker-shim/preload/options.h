/*
 * options.h - socket options of a listener that work on more than the app's own socket.
 *
 * Inherited ones: on Linux a connection starts as a copy of its listening socket, so an app may set
 * TCP_NODELAY once, on the listener. The broker's listener knows nothing of that: what the app
 * changed is noted at listen() and set again on each connection. An app that changed nothing pays
 * for one comparison.
 *
 * Others decide which clients reach the listener, or when. The broker reads most of them from the
 * app's socket, and keeps them on its own. The rest is refused: an app that shuts others out with
 * it must not be open to them without knowing.
 */
#pragma once

#include <stdint.h>

enum option_kind {
	OPTION_OTHER = 0,
	OPTION_INHERITED,
	OPTION_DATAGRAM, /* no connection's */
	OPTION_KEPT,	 /* by the broker's listener, if the app's socket has it */
	OPTION_UNKEPT,
};

struct socket_option {
	int level, name;
	enum option_kind kind;
	const char *text; /* the name of one that is not kept */
};

/* What is known of an option. One that is not in the table is OPTION_OTHER. */
const struct socket_option *option_find(int level, int name);

/* The app has set @option on @fd. Only one that cannot be kept is remembered. */
void option_note(int fd, const struct socket_option *option);

/* The name of one that @fd has and nobody keeps, by the kernel or what is remembered; or NULL. */
const char *option_unkept(int fd);

#define OPTION_REFUSAL                                                                             \
	" is set, and the broker's listener would let in whom it keeps out; private_ports = PORT " \
	"leaves the port to the app, which then serves it without the broker"

#define OPTIONS_MAX 56

union option_value {
	int number;
	unsigned char bytes[16]; /* of the largest, TCP_CONGESTION */
};

/* What a listener's connections inherit. */
struct options {
	_Atomic uint64_t changed; /* bit i: values[i] holds what to set */
	uint8_t sizes[OPTIONS_MAX];
	union option_value values[OPTIONS_MAX];
};

/* Notes @option of @sock, if it has that, unless it is as @fresh has it (-1: in any case). */
void options_note(struct options *options, const struct socket_option *option, int sock, int fresh);

/* Notes what is inherited, or for datagrams if @type is that, and not as in a fresh socket. */
void options_collect(struct options *options, int sock, int domain, int type);

/* Sets what was noted on @conn. Errors are passed over: the kernel inherits silently too. */
void options_apply(const struct options *options, int conn);
