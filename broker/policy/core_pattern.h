/*
 * core_pattern - where the kernel puts the core dump of a process, by kernel.core_pattern
 * (core(5)).
 *
 * Some parts of a file name only the process knew: its name and program, thread, time, limit. In
 * their place the result has a *. So it has for user and group: in a user namespace the kernel
 * writes other numbers than we know.
 */
#pragma once

#include <sys/types.h>
#include "base/strbuf.h"

struct core_facts {
	const char *directory; /* of the process: where a relative pattern begins */
	const char *host;      /* %h */
	pid_t pid;	       /* %p */
	pid_t global_pid;      /* %P, in the first pid namespace; 0: not known */
	int signal;	       /* %s */
	bool uses_pid;	       /* kernel.core_uses_pid */
};

/*
 * What @pattern, a line of /proc/sys/kernel/core_pattern, means for that process. @out gets the
 * path of the dump as a pattern of glob(7); "|PROGRAM", which is given it, and decides; "@SOCKET",
 * which it is sent to; or nothing, as @pattern is empty.
 */
void core_pattern_expand(const char *pattern, const struct core_facts *facts, struct strbuf *out);
