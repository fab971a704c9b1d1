/*
 * trap.h - puts the blob (trap/params.h) into the program before its first instruction.
 *
 *	this process        its tracer, nobody's child
 *	  fork ------------->  PTRACE_SEIZE
 *	  execve(program)      stopped at its entry point: memory is mapped, the blob put there,
 *	                       and run until its handler and its filter are in place
 *	  the program  <-----  everything as it was; PTRACE_DETACH
 */
#pragma once

#include <stdbool.h>
#include "reason.h"

/*
 * Has a tracer wait for this process to execute something. If the blob cannot be put there, the
 * tracer writes why to @status_fd and ends the process, as if it had exited with LAUNCH_REFUSED.
 * *@ret_forbidden: what forbids that anybody traces it, for load.h; NULL: nothing does. False, with
 * the reason: it can neither be traced nor loaded.
 */
bool trap_prepare(bool is_go, int status_fd, const char **ret_forbidden);
