/*
 * dir - the names in a directory, a few at a time. readdir(3) asks for 32 KiB of them at once: for
 * the descriptors of a process that has thousands, /proc takes 2 ms for that, and the next client
 * waits as long.
 */
#pragma once

#include <stdbool.h>

struct dir;

struct dir *dir_open(const char *path); /* NULL: errno says why */
void dir_close(struct dir **dir);	/* then NULL; nothing if it is */
#define _cleanup_dir_ __attribute__((cleanup(dir_close)))

/* The next name, up to the next call; NULL: there is none, or the directory has gone. */
const char *dir_next(struct dir *dir);

int dir_fd(const struct dir *dir);
