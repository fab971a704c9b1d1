/*
 * hooks_signal.c - a program that makes its system calls itself and is linked to libc, too, as Go
 * with cgo: it has the blob (worker-shim/trap) and this library. SIGSYS is the blob's, whose filter
 * does not see what libc does. In all other programs nothing is changed.
 */
#include <signal.h>
#include <stdatomic.h>
#include "real.h"

/* Asked before the program can have a handler of its own: 0: not yet. */
static _Atomic int answer;
enum { TRAPPED = 1, NOT_TRAPPED };

static bool is_trapped(void)
{
	struct sigaction now = { .sa_flags = 0 };
	int known = atomic_load_explicit(&answer, memory_order_relaxed);

	if (!known) {
		known = real.sigaction(SIGSYS, NULL, &now) == 0 && now.sa_handler != SIG_DFL &&
					now.sa_handler != SIG_IGN
				? TRAPPED
				: NOT_TRAPPED;
		atomic_store_explicit(&answer, known, memory_order_relaxed);
	}
	return known == TRAPPED;
}

int hook_sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction changed;

	real_ready();
	if (!is_trapped())
		return real.sigaction(sig, action, old);
	if (sig == SIGSYS) {
		if (old)
			*old = (struct sigaction){ .sa_flags = 0 };
		return 0;
	}
	if (action) {
		changed = *action;
		(void)sigdelset(&changed.sa_mask, SIGSYS);
		action = &changed;
	}
	return real.sigaction(sig, action, old);
}

int hook_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	sigset_t changed;

	real_ready();
	if (set && how != SIG_UNBLOCK && is_trapped()) {
		changed = *set;
		(void)sigdelset(&changed, SIGSYS);
		set = &changed;
	}
	return real.sigprocmask(how, set, old);
}

/*
 * The same call, but it returns the error. glibc before 2.32 has it in a library that may be loaded
 * after this one: there is nothing to look up.
 */
int hook_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	_keep_errno_ int saved = errno;

	return hook_sigprocmask(how, set, old) < 0 ? errno : 0;
}
