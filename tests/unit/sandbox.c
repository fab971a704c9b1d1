/* links: broker/sys/sandbox broker/base/strbuf */
#include "handoff_kernel.h"
#include "sys/sandbox.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_SUCH_CALL 999

/* For the rest of a test, which is a process of its own. */
static void enter(enum conf_seccomp how)
{
	STRBUF(error, 256);
	int r = sandbox_enter(how, &error);

	if (r == -ENOTSUP || r == -ENOSYS || r == -EINVAL)
		SKIP(error.text);
	CHECK_EQ(r, 0);
}

static void fails(long result, int with)
{
	int error = errno;

	CHECK_EQ(result, -1);
	CHECK_EQ(error, with);
}

#define NO_FILTER 77

/* How a process ends, as waitpid(2) gives it, that enters and runs @body. */
static int status_of(enum conf_seccomp how, void (*body)(long), long of)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		STRBUF(unsaid, 256);

		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file */
		if (sandbox_enter(how, &unsaid) < 0)
			_exit(NO_FILTER);
		body(of);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER)
		SKIP("no filter here");
	return status;
}

TEST(the_calls_of_the_list_work)
{
	void *memory;
	char byte = 'x';
	int ends[2], fd, waiting = 0;

	enter(SECCOMP_YES);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, &byte, 1), 1);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	CHECK_EQ(send(ends[0], &byte, 1, 0), 1);
	CHECK_EQ(ioctl(ends[1], FIONREAD, &waiting), 0);
	CHECK_EQ(waiting, 1);
	CHECK_EQ(recv(ends[1], &byte, 1, 0), 1);
	CHECK_EQ(close(ends[0]), 0);
	CHECK_EQ(close(ends[1]), 0);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	CHECK_EQ(mprotect(memory, 4096, PROT_READ), 0);
}

TEST(another_call_fails_as_in_a_kernel_without_it)
{
	enter(SECCOMP_AUTO);
	fails(syscall(SYS_setsid), ENOSYS);
	fails(syscall(NO_SUCH_CALL), ENOSYS);
	CHECK_EQ(fork(), -1);
}

TEST(no_memory_becomes_code)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	void *memory;

	enter(SECCOMP_YES);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, anonymous, -1, 0);
	CHECK(memory != MAP_FAILED);
	fails(mprotect(memory, 4096, PROT_READ | PROT_EXEC), ENOSYS);
	fails((long)mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, anonymous, -1, 0), ENOSYS);
	/* As a library has it. */
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, anonymous, -1, 0) != MAP_FAILED);
}

TEST(other_families_of_sockets_are_refused)
{
	enter(SECCOMP_YES);
	for (int family = 0; family < 64; family++) {
		int fd = socket(family, SOCK_DGRAM, 0);

		if (family == AF_UNIX || family == AF_INET)
			CHECK(fd >= 0);
		else if (family != AF_INET6 && family != AF_NETLINK)
			fails(fd, ENOSYS);
		if (fd >= 0)
			CHECK_EQ(close(fd), 0);
	}
}

/* TIOCSTI(2const) types into the terminal of whoever started the broker. */
TEST(it_cannot_type_into_its_terminal)
{
	char byte = '\n';

	enter(SECCOMP_YES);
	fails(ioctl(0, TIOCSTI, &byte), ENOSYS);
	/* The kernel looks at the lower half alone. */
	fails(syscall(SYS_ioctl, 0, TIOCSTI | 1L << 40, &byte), ENOSYS);
}

TEST(it_gains_no_rights)
{
	enter(SECCOMP_YES);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	fails(setuid(getuid()), ENOSYS);
	fails(setgid(getgid()), ENOSYS);
}

/* With arguments that do nothing. */
static void make_call(long number)
{
	(void)syscall(number, -1L, 0, 0, 0, 0, 0);
}

TEST(a_call_of_an_intruder_ends_it)
{
	static const long calls[] = {
		SYS_ptrace,	     SYS_process_vm_writev, SYS_mount,	SYS_unshare,
		SYS_setns,	     SYS_init_module,	    SYS_bpf,	SYS_kexec_load,
		SYS_io_uring_setup,  SYS_userfaultfd,	    SYS_keyctl, SYS_chroot,
		SYS_perf_event_open, SYS_open_by_handle_at
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int status = status_of(SECCOMP_YES, make_call, calls[i]);

		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
		CHECK_EQ(status_of(SECCOMP_LOG, make_call, calls[i]), 0);
	}
}

#ifdef __x86_64__
/* Its numbers mean other calls: 20 is getpid(2), which in 64 bits is writev(2). */
static void make_32_bit_call(long number)
{
	__asm__ volatile("int $0x80" : "+a"(number));
	_exit(number == -ENOSYS ? NO_FILTER : 0);
}

TEST(a_call_of_a_32_bit_program_ends_it)
{
	int status = status_of(SECCOMP_YES, make_32_bit_call, 20);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSYS);
}
#endif

/* The next version of the broker may need a filter of its own. */
TEST(a_second_filter_may_take_more_away_and_gives_nothing_back)
{
	enter(SECCOMP_YES);
	enter(SECCOMP_LOG);
	fails(syscall(SYS_setsid), ENOSYS);
}

/* Such as the next version of the broker. */
static void execute_grep(long unused)
{
	(void)unused;
	execlp("grep", "grep", "-q", "^Seccomp:.2$", "/proc/self/status", NULL);
	_exit(126);
}

TEST(what_it_executes_has_the_same_filter)
{
	CHECK_EQ(status_of(SECCOMP_YES, execute_grep, 0), 0);
}

/* Why there is no Landlock: see docs/security.md. Any ruleset does it; this is the smallest. */
TEST(landlock_would_hide_what_workers_hold)
{
	const uint64_t no_device_files = 1 << 6;
	pid_t worker = fork();
	char path[64], link[64];
	int ruleset;

	CHECK(worker >= 0);
	if (worker == 0) {
		(void)pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/0", worker);
	CHECK(readlink(path, link, sizeof(link)) > 0);
	ruleset = (int)syscall(444, &no_device_files, sizeof(no_device_files), 0);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (ruleset >= 0) {
		CHECK_EQ(syscall(446, ruleset, 0), 0); /* landlock_restrict_self(2) */
		CHECK_EQ(close(ruleset), 0);
		fails(readlink(path, link, sizeof(link)), EACCES);
	}
	CHECK_EQ(kill(worker, SIGKILL), 0);
	CHECK_EQ(waitpid(worker, NULL, 0), worker);
	if (ruleset < 0)
		SKIP("no Landlock here");
}

TEST(the_list_is_sorted_and_names_each_call_once)
{
	STRBUF(text, 16384);
	char last[32] = "", name[32];
	unsigned n = 0;

	sandbox_print(&text);
	if (!strncmp(text.text, "no filter: ", 11))
		SKIP(text.text);
	for (const char *line = text.text; strncmp(line, "all others ", 11) != 0;
	     line = strchr(line, '\n') + 1) {
		CHECK(sscanf(line, "%31[a-z0-9_] ", name) == 1);
		CHECK(strcmp(last, name) < 0);
		strcpy(last, name);
		n++;
	}
	CHECK(n > 80);
}

TAP_MAIN()
