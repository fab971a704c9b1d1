/*
 * debugger - the command line that attaches a tool to a process. Pure but for the heap.
 */
#pragma once

#include "base/strbuf.h"

/*
 * @words, NULL-terminated, are those of the user, or the debug_command of its service. {pid}
 * in them becomes @pid. If there is none, the process id goes where the tool wants it: for perf
 * after its subcommand, for gdbserver after HOST:PORT, for all others at the end as -p PID.
 * @filtered: its system calls may be trapped by signals (backend = trap), at which a debugger shall
 * not stop. @program: its file, if the kernel takes another one for it; or NULL. 0, with
 * *@ret the caller's, see strlist_free(); -EINVAL: @error says why this tool cannot attach and what
 * to do instead; -E2BIG: a word is too long; -ENOMEM.
 */
int debugger_build(char *const *words, int64_t pid, bool filtered, const char *program, char ***ret,
		   struct strbuf *error);
