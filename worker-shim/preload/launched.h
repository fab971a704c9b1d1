/*
 * launched.h - a program that makes its system calls itself, static or Go, hears of no library. So
 * the launcher executes it, which puts the blob into it:
 *
 *	PATH ARGUMENT...	becomes		worker-shim --execute PATH -- ARGUMENT...
 *
 * Nothing is allocated: this runs in vfork children.
 */
#pragma once

#include <stddef.h>

/* How the launcher is told to execute @path; NULL: it is not needed, or there are too many of
 * @argv. */
const char *launched_option(const char *path, char *const argv[], char *const envp[]);

/* For the arguments of launched_words(). */
size_t launched_room(char *const argv[]);

/* The arguments for the launcher, in @room, aligned for pointers. */
char **launched_words(const char *option, const char *path, char *const argv[], void *room);
