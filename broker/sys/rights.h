/*
 * rights - what a process may do as root, and giving it up for good.
 */
#pragma once

#include "base/util.h"

/* The kernel's ABI (linux/capability.h), as a set of one. */
#define RIGHT_KILL	       (1ull << 5)
#define RIGHT_SETGID	       (1ull << 6)
#define RIGHT_SETUID	       (1ull << 7)
#define RIGHT_SETPCAP	       (1ull << 8)
#define RIGHT_NET_BIND_SERVICE (1ull << 10)
#define RIGHT_NET_RAW	       (1ull << 13)
#define RIGHT_SYS_NICE	       (1ull << 23)
#define RIGHT_SYS_RESOURCE     (1ull << 24)
#define RIGHTS_ALL	       UINT64_MAX

/*
 * Whether the command @name, looked up as program_find() does, gives rights to a user that executes
 * it: setuid, setgid, capabilities.
 */
bool rights_are_given_by(const char *name, const char *path, const char *directory);

/* Of the capabilities that this process has, it keeps those in @keep. 0 or -errno. */
int rights_reduce(uint64_t keep);

/* It keeps all, and only those in @use count, until the next call. 0 or -errno. */
int rights_use(uint64_t use);

/*
 * From now on neither this process nor one that it starts gains rights by executing a file. A file
 * that has others than @bound as capabilities cannot be executed at all, and root loses the others
 * when it executes any. 0 or -errno.
 */
int rights_gain_none(uint64_t bound);

/*
 * Of the capabilities that this process has, those in @inherit are inheritable, to be passed on. To
 * be called before rights_gain_none(), but for none. If the kernel refuses, nothing changes.
 */
void rights_inherit(uint64_t inherit);

/* Whether a program that we execute has the inheritable ones without being root. */
void rights_pass_on(bool on);

/*
 * From now on only root (CAP_SYS_PTRACE) can trace this process, read its memory or take its
 * descriptors, whatever user it becomes. The kernel writes no core file of it.
 */
void rights_hide(void);
