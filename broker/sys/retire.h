/*
 * retire - closes descriptors whose numbers a state of the broker may have (policy/kept.h).
 *
 * If the broker is killed, the next one finds what was open by the numbers in the last state. So
 * until a state is written that lacks a number, it must not become that of another descriptor: the
 * connection of a client would be taken for the output of a worker.
 *
 * A connection that waits needs none of this: all connections are found by what they are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * From now on numbers are kept, by duplicates of @placeholder, which stays open. *@said is not 0
 * as long as there may be one.
 */
void retire_begin(int placeholder, uint64_t *said);

/* As fd_closep(): *@fd is closed and -1. Its number is free after the next retire_settled(). */
void retire_fd(int *fd);

/* A state was written. */
void retire_settled(void);

/* In the next broker: whether @fd was retired, with the descriptor that is @placeholder here. */
bool retire_was(int fd, int placeholder);

/* From now on, as before the begin, numbers are free at once. */
void retire_end(void);
