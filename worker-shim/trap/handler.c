/*
 * handler.c - SIGSYS: a system call of the program that the filter has trapped. The hook of the
 * preload library answers it, which makes system calls of its own from the blob's text.
 *
 * The program may not block the signal, nor handle it: the kernel would end it instead. So what it
 * says about its signals is trapped, too, and SIGSYS left out.
 */
#include <signal.h>
#include "filter.h"
#include "handler.h"
#include "handoff_kernel.h"
#include "libc.h"
#include "preload/hooks.h"
#include "preload/real.h"
#include "preload/table.h"

#define SIGSYS_BIT (1ul << (SIGSYS - 1))

/* The kernel's ABI. */
struct kernel_action {
	void (*handler)(void);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};
#define RESTORER 0x04000000 /* SA_RESTORER */

struct kernel_filter {
	uint16_t n;
	const struct filter_instruction *at;
};
#define SET_FILTER  1 /* SECCOMP_SET_MODE_FILTER */
#define ALL_THREADS 1 /* SECCOMP_FILTER_FLAG_TSYNC */

void trap_handler(void);
void trap_return(void);
void trap_handle(int sig, const siginfo_t *info, ucontext_t *uc);
long trap_init(void);
ARCH_ENTRIES;

/* The launcher writes it before there is a zero page. */
struct trap_params trap_params __attribute__((section(".data.params")));

/* --- what is trapped --------------------------------------------------------------------- */

/* Whatever their descriptor is. */
static const int always[] = {
	SYS_accept,	 SYS_accept4,	   SYS_bind,	       SYS_listen,
	SYS_close_range, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_io_uring_setup,
	SYS_execve,	 SYS_execveat,	   SYS_rt_sigsuspend,
};

/* Of a listener that the library knows; of all descriptors, once connections move. */
static const int of_socket[] = {
	SYS_close,	 SYS_connect,	 SYS_dup,
#ifdef SYS_dup2
	SYS_dup2,
#endif
	SYS_dup3,	 SYS_epoll_ctl,	 SYS_fcntl,	 SYS_getpeername,
	SYS_getsockname, SYS_getsockopt, SYS_setsockopt, SYS_shutdown,
};

#define N(array) (sizeof(array) / sizeof((array)[0]))
static_assert(N(always) <= FILTER_CALLS && N(of_socket) <= FILTER_CALLS, "they fit");

static long add_filter(const int *calls, size_t n_calls, const struct filter_condition *condition,
		       int flags)
{
	struct filter_instruction filter[FILTER_MAX];
	struct kernel_filter program = { .at = filter };
	long r;

	program.n =
		(uint16_t)filter_build(&trap_params, ARCH_AUDIT, calls, n_calls, condition, filter);
	r = RAW(seccomp, SET_FILTER, flags, (long)&program);
	/* Without privileges, only for one that can gain none. */
	if (r == -EACCES) {
		(void)RAW(prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1);
		r = RAW(seccomp, SET_FILTER, flags, (long)&program);
	}
	return r;
}

/*
 * The numbers that have a filter. If one becomes something else, its calls go through the handler,
 * which passes them on. Each filter costs all calls of its list some nanoseconds: a program with
 * more listeners than that has those that it binds first in full.
 */
#define NUMBERS 32
static _Atomic int numbers[NUMBERS]; /* fd + 1; 0: none */

static void filter_number(int fd)
{
	const struct filter_condition is_it = { .argument = 0, .value = (uint32_t)fd };

	for (size_t i = 0; i < NUMBERS; i++) {
		int none = 0;

		if (atomic_compare_exchange_strong(&numbers[i], &none, fd + 1)) {
			(void)add_filter(of_socket, N(of_socket), &is_it, ALL_THREADS);
			return;
		}
		if (none == fd + 1)
			return;
	}
}

bool trap_all_sockets(void)
{
	return add_filter(of_socket, N(of_socket), NULL, ALL_THREADS) == 0;
}

static void filter_if_socket(int fd)
{
	if (table_socket(fd))
		filter_number(fd);
}

/* --- signals ------------------------------------------------------------------------------- */

/*
 * The mask that the program goes on with is that of the interrupted frame. What is pending and
 * unblocked arrives when the handler has returned, on the stack that it would arrive on.
 */
static long change_mask(const long a[6], ucontext_t *uc)
{
	const unsigned long *set = (const unsigned long *)a[1];
	unsigned long *old = (unsigned long *)a[2], *mask = (unsigned long *)&uc->uc_sigmask;
	unsigned long before = *mask;

	if (a[3] != sizeof(*set))
		return -EINVAL;
	if (set && a[0] == SIG_BLOCK)
		*mask |= *set & ~SIGSYS_BIT;
	else if (set && a[0] == SIG_UNBLOCK)
		*mask &= ~*set;
	else if (set && a[0] == SIG_SETMASK)
		*mask = *set & ~SIGSYS_BIT;
	else if (set)
		return -EINVAL;
	if (old)
		*old = before;
	return 0;
}

/* Handlers that run while the call waits have the mask that is argument @at, too. */
static long call_with_mask(long nr, const long a[6], int at)
{
	struct {
		const unsigned long *set;
		size_t size;
	} pair;
	long changed[6] = { a[0], a[1], a[2], a[3], a[4], a[5] };
	unsigned long set;

	if (nr == SYS_pselect6) {
		pair.set = *(const unsigned long *const *)a[at];
		pair.size = sizeof(set);
		changed[at] = (long)&pair;
		if (!pair.set)
			return arch_call(nr, a);
		set = *pair.set & ~SIGSYS_BIT;
		pair.set = &set;
	} else {
		set = *(const unsigned long *)a[at] & ~SIGSYS_BIT;
		changed[at] = (long)&set;
	}
	return arch_call(nr, changed);
}

/* Which wait with a mask, and the argument that is it. */
static int mask_argument(long nr)
{
	switch (nr) {
	case SYS_rt_sigsuspend:
		return 0;
	case SYS_ppoll:
		return 3;
	case SYS_epoll_pwait:
		return 4;
	case SYS_pselect6:
		return 5;
	}
	return -1;
}

/* A program in Go has none. */
static void filter_waits(void)
{
	static const int waits[] = { SYS_ppoll, SYS_epoll_pwait, SYS_pselect6 };

	for (size_t i = 0; i < N(waits); i++) {
		const struct filter_condition has_mask = {
			.argument = (unsigned)mask_argument(waits[i]), .differs = true
		};

		(void)add_filter(&waits[i], 1, &has_mask, 0);
	}
}

static long change_action(const long a[6])
{
	struct kernel_action *old = (struct kernel_action *)a[2], action;

	if (a[0] == SIGSYS && a[3] == sizeof(action.mask)) {
		if (old)
			*old = (struct kernel_action){ .flags = 0 };
		return 0;
	}
	if (!a[1])
		return arch_call(SYS_rt_sigaction, a);
	action = *(const struct kernel_action *)a[1];
	action.mask &= ~SIGSYS_BIT;
	return RAW(rt_sigaction, a[0], (long)&action, a[2], a[3]);
}

/* --- what was not executed ------------------------------------------------------------------ */

static void filter_names(void)
{
	static const int names[] = {
#ifdef SYS_readlink
		SYS_readlink,
#endif
		SYS_readlinkat,
	};

	(void)add_filter(names, N(names), NULL, 0);
}

/* /proc/self/exe is the launcher: the name of the program, as far as there is room for it. */
static long read_link(long nr, const long a[6], int at)
{
	const char *path = (const char *)trap_params.program;
	long changed[6] = { a[0], a[1], a[2], a[3] }, r;

	if (!exec_is_own((const char *)a[at]))
		return arch_call(nr, a);
	/* The kernel has the last word on where may be written. */
	changed[at + 2] = (long)strnlen(path, (size_t)a[at + 2]);
	r = arch_call(nr, changed);
	if (r <= 0)
		return r;
	(void)memcpy((void *)a[at + 1], path, (size_t)changed[at + 2]);
	return changed[at + 2];
}

/* --- the handler ------------------------------------------------------------------------- */

static long answer(long nr, long a[6], ucontext_t *uc)
{
	long r;

	switch (nr) {
	case SYS_execve:
		if (trap_params.program && exec_is_own((const char *)a[0]))
			a[0] = (long)trap_params.program;
		break;
	case SYS_rt_sigaction:
		return change_action(a);
	case SYS_rt_sigprocmask:
		return change_mask(a, uc);
	case SYS_rt_sigsuspend:
	case SYS_ppoll:
	case SYS_epoll_pwait:
	case SYS_pselect6:
		return call_with_mask(nr, a, mask_argument(nr));
#ifdef SYS_readlink
	case SYS_readlink:
		return read_link(nr, a, 0);
#endif
	case SYS_readlinkat:
		return read_link(nr, a, 1);
	}
	r = hook_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r < 0)
		return -errno;
	switch (nr) {
	case SYS_bind:
	case SYS_listen:
	case SYS_accept:
	case SYS_accept4:
		filter_if_socket((int)a[0]);
		break;
#ifdef SYS_dup2
	case SYS_dup2:
#endif
	case SYS_dup:
	case SYS_dup3:
	case SYS_fcntl:
		filter_if_socket((int)r);
	}
	return r;
}

void trap_handle(int sig, const siginfo_t *info, ucontext_t *uc)
{
	long a[6];

	(void)sig;
	if (info->si_code != 1 /* SYS_SECCOMP */)
		return; /* somebody has sent it */
	arch_arguments(uc, a);
	arch_answer(uc, answer(info->si_syscall, a, uc));
}

/* --- at the start ------------------------------------------------------------------------ */

extern void (*const init_start[])(void), (*const init_end[])(void); /* constructors: blob.ld */

/* What execve(2) would have left of the launcher: nothing. */
static void forget_launcher(void)
{
	(void)RAW(close, (long)trap_params.status_fd);
	for (size_t i = 0; i < trap_params.n_old; i++)
		(void)RAW(munmap, (long)trap_params.old[i].from,
			  (long)(trap_params.old[i].to - trap_params.old[i].from));
}

/* Called by trap_start(), on the stack of a program that has not begun. 0 or -errno. */
long trap_init(void)
{
	const struct kernel_action action = {
		.handler = trap_handler,
		.flags = SA_SIGINFO | SA_NODEFER | SA_RESTART | RESTORER |
			 (trap_params.small_stacks ? SA_ONSTACK : 0),
		.restorer = trap_return,
	};
	unsigned long mask = SIGSYS_BIT;
	long r;

	environ = (char **)trap_params.stack + *(long *)trap_params.stack + 2;
	for (void (*const *f)(void) = init_start; f < init_end; f++)
		(*f)();
	r = RAW(rt_sigaction, SIGSYS, (long)&action, 0, sizeof(mask));
	if (r == 0)
		r = add_filter(always, N(always), NULL, 0);
	if (r < 0)
		return r;
	(void)RAW(rt_sigprocmask, SIG_UNBLOCK, (long)&mask, 0, sizeof(mask));
	if (!trap_params.small_stacks)
		filter_waits();
	for (int fd = 0; fd < table_end; fd++)
		filter_if_socket(fd);
	if (trap_params.entry) {
		filter_names();
		forget_launcher();
	}
	return 0;
}
