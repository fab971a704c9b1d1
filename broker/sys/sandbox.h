/*
 * sandbox - the system calls that the broker can make, and no others: seccomp(2).
 *
 * Whoever takes over the broker, by a flaw in it, has its descriptors and its user. This keeps them
 * from the processes of others, from more rights, and from most of the kernel, with the flaws that
 * it may have.
 *
 * A call that is not in the table fails as in a kernel that does not have it (ENOSYS): a libc that
 * is younger than this program then makes an older one. A few calls that nobody but an intruder
 * would make end the broker.
 */
#pragma once

#include "config/types.h"

/*
 * From now on this process can make no other calls than those of the table, and gain no rights by
 * executing a file; for good, and so can what it executes. SECCOMP_LOG: it can, and the kernel logs
 * them; it logs those that fail in any case. 0 or -errno with @error: it can as before.
 */
int sandbox_enter(enum conf_seccomp how, struct strbuf *error);

/* The table, sorted, a line for each call: "NAME  WHAT FOR". Without filter in this build: why. */
void sandbox_print(struct strbuf *out);
