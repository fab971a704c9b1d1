/*
 * lines - the output of a worker, cut into lines, and the last of it kept.
 *
 * A line longer than the buffer is given out in pieces, and a NUL as a space. The tail is what
 * people want to read when the worker has crashed: whole lines, the oldest dropped first.
 */
#pragma once

#include "base/strbuf.h"

#define LINES_MAX  2048
#define LINES_TAIL 1024

/* All zero at first. Both grow: most workers say little, and then nothing more. */
struct lines {
	struct strbuf part; /* of an unfinished line */
	struct strbuf tail; /* complete lines, each with its '\n' */
};

typedef void lines_fn(void *arg, const char *line, size_t n);

/* Adds bytes. @out, or NULL, gets each complete line, without its end. No memory: they are lost. */
void lines_feed(struct lines *l, const char *bytes, size_t n, lines_fn *out, void *arg);

/* The end: an unfinished line is a line. */
void lines_finish(struct lines *l, lines_fn *out, void *arg);

void lines_deinit(struct lines *l); /* empty again */
