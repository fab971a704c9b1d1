/*
 * evidence - which connections the processes of workers hold, by what the kernel says: of those
 * that drain, to see when they have none left, and of those that are balanced by their number.
 *
 * It takes as long as there are connections, and the next client must not wait for that: so it is
 * done in slices with a rest after each (policy/pace.h), and comes late if there is much of it.
 */
#pragma once

#include "service/types.h"

/* Called by the watch. Returns whether the connections of some worker are of interest. */
bool evidence_want(struct broker *b);

void evidence_expired(struct loop_timer *timer); /* evidence::step */
