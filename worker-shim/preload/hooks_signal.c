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

typedef int mask_fn(int, const sigset_t *, sigset_t *);

static int change_mask(mask_fn *fn, int how, const sigset_t *set, sigset_t *old)
{
	sigset_t changed;

	if (set && how != SIG_UNBLOCK && is_trapped()) {
		changed = *set;
		(void)sigdelset(&changed, SIGSYS);
		set = &changed;
	}
	return fn(how, set, old);
}

int hook_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	real_ready();
	return change_mask(real.sigprocmask, how, set, old);
}

int hook_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	real_ready();
	return change_mask(real.pthread_sigmask, how, set, old);
}
