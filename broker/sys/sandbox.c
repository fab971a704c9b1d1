#include "sys/sandbox.h"

#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "handoff_kernel.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCH 0xc000003e /* AUDIT_ARCH_X86_64 */
#elif defined(__aarch64__)
#define ARCH 0xc00000b7 /* AUDIT_ARCH_AARCH64 */
#else
#define WHY_NOT "there is no filter for this processor"
#endif

/* Their own calls are not in the table, and some of them are those of an intruder. */
#ifdef __has_feature
#define BUILT_WITH(sanitizer) __has_feature(sanitizer)
#else
#define BUILT_WITH(sanitizer) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
	BUILT_WITH(address_sanitizer) || BUILT_WITH(thread_sanitizer) ||                           \
	BUILT_WITH(memory_sanitizer)
#undef WHY_NOT
#define WHY_NOT "it was built with a sanitizer"
#endif

#ifdef WHY_NOT

int sandbox_enter(enum conf_seccomp how, struct strbuf *error)
{
	(void)how;
	return strbuf_fail(error, -ENOTSUP, WHY_NOT);
}

void sandbox_print(struct strbuf *out)
{
	strbuf_add(out, "no filter: " WHY_NOT "\n");
}

#else

/* --- the table -------------------------------------------------------------------------------- */

/* Calls with the same purpose, and a NULL. Of those with .values, one argument is looked at. */
struct group {
	const char *use; /* NULL: the broker ends */
	struct call {
		const char *name;
		int number;
	} calls[32];
	unsigned argument, n_values;
	uint32_t mask, values[6]; /* what .mask leaves of the argument is one of .values */
};

/* clang-format off */
#define CALL(name) { #name, SYS_##name }
#ifdef __x86_64__
#define OLD(name) CALL(name)
#else
#define OLD(name) { NULL, 0 } /* only at the end of a list */
#endif
#define ONE_OF(bits, ...)                                                                          \
	.mask = (bits), .values = { __VA_ARGS__ },                                                 \
	.n_values = sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)

/*
 * Most come from traces of all tests; the others are what another libc, or the other processor,
 * makes in their place. The kernel (5.11) remembers which calls are let through whatever their
 * arguments, and does not run the filter for them: so their order does not matter, and those with
 * .values are first.
 */
static const struct group groups[] = {
	{ .use = "how many connections wait; whether it writes to a terminal", .calls = {
	  CALL(ioctl) },
	  .argument = 1, ONE_OF(~0u, FIONREAD, TIOCOUTQ, TIOCGWINSZ, 0x5401 /* TCGETS */) },
	{ .use = "memory, but none to write and execute", .calls = {
	  CALL(mmap) },
	  .argument = 2, ONE_OF(PROT_WRITE | PROT_EXEC, 0, PROT_WRITE, PROT_EXEC) },
	{ .use = "memory, but none to execute", .calls = {
	  CALL(mprotect) },
	  .argument = 2, ONE_OF(PROT_EXEC, 0) },
	{ .use = "sockets of Unix, IPv4, IPv6, and for questions about sockets", .calls = {
	  CALL(socket) },
	  .argument = 0, ONE_OF(~0u, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK) },
	{ .use = "the shadow, with the same descriptors", .calls = {
	  CALL(clone) },
	  .argument = 0, ONE_OF(~0u, CLONE_FILES | SIGCHLD) },
	{ .use = "connections and messages", .calls = {
	  CALL(accept4), CALL(bind), CALL(connect), CALL(getpeername), CALL(getsockname),
	  CALL(getsockopt),
	  CALL(listen), CALL(recvfrom), CALL(recvmsg), CALL(sendmsg), CALL(sendto),
	  CALL(setsockopt), CALL(shutdown), CALL(socketpair) }, },
	{ .use = "waits for events, and looks at the clock", .calls = {
	  CALL(clock_gettime), CALL(clock_nanosleep), CALL(epoll_create1), CALL(epoll_ctl),
	  CALL(epoll_pwait), CALL(gettimeofday), CALL(nanosleep), CALL(ppoll),
	  CALL(restart_syscall), CALL(signalfd4), OLD(epoll_wait), OLD(poll), OLD(time) }, },
	{ .use = "files and other descriptors", .calls = {
	  CALL(close), CALL(faccessat), CALL(fchmod), CALL(fchmodat), CALL(fchown),
	  CALL(fchownat), CALL(fcntl), CALL(flock), CALL(fstat), CALL(fstatfs),
	  CALL(ftruncate), CALL(getcwd), CALL(getdents64), CALL(lseek), CALL(memfd_create),
	  CALL(mkdirat), CALL(newfstatat), CALL(openat), CALL(pipe2), CALL(pread64),
	  CALL(pwrite64), CALL(read), CALL(readlinkat), CALL(readv), CALL(statx),
	  CALL(unlinkat), CALL(write), CALL(writev) }, },
	{ .use = "files, by the older calls", .calls = {
	  OLD(access), OLD(chmod), OLD(lchown), OLD(lstat), OLD(open), OLD(readlink),
	  OLD(rmdir), OLD(stat), OLD(unlink) }, },
	{ .use = "opens a file as the user whose it is", .calls = {
	  CALL(getgroups), CALL(setfsgid), CALL(setfsuid), CALL(setgroups) }, },
	{ .use = "the processes of workers", .calls = {
	  CALL(getpgid), CALL(kill), CALL(pidfd_getfd), CALL(pidfd_open),
	  CALL(pidfd_send_signal) }, },
	{ .use = "the shadow waits; it has ended", .calls = {
	  CALL(rt_sigtimedwait), CALL(wait4) }, },
	{ .use = "its own process", .calls = {
	  CALL(brk), CALL(exit_group), CALL(futex), CALL(getegid), CALL(geteuid), CALL(getpid),
	  CALL(getppid), CALL(getrandom), CALL(gettid), CALL(madvise), CALL(mremap),
	  CALL(munmap), CALL(prlimit64), CALL(rt_sigaction), CALL(rt_sigprocmask),
	  CALL(rt_sigreturn), CALL(sched_getaffinity), CALL(sched_getscheduler),
	  CALL(sched_setscheduler), CALL(sysinfo), CALL(tgkill), CALL(tkill), CALL(umask),
	  CALL(uname) }, },
	{ .use = "executes the next version, which begins", .calls = {
	  CALL(capget), CALL(capset), CALL(execve), CALL(prctl), CALL(rseq), CALL(seccomp),
	  CALL(set_robust_list), CALL(set_tid_address), OLD(arch_prctl) }, },
	{ .use = NULL, .calls = {
	  CALL(add_key), CALL(bpf), CALL(chroot), CALL(delete_module), CALL(execveat),
	  CALL(finit_module), CALL(init_module), CALL(io_uring_enter), CALL(io_uring_register),
	  CALL(io_uring_setup), CALL(kexec_load), CALL(keyctl), CALL(mount),
	  CALL(open_by_handle_at), CALL(perf_event_open), CALL(pivot_root),
	  CALL(process_vm_readv), CALL(process_vm_writev), CALL(ptrace), CALL(reboot),
	  CALL(request_key), CALL(setns), CALL(umount2), CALL(unshare), CALL(userfaultfd) }, },
};
/* clang-format on */

/* --- the filter ------------------------------------------------------------------------------- */

/* What is in linux/filter.h and linux/seccomp.h. */
struct step {
	uint16_t code;
	uint8_t if_so, if_not; /* so many steps further */
	uint32_t k;
};
enum { LOAD = 0x20, MASK = 0x54, IS = 0x15, END = 0x06 };
enum { AT_NUMBER = 0, AT_ARCH = 4, AT_ARGUMENTS = 16 };
enum { SET_FILTER = 1, LOG_REFUSED = 2, SPEC_ALLOW = 4 };
#define END_PROCESS 0x80000000
#define REFUSE	    (0x00050000 | ENOSYS)
#define LET_AND_LOG 0x7ffc0000
#define LET	    0x7fff0000

struct filter {
	unsigned short n;
	struct step *steps;
};

static void add(struct filter *f, uint16_t code, uint32_t k, unsigned if_not)
{
	f->steps[f->n++] = (struct step){ code, 0, (uint8_t)if_not, k };
}

static void add_call(struct filter *f, const struct group *g, int number, uint32_t intruder)
{
	add(f, IS, (uint32_t)number, g->n_values ? 2 * g->n_values + 3 : 1);
	if (!g->n_values) {
		add(f, END, g->use ? LET : intruder, 0);
		return;
	}
	/* Little-endian, and of these arguments the kernel sees no more than this half. */
	add(f, LOAD, AT_ARGUMENTS + 8 * g->argument, 0);
	add(f, MASK, g->mask, 0);
	for (unsigned i = 0; i < g->n_values; i++) {
		add(f, IS, g->values[i], 1);
		add(f, END, LET, 0);
	}
	add(f, LOAD, AT_NUMBER, 0); /* none of the following, either */
}

int sandbox_enter(enum conf_seccomp how, struct strbuf *error)
{
	const bool log = how == SECCOMP_LOG;
	struct step steps[512] = {
		{ LOAD, 0, 0, AT_ARCH },
		{ IS, 1, 0, ARCH },
		{ END, 0, 0, END_PROCESS },
		{ LOAD, 0, 0, AT_NUMBER },
	};
	struct filter f = { 4, steps };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		for (const struct call *c = groups[i].calls; c->name; c++)
			add_call(&f, &groups[i], c->number, log ? LET_AND_LOG : END_PROCESS);
	add(&f, END, log ? LET_AND_LOG : REFUSE, 0);
	assert(f.n <= ARRAY_SIZE(steps));
	/* Before 5.16 a filter costs speculation, too, to protect a program from its own code. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SET_FILTER, LOG_REFUSED | SPEC_ALLOW, &f) < 0)
		return strbuf_fail(error, -errno, "the kernel takes no filter: %m");
	return 0;
}

/* --- broker --print-syscalls ------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void sandbox_print(struct strbuf *out)
{
	const char *lines[ARRAY_SIZE(groups) * ARRAY_SIZE(groups->calls)][2];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		for (const struct call *c = groups[i].calls; c->name; c++, n++) {
			lines[n][0] = c->name;
			lines[n][1] = groups[i].use ? groups[i].use : "ends the broker";
		}
	qsort(lines, n, sizeof(lines[0]), by_name);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%-18s %s\n", lines[i][0], lines[i][1]);
	strbuf_add(out, "all others         fail: ENOSYS, as in a kernel without them\n");
}

#endif
