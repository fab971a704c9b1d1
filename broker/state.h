/*
 * state - what a program of the broker leaves to the next one that serves in this process, or in
 * its shadow: bytes as policy/kept.h has them, in a memfd, and all descriptors that they name.
 */
#pragma once

#include "start.h"

#define STATE_MAX ((size_t)1 << 30)

/*
 * Adds all that another program needs. Not @whole: without what was said and is only remembered,
 * events and output.
 */
void state_add(const struct run *run, struct strbuf *out, bool whole);

/* How many records of each kind @r has before it; of the kinds that a trial can say. */
void state_count(struct kept_reader r, unsigned ret[KEPT_RUN]);

/* A memfd with the whole state: its descriptor, or -errno. @ret_counts (or NULL): what is in it. */
int state_write(const struct run *run, unsigned *ret_counts);

/* argv[0], @option with @value (NULL: none), and what the broker was started with. To be freed. */
char **state_arguments(const struct run *run, char *option, char *value);

/* Whether @fd is a connection, which may have been in the hands of a broker that was killed. */
bool state_passes_on(int fd);

/*
 * Executes @program, which adopts the state in the memfd @fd; @rescues: and connections that it
 * does not name. Returns only if that fails: -errno, and all is as before.
 */
int state_execute(const struct run *run, const char *program, int fd, bool rescues);
