/*
 * core_pattern - where the kernel puts the core dump of a process, by kernel.core_pattern
 * (core(5)).
 *
 * Some parts of a file name only the process knew. In their place the result has a pattern for
 * glob(7).
 *
 * Owns:   the specifiers and their meaning. Never: reads /proc, or checks whether the file exists.
 */
#pragma once

#include <sys/types.h>
#include "base/strbuf.h"

struct core_facts {
	const char *directory; /* of the process: where a relative pattern begins */
	const char *comm;      /* its name, %e; NULL: not known */
	const char *exe;       /* path of its program, %f %E; NULL: not known */
	const char *host;      /* %h */
	pid_t pid;	       /* %p */
	pid_t global_pid;      /* %P, in the first pid namespace; 0: not known */
	int64_t uid, gid;      /* %u %g; negative: not known */
	int signal;	       /* %s */
	int64_t time_s;	       /* %t; negative: not known */
	int64_t limit;	       /* %c, RLIMIT_CORE; negative: not known */
	bool uses_pid;	       /* kernel.core_uses_pid */
};

enum core_place {
	CORE_NOWHERE, /* the pattern is empty */
	CORE_FILE,    /* a path */
	CORE_GLOB,    /* a pattern of paths, as of glob(3) */
	CORE_PROGRAM, /* the path of a program that is given the dump, and decides */
	CORE_SOCKET,  /* the path of a socket that it is sent to */
};

/*
 * What @pattern, a line of /proc/sys/kernel/core_pattern, means for that process. @out gets the
 * path, and nothing with CORE_NOWHERE.
 */
enum core_place core_pattern_expand(const char *pattern, const struct core_facts *facts,
				    struct strbuf *out);
