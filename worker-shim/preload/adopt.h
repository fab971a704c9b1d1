/*
 * adopt.h - a listening or bound socket that came by another way than bind() and listen(): through
 * exec, SCM_RIGHTS or a descriptor copied behind our back. A channel tells by its name what it is,
 * a bound socket by its record (bound.h).
 */
#pragma once

#include <stdbool.h>

/*
 * Marks @fd if it is a channel of this worker, and says ADOPT to the broker; or if it is a socket
 * with the record of a bind(). Returns whether it is marked now.
 */
bool adopt_fd(int fd);

/* adopt_fd() for all descriptors that the constructor finds open. */
void adopt_inherited(void);
