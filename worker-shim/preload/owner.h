/*
 * owner.h - does this process own the memory it runs on?
 *
 * A vfork child (posix_spawn, Python's subprocess) borrows its parent's memory but has
 * a descriptor table of its own. What it closes is still open in the parent, so it must
 * not change our tables. A fork child has both for itself and must.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

void owner_init(void);

/* False in a vfork child. One getpid(): asked where tables change, never in accept(). */
bool owner_is_me(void);

/* The owner's pid, without a system call: in a vfork child that of its parent. */
pid_t owner_pid(void);
