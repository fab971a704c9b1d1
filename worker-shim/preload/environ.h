/*
 * environ.h - what a program needs in its environment to have this library, and puts it back where
 * an app has cleaned it: a mail server for its services, `env -i`, an entrypoint with an LD_PRELOAD
 * of its own.
 *
 *	BROKER_...   those that are missing are added
 *	LD_PRELOAD   added as this process had it; one without this library gets it in front
 *
 * An environment with another BROKER_TOKEN than ours, an empty one too, is left as it is: that of
 * another worker, or of a program that shall do without the library.
 *
 * Pure but for environ_keep(). Nothing is allocated, and only what is kept is read: this runs in
 * vfork children.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ENVIRON_VARIABLES 12 /* those of handoff_wire.h, and LD_PRELOAD */

/* Of this process, when it began: an app may change it. All zero: nothing is put back. */
struct environ_kept {
	const char *variables[ENVIRON_VARIABLES + 1]; /* "NAME=value"; terminated by NULL */
	const char *library;			      /* its path, as in LD_PRELOAD */
	const char *launcher;			      /* beside it; NULL, "": there is none */
	bool traps;				      /* this process has the blob */
	char text[24576];
};

extern struct environ_kept environ_kept;

void environ_keep(struct environ_kept *ret);

/* What environ_restore() needs for a copy of @envp (NULL: empty). 0: nothing is to be put back. */
size_t environ_room(const struct environ_kept *kept, char *const envp[]);

/* Makes that copy in @room, aligned for pointers. Its strings are those of @envp and @kept. */
char **environ_restore(const struct environ_kept *kept, char *const envp[], void *room);
