/*
 * asked.h - options of a listening socket that decide which clients reach it, or when.
 *
 * The broker reads most of them from the app's own socket, and has them on its listener. The rest
 * is refused: an app that shuts others out with it must not be open to them without knowing.
 */
#pragma once

#include <stdbool.h>

/* Whether the broker has the option on its listener, if the app's socket does. */
bool asked_is_kept(int level, int name);

/* The name of an option that cannot be kept; NULL: any other. */
const char *asked_unkept_name(int level, int name);

/* The app has set an option on @fd. Only one that cannot be kept is remembered. */
void asked_note(int fd, int level, int name);

/* The name of one that @fd has, by the kernel or what is remembered; NULL: it has none. */
const char *asked_unkept(int fd);

#define ASKED_REFUSAL                                                                              \
	" is set, and the broker's listener would let in whom it keeps out; private_ports = PORT " \
	"leaves the port to the app, which then serves it without the broker"
