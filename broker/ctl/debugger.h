/*
 * debugger - the command line that attaches a tool to a process. Pure.
 */
#pragma once

#include "base/strbuf.h"

#define DEBUGGER_WORDS_MAX 256

struct debugger {
	char *argv[DEBUGGER_WORDS_MAX + 4]; /* NULL-terminated; each is malloc'd */
	size_t n;
};

/* An all-zero @d is fine. */
void debugger_free(struct debugger *d);

/*
 * @words are those of the user, or the debug_command that the broker sent. {pid} in them becomes
 * @pid. If there is none, the process id goes where the tool wants it: for perf after its
 * subcommand, for gdbserver after HOST:PORT, for all others at the end as -p PID. 0; -EINVAL:
 * @error says why this tool cannot attach and what to do instead; -E2BIG, -ENOMEM.
 */
int debugger_build(char *const *words, size_t n, int64_t pid, struct debugger *ret,
		   struct strbuf *error);
