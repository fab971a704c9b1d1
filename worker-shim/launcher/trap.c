#include "trap.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "blob.h"
#include "handoff_rights.h"
#include "text.h"
#include "trap/arch.h"

static const unsigned char call_and_trap[] = ARCH_CALL_AND_TRAP;

struct tracee {
	pid_t pid;
	bool is_go;
	int status_fd; /* where to say why not */
	/* As it was at its entry point. */
	arch_registers entry;
	long word; /* of its text, where the call is put */
	uint64_t mask;
};

/* --- the program, stopped ------------------------------------------------------------------ */

static bool get_registers(const struct tracee *t, arch_registers *ret)
{
	struct iovec v = { ret, sizeof(*ret) };

	return ptrace(PTRACE_GETREGSET, t->pid, NT_PRSTATUS, &v) == 0;
}

static bool set_registers(const struct tracee *t, arch_registers *r)
{
	struct iovec v = { r, sizeof(*r) };

	return ptrace(PTRACE_SETREGSET, t->pid, NT_PRSTATUS, &v) == 0;
}

/* Lets it run from @r until it meets a trap, and fills @r again. A stop by SIGSTOP has to wait. */
static bool run(const struct tracee *t, arch_registers *r)
{
	int status;

	if (!set_registers(t, r))
		return false;
	do
		if (ptrace(PTRACE_CONT, t->pid, 0, 0) < 0 ||
		    waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status))
			return false;
	while (status >> 16 == PTRACE_EVENT_STOP);
	return WSTOPSIG(status) == SIGTRAP && get_registers(t, r);
}

/* A system call that the program makes. -errno. */
static long call(const struct tracee *t, long nr, const long a[6])
{
	arch_registers r = t->entry;

	arch_jump(&r, arch_pc(&t->entry));
	arch_set_call(&r, nr, a);
	return run(t, &r) ? arch_result(&r) : -ESRCH;
}

#define CALL(t, name, ...) call(t, SYS_##name, (const long[6]){ __VA_ARGS__ })

/* From the moment when it has executed something to its entry point: execve(2) returns there. */
static bool stop_at_entry(struct tracee *t)
{
	uint64_t all_but_trap = ~(1ull << (SIGTRAP - 1));
	long patched;
	int status;

	if (ptrace(PTRACE_SYSCALL, t->pid, 0, 0) < 0 ||
	    waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status) ||
	    !get_registers(t, &t->entry) ||
	    ptrace(PTRACE_GETSIGMASK, t->pid, sizeof(t->mask), &t->mask) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, t->pid, sizeof(t->mask), &all_but_trap) < 0)
		return false;
	errno = 0;
	t->word = patched = ptrace(PTRACE_PEEKTEXT, t->pid, arch_pc(&t->entry), 0);
	memcpy(&patched, call_and_trap, sizeof(call_and_trap));
	return !errno && ptrace(PTRACE_POKETEXT, t->pid, arch_pc(&t->entry), patched) == 0;
}

/* As if nothing had been, but for what the blob has done: SIGSYS is not blocked. */
static bool let_go(struct tracee *t)
{
	t->mask &= ~(1ull << (SIGSYS - 1));
	return ptrace(PTRACE_POKETEXT, t->pid, arch_pc(&t->entry), t->word) == 0 &&
	       set_registers(t, &t->entry) &&
	       ptrace(PTRACE_SETSIGMASK, t->pid, sizeof(t->mask), &t->mask) == 0 &&
	       ptrace(PTRACE_DETACH, t->pid, 0, 0) == 0;
}

/* --- the blob -------------------------------------------------------------------------------- */

static bool find_text(pid_t pid, struct trap_params *ret)
{
	char path[64], *line = NULL;
	bool fits = true;
	size_t size = 0;
	struct stat st;
	FILE *maps;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &st) < 0)
		return reason_refuse("%s: %s", path, strerror(errno));
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return reason_refuse("%s: %s", path, strerror(errno));
	while (fits && getline(&line, &size, maps) > 0)
		fits = text_add(line, st.st_ino, ret);
	free(line);
	(void)fclose(maps);
	return (fits && ret->n_ranges) || reason_refuse("its text is in too many pieces");
}

/* Text that is not changed costs no memory: from this program, the file @path of the other one. */
static bool map_text(const struct tracee *t, uint64_t base, uint64_t path, size_t n)
{
	static unsigned char seen[1 << 20];
	struct iovec to = { seen, n }, from = { (void *)base, n };
	long fd = CALL(t, openat, AT_FDCWD, (long)path, O_RDONLY), r = fd;

	if (fd >= 0) {
		r = CALL(t, mmap, (long)base, (long)n, PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_FIXED, fd, (long)blob_offset());
		(void)CALL(t, close, fd);
	}
	if (r < 0 && r > -4096)
		return reason_refuse("worker-shim cannot be mapped into it: %s", strerror((int)-r));
	return (process_vm_readv(t->pid, &to, 1, &from, 1, 0) == (ssize_t)n &&
		!memcmp(seen, blob_head(), n)) ||
	       reason_refuse("worker-shim was replaced just now");
}

/* False, with the reason. Else *@ret is where it is. */
static bool map_blob(const struct tracee *t, uint64_t *ret)
{
	const struct trap_head *head = blob_head();
	struct trap_params params = { .stack = arch_sp(&t->entry), .small_stacks = t->is_go };
	const unsigned char *image;
	struct iovec from, to;
	uint64_t path;
	long base;

	if (!blob_name_launcher(&params) || !find_text(t->pid, &params))
		return false;
	base = CALL(t, mmap, 0, (long)head->end, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base < 0 && base > -4096)
		return reason_refuse("no memory for the trap back end: %s", strerror((int)-base));
	*ret = (uint64_t)base;
	image = blob_image(*ret, &params);
	from = (struct iovec){ (void *)(uintptr_t)(image + head->text_end),
			       head->data_end - head->text_end };
	to = (struct iovec){ (void *)(*ret + head->text_end), from.iov_len };
	if (process_vm_writev(t->pid, &from, 1, &to, 1, 0) != (ssize_t)from.iov_len)
		return reason_refuse("its memory cannot be written: %s", strerror(errno));
	path = *ret + head->params + offsetof(struct trap_params, launcher);
	if (!map_text(t, *ret, path, head->text_end))
		return false;
#ifdef BROKER_STATIC
	/* A static one is at a fixed address itself, and executes none: trap/exec.c. */
	from = (struct iovec){ &(char){ 0 }, 1 };
	to = (struct iovec){ (void *)path, 1 };
	(void)process_vm_writev(t->pid, &from, 1, &to, 1, 0);
#endif
	return true;
}

static bool inject(const struct tracee *t)
{
	arch_registers r = t->entry;
	uint64_t base = 0;

	if (!map_blob(t, &base))
		return false;
	arch_jump(&r, base + blob_head()->start);
	if (!run(t, &r))
		return reason_refuse("the trap back end did not start in it");
	return arch_result(&r) == 0 || reason_refuse("the kernel refuses the filter of its calls "
						     "(seccomp): %s",
						     strerror((int)-arch_result(&r)));
}

/* --- the tracer ------------------------------------------------------------------------------ */

/* Until it has executed something. False: it has not, and said why by itself. */
static bool wait_for_exec(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		int event = status >> 16;

		if (event == PTRACE_EVENT_EXEC)
			return true;
		if (ptrace(PTRACE_CONT, pid, 0, event ? 0 : WSTOPSIG(status)) < 0)
			return false;
	}
	return false;
}

static void trace(struct tracee *t)
{
	if (!wait_for_exec(t->pid) || (stop_at_entry(t) && inject(t) && let_go(t)))
		return;
	if (!*reason.text)
		(void)reason_refuse("it cannot be traced to its entry point: %s", strerror(errno));
	(void)dprintf(t->status_fd < 0 ? STDERR_FILENO : t->status_fd, "%s%s\n",
		      t->status_fd < 0 ? "worker-shim: " : "", reason.text);
	(void)CALL(t, exit_group, LAUNCH_REFUSED);
}

/* In the tracer: it is let trace, does so, says so, and stays until the program goes on. */
static void be_tracer(struct tracee *t, int sock)
{
	int options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	pid_t me = getpid();
	int error;

	if (write(sock, &me, sizeof(me)) != sizeof(me) ||
	    read(sock, &error, sizeof(error)) != sizeof(error))
		return;
	error = ptrace(PTRACE_SEIZE, t->pid, 0, options) < 0 ? errno : 0;
	if (write(sock, &error, sizeof(error)) != sizeof(error) || error)
		return;
	(void)close(sock);
	trace(t);
}

/* 0 or an errno. */
static int start_tracer(struct tracee *t, int ends[2])
{
	pid_t child = fork(), tracer;
	int error = 0;

	if (child < 0)
		return errno;
	if (child == 0) {
		/* What it leaves is no child of the program, which may wait for its children. */
		if (fork() == 0) {
			(void)close(ends[0]);
			be_tracer(t, ends[1]);
		}
		_exit(0);
	}
	handoff_close_fd(&ends[1]);
	(void)waitpid(child, NULL, 0);
	if (read(ends[0], &tracer, sizeof(tracer)) != sizeof(tracer))
		return ECHILD;
	(void)prctl(PR_SET_PTRACER, tracer); /* fails where nobody forbids it */
	if (write(ends[0], &error, sizeof(error)) != sizeof(error) ||
	    read(ends[0], &error, sizeof(error)) != sizeof(error))
		return ECHILD;
	return error;
}

/* In words that a program can take for a name of it. */
static const char *forbids(int error)
{
	__attribute__((cleanup(handoff_close_fd))) int fd =
		open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
	static char text[128];
	char scope = '0';

	if (fd >= 0 && read(fd, &scope, 1) == 1 && scope > '1')
		(void)snprintf(text, sizeof(text), "kernel.yama.ptrace_scope = %c", scope);
	else
		(void)snprintf(text, sizeof(text),
			       "%s: a container forbids it, or something "
			       "traces it already",
			       strerror(error));
	return text;
}

bool trap_prepare(bool is_go, int status_fd, const char **ret_forbidden)
{
	struct tracee t = { .pid = getpid(), .is_go = is_go, .status_fd = status_fd };
	sigset_t all, before;
	int ends[2], error;
	const uint32_t action = 0x30000; /* SECCOMP_RET_TRAP */

	if (syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, &action) < 0)
		return reason_refuse("the trap back end needs seccomp(2), which fails here (%s): "
				     "use a kernel with CONFIG_SECCOMP_FILTER, and let the "
				     "container have the call",
				     strerror(errno));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return reason_refuse("no descriptor is free");
	/* The tracer is in the process group of the program, and not meant by its signals. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	error = start_tracer(&t, ends);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	handoff_close_fd(&ends[0]);
	handoff_close_fd(&ends[1]);
	*ret_forbidden = error ? forbids(error) : NULL;
	return true;
}
