/*
 * adopt.h - a channel that came by another way than listen(): through exec, SCM_RIGHTS
 * or a descriptor copied behind our back. It tells by its name what it is.
 */
#pragma once

#include <stdbool.h>

/* Marks @fd if it is a channel of this worker, and says ADOPT to the broker. */
bool adopt_fd(int fd);

/* adopt_fd() for all descriptors that the constructor finds open. */
void adopt_inherited(void);
