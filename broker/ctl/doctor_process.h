/*
 * doctor_process - what /proc and the kernel's socket tables say about a running program and its
 * children.
 */
#pragma once

#include "ctl/doctor_facts.h"

/*
 * Looks at the process @pid. 0; -ESRCH, -EACCES, -ENOMEM. *@ret_words is its command, for
 * strlist_free().
 */
int doctor_look(pid_t pid, struct doctor_process *ret, char ***ret_words);
