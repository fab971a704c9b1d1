/*
 * debugger - the command line that attaches a tool to a process. Pure.
 */
#ifndef BROKER_CTL_DEBUGGER_H
#define BROKER_CTL_DEBUGGER_H

#include "base/strbuf.h"

#define DEBUGGER_WORDS_MAX 256

struct debugger {
	char *argv[DEBUGGER_WORDS_MAX + 4]; /* NULL-terminated; each is malloc'd */
	size_t n;
};

/* An all-zero one is fine. */
void debugger_free(struct debugger *d);

/*
 * @words is what was typed, or what the broker says is usual: {pid} in them becomes @pid. Without
 * it the process id is put where the tool wants it: perf behind its subcommand, gdbserver after
 * HOST:PORT, all others as -p PID at the end. 0; -EINVAL: @error says why this tool cannot
 * do it and what to do instead; -E2BIG, -ENOMEM.
 */
int debugger_build(char *const *words, size_t n, int64_t pid, struct debugger *ret,
		   struct strbuf *error);

#endif
