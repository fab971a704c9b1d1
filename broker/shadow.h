/*
 * shadow - the process in which the broker goes on when it is killed.
 *
 * It is a clone of the broker that shares its table of descriptors, and sleeps. So what the broker
 * has open is open in it, under the same numbers, and nothing has to be handed over. When the
 * broker ends without having been told to (SIGKILL, SIGSEGV, out of memory), it executes the
 * program with the last state that the broker has written (policy/kept.h, sys/twin.h), as an
 * upgrade does: the workers do not notice.
 *
 * The state is written at the end of each turn of the loop in which anything but connections came.
 * What these change between two states is found again: connections that the broker had accepted
 * and had not given away are in the table of descriptors, and how many were given to a worker
 * stands in the page of its channel.
 *
 * The same process resumes the old program when the new one of an upgrade ends, or does not say in
 * time that it goes on.
 *
 * After the third end within ten seconds it gives up: then the parent ends the workers in order.
 */
#pragma once

#include "start.h"

/* Takes over what @k has of it. 0 or -errno. */
int shadow_adopt(struct run *run, const struct kept_run *k);

/*
 * Starts the first one, or after an adoption the next one; then the one of before ends. Without one
 * the broker serves, and tries again later: that is logged. 0 or -errno: there is no memory.
 */
int shadow_begin(struct run *run);

/* At the end of a turn: writes the state if it may have changed. False: it does so later. */
bool shadow_turn(struct run *run);

/* A child has ended. If it was the shadow a new one is started. */
void shadow_reap(struct run *run);

/*
 * Another program is about to be executed, and has five seconds to go on; or (not @begins) it could
 * not be.
 */
void shadow_expect_upgrade(struct run *run, bool begins);

void shadow_end(struct run *run);
