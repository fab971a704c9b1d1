/*
 * shim_puppet - makes one system call per line of standard input and prints what came of it.
 *
 *	bind 3 127.0.0.1 3000      ->  0
 *	listen 9                   ->  -1 EBADF
 *
 * So a test decides the order of events, and this program knows nothing of a broker.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "old_libc.h"

#define MAX_WORDS 8
#define UNTOUCHED ENOTNAM /* no call says that */

extern char **environ;

static char *words[MAX_WORDS];
static int n_words;

static long num(int i)
{
	return i < n_words ? strtol(words[i], NULL, 0) : 0;
}

static int fd_arg(int i)
{
	return (int)num(i);
}

/*
 * Prints a result as one line in one write, so that threads do not mix theirs. A call that succeeds
 * must not have touched errno.
 */
static void result(long r, const char *more)
{
	int error = errno;
	char line[512];
	int n;

	if (r >= 0 && error != UNTOUCHED)
		n = snprintf(line, sizeof(line), "%ld, but errno is %s\n", r,
			     strerrorname_np(error));
	else if (r < 0)
		n = snprintf(line, sizeof(line), "%ld %s\n", r, strerrorname_np(error));
	else
		n = snprintf(line, sizeof(line), "%ld%s%s\n", r, *more ? " " : "", more);
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(3);
}

static socklen_t make_addr(const char *ip, long port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		return sizeof(*in6);
	}
	return 0;
}

static void show_addr(const struct sockaddr_storage *ss, socklen_t len, char *ret, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "?";
	int port = 0;

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		port = ntohs(in->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		port = ntohs(in6->sin6_port);
	}
	snprintf(ret, size, "%d %s %d %u", ss->ss_family, ip, port, len);
}

/* accept FD FLAGS [room]: room is the size of the address buffer, 0: none. */
static void do_accept(int raw)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = n_words > 3 ? (socklen_t)num(3) : sizeof(ss);
	struct sockaddr *addr = len ? (struct sockaddr *)&ss : NULL;
	char text[128];
	long r;

	if (raw)
		r = syscall(SYS_accept4, fd_arg(1), addr, addr ? &len : NULL, num(2));
	else if (num(2))
		r = accept4(fd_arg(1), addr, addr ? &len : NULL, (int)num(2));
	else
		r = accept(fd_arg(1), addr, addr ? &len : NULL);
	show_addr(&ss, len, text, sizeof(text));
	result(r, text);
}

static void *accept_thread(void *arg)
{
	int fd = (int)(long)arg, r;

	errno = UNTOUCHED;
	r = accept(fd, NULL, NULL);
	result(r, "from the thread");
	return NULL;
}

static void do_thread_accept(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, accept_thread, (void *)num(1)) != 0)
		_exit(3);
	pthread_detach(thread);
}

static void do_name(int (*fn)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	char text[128];
	int r = fn(fd_arg(1), (struct sockaddr *)&ss, &len);

	show_addr(&ss, len, text, sizeof(text));
	result(r, text);
}

static int sockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return getsockname(fd, addr, len);
}

static int peername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return getpeername(fd, addr, len);
}

static void do_getopt(void)
{
	int value = 0;
	socklen_t len = sizeof(value);
	char text[32];
	int r = getsockopt(fd_arg(1), (int)num(2), (int)num(3), &value, &len);

	snprintf(text, sizeof(text), "%d", value);
	result(r, text);
}

static void do_setopt(void)
{
	struct timeval timeout = { .tv_sec = num(4) };
	int value = (int)num(4);

	if (num(2) == SOL_SOCKET && num(3) == SO_RCVTIMEO)
		result(setsockopt(fd_arg(1), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)),
		       "");
	else
		result(setsockopt(fd_arg(1), (int)num(2), (int)num(3), &value, sizeof(value)), "");
}

static void do_epoll_wait(void)
{
	struct epoll_event event = { 0 };
	char text[64];
	int r = epoll_wait(fd_arg(1), &event, 1, (int)num(2));

	snprintf(text, sizeof(text), "%#x %#llx", event.events, (unsigned long long)event.data.u64);
	result(r, text);
}

static void do_epoll_ctl(int op)
{
	struct epoll_event event = { .events = (uint32_t)num(3), .data.u64 = (uint64_t)num(4) };

	result(epoll_ctl(fd_arg(1), op, fd_arg(2), &event), "");
}

static void do_raw_epoll_add(void)
{
	struct epoll_event event = { .events = (uint32_t)num(3), .data.u64 = (uint64_t)num(4) };

	result(syscall(SYS_epoll_ctl, fd_arg(1), EPOLL_CTL_ADD, fd_arg(2), &event), "");
}

static void do_poll(void)
{
	struct pollfd p = { .fd = fd_arg(1), .events = POLLIN };
	char text[32];
	int r = poll(&p, 1, (int)num(2));

	snprintf(text, sizeof(text), "%#x", p.revents);
	result(r, text);
}

static void do_select(void)
{
	struct timeval timeout = { .tv_sec = num(2) };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd_arg(1), &set);
	result(select(fd_arg(1) + 1, &set, NULL, NULL, &timeout), "");
}

/* Uses up every descriptor: prints how many were left. */
static void do_fill(void)
{
	long n = 0;

	while (dup(STDIN_FILENO) >= 0)
		n++;
	errno = UNTOUCHED;
	result(n, "");
}

/* The child goes on with the script. The parent waits for it, or leaves it ("fork away"). */
static void do_fork(void)
{
	pid_t pid = fork();
	int status;

	if (pid > 0) {
		if (n_words > 1)
			_exit(0);
		(void)waitpid(pid, &status, 0);
		_exit(0);
	}
	result(pid, "");
}

/* A child closes FD, and then all it has, and ends. The parent goes on. */
static void do_forkclose(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		(void)close(fd_arg(1));
		closefrom(0);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	result(status, "");
}

static void do_vfork(void)
{
	char name[] = "true", *argv[] = { name, NULL };
	pid_t pid = vfork();
	int status = -1;

	if (pid == 0) {
		(void)dup2(STDIN_FILENO, fd_arg(1));
		(void)close(fd_arg(1));
		(void)close_range(3, ~0u, 0);
		execve("/bin/true", argv, environ);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	result(status, "");
}

/* The program that was started goes on with the script until its end. */
static int wait_for(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid ? 0 : -1;
}

static int exec_as(const char *how, char *self, char *const argv[], char **envp)
{
	pid_t pid;
	int fd;

	if (!strcmp(how, "execve"))
		return execve(self, argv, envp);
	if (!strcmp(how, "execvpe"))
		return execvpe(self, argv, envp);
	if (!strcmp(how, "execle"))
		return execle(self, self, "an argument", NULL, envp);
	if (!strcmp(how, "syscall"))
		return (int)syscall(SYS_execve, self, argv, envp);
	if (!strcmp(how, "execveat"))
		return execveat(AT_FDCWD, self, argv, envp, 0);
	if (!strcmp(how, "spawn"))
		return posix_spawn(&pid, self, NULL, NULL, argv, envp) ? -1 : wait_for(pid);
	if (!strcmp(how, "spawnp"))
		return posix_spawnp(&pid, self, NULL, NULL, argv, envp) ? -1 : wait_for(pid);
	if (!strcmp(how, "fexecve")) {
		fd = open(self, O_RDONLY | O_CLOEXEC);
		return fexecve(fd, argv, envp);
	}
	if (!strcmp(how, "vfork")) {
		pid = vfork();
		if (pid == 0) {
			execve(self, argv, envp);
			_exit(127);
		}
		return wait_for(pid);
	}
	/* These take the environment of the process. */
	environ = envp;
	if (!strcmp(how, "execv"))
		return execv(self, argv);
	if (!strcmp(how, "execvp"))
		return execvp(self, argv);
	if (!strcmp(how, "execl"))
		return execl(self, self, "an argument", NULL);
	return execlp(self, self, "an argument", NULL);
}

/* exec [HOW [ENVIRONMENT]]: "inherited", or only what is said here. */
static void do_exec(void)
{
	static char path[] = "PATH=/bin", preload[] = "LD_PRELOAD=libm.so.6",
		    none[] = "BROKER_TOKEN=";
	char *clean[] = { path, NULL }, *own[] = { path, preload, NULL };
	char *without[] = { path, none, NULL };
	const char *what = n_words > 2 ? words[2] : "inherited";
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *argv[] = { self, NULL };

	self[n > 0 ? n : 0] = '\0';
	result(exec_as(n_words > 1 ? words[1] : "execve", self, argv,
		       !strcmp(what, "clean")	  ? clean
		       : !strcmp(what, "preload") ? own
		       : !strcmp(what, "without") ? without
						  : environ),
	       "");
}

static void do_bind(void)
{
	struct sockaddr_storage ss;
	socklen_t len = make_addr(words[2], num(3), &ss);

	if (n_words > 4)
		len = (socklen_t)num(4);
	result(bind(fd_arg(1), (struct sockaddr *)&ss, len), "");
}

static void do_connect(void)
{
	struct sockaddr_storage ss;
	socklen_t len = make_addr(words[2], num(3), &ss);

	result(connect(fd_arg(1), (struct sockaddr *)&ss, len), "");
}

static void do_bind_unix(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	strncpy(un.sun_path, words[2], sizeof(un.sun_path) - 1);
	result(bind(fd_arg(1), (struct sockaddr *)&un, sizeof(un)), "");
}

static void do_nofile(void)
{
	struct rlimit limit = { .rlim_cur = (rlim_t)num(1), .rlim_max = (rlim_t)num(1) };

	result(setrlimit(RLIMIT_NOFILE, &limit), "");
}

static void do_closeall(void)
{
	for (int fd = 3; fd < 4096; fd++)
		(void)close(fd);
	errno = UNTOUCHED;
	result(0, "");
}

static void do_closefrom(void)
{
	closefrom(fd_arg(1));
	result(0, "");
}

/* A thread that takes a descriptor table of its own closes everything in it, and ends. */
static void *unshare_thread(void *arg)
{
	errno = UNTOUCHED;
	result(close_range(3, ~0u, CLOSE_RANGE_UNSHARE), "");
	return arg;
}

static void do_unshare(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, unshare_thread, NULL) != 0 ||
	    pthread_join(thread, NULL) != 0)
		_exit(3);
}

/* libc's own functions, behind the back of whoever stands before them. */
static void do_hiddenclose(void)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	int (*real_close)(int);

	*(void **)&real_close = libc ? dlsym(libc, "close") : NULL;
	result(real_close ? real_close(fd_arg(1)) : -1, "");
}

static void do_hiddendup2(void)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	int (*real_dup2)(int, int);

	*(void **)&real_dup2 = libc ? dlsym(libc, "dup2") : NULL;
	result(real_dup2 ? real_dup2(fd_arg(1), fd_arg(2)) : -1, "");
}

/* sendfd FD TO: over the Unix socket FD. */
static void do_sendfd(void)
{
	char byte = 0;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd = fd_arg(2);

	*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(fd));
	result(sendmsg(fd_arg(1), &msg, 0), "");
}

static void do_socketpair(void)
{
	char text[16];
	int fds[2], r = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);

	snprintf(text, sizeof(text), "%d", fds[1]);
	result(r < 0 ? r : fds[0], text);
}

/* Takes a descriptor sent over the Unix socket FD. */
static void do_recvfd(void)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(fd_arg(1), &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	result(fd, "");
}

/* Says so at once: the test knows then that the call which blocks was interrupted. */
static void on_signal(int sig)
{
	(void)sig;
	if (write(STDOUT_FILENO, "signal\n", 7) != 7)
		_exit(3);
}

/* A handler without SA_RESTART and an alarm: what blocks next sees EINTR. */
static void do_interrupt(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	(void)sigaction(SIGALRM, &sa, NULL);
	result(alarm((unsigned)num(1)), "");
}

static void do_deathsig(void)
{
	int sig = -1;

	(void)prctl(PR_GET_PDEATHSIG, &sig);
	result(sig, "");
}

static void do_read(void)
{
	char buf[256] = "";
	ssize_t n = read(fd_arg(1), buf, sizeof(buf) - 1);

	result(n, buf);
}

static int command(const char *name)
{
	if (!strcmp(name, "socket"))
		result(socket((int)num(1), (int)num(2), 0), "");
	else if (!strcmp(name, "bind"))
		do_bind();
	else if (!strcmp(name, "bindunix"))
		do_bind_unix();
	else if (!strcmp(name, "listen"))
		result(listen(fd_arg(1), 128), "");
	else if (!strcmp(name, "connect"))
		do_connect();
	else if (!strcmp(name, "accept"))
		do_accept(0);
	else if (!strcmp(name, "rawaccept"))
		do_accept(1);
	else if (!strcmp(name, "threadaccept"))
		do_thread_accept();
	else if (!strcmp(name, "sockname"))
		do_name(sockname);
	else if (!strcmp(name, "peername"))
		do_name(peername);
	else if (!strcmp(name, "getopt"))
		do_getopt();
	else if (!strcmp(name, "setopt"))
		do_setopt();
	else if (!strcmp(name, "shutdown"))
		result(shutdown(fd_arg(1), (int)num(2)), "");
	else if (!strcmp(name, "close"))
		result(close(fd_arg(1)), "");
	else if (!strcmp(name, "hiddenclose"))
		do_hiddenclose();
	else if (!strcmp(name, "hiddendup2"))
		do_hiddendup2();
	else if (!strcmp(name, "rawclose"))
		result(syscall(SYS_close, fd_arg(1)), "");
	else if (!strcmp(name, "closerange"))
		result(close_range((unsigned)num(1), (unsigned)num(2), (int)num(3)), "");
	else if (!strcmp(name, "unshare"))
		do_unshare();
	else if (!strcmp(name, "closefrom"))
		do_closefrom();
	else if (!strcmp(name, "closeall"))
		do_closeall();
	else if (!strcmp(name, "dup"))
		result(dup(fd_arg(1)), "");
	else if (!strcmp(name, "dup2"))
		result(dup2(fd_arg(1), fd_arg(2)), "");
	else if (!strcmp(name, "dup3"))
		result(dup3(fd_arg(1), fd_arg(2), (int)num(3)), "");
	else if (!strcmp(name, "dupfd"))
		result(fcntl(fd_arg(1), F_DUPFD, fd_arg(2)), "");
	else if (!strcmp(name, "dupfd64"))
		result(fcntl64(fd_arg(1), F_DUPFD, fd_arg(2)), "");
	else if (!strcmp(name, "getfl"))
		result(fcntl(fd_arg(1), F_GETFL), "");
	else if (!strcmp(name, "setfl"))
		result(fcntl(fd_arg(1), F_SETFL, fd_arg(2)), "");
	else if (!strcmp(name, "getfd"))
		result(fcntl(fd_arg(1), F_GETFD), "");
	else if (!strcmp(name, "epoll"))
		result(epoll_create1(EPOLL_CLOEXEC), "");
	else if (!strcmp(name, "epolladd"))
		do_epoll_ctl(EPOLL_CTL_ADD);
	else if (!strcmp(name, "epolldel"))
		do_epoll_ctl(EPOLL_CTL_DEL);
	else if (!strcmp(name, "rawepolladd"))
		do_raw_epoll_add();
	else if (!strcmp(name, "epollwait"))
		do_epoll_wait();
	else if (!strcmp(name, "poll"))
		do_poll();
	else if (!strcmp(name, "select"))
		do_select();
	else if (!strcmp(name, "nofile"))
		do_nofile();
	else if (!strcmp(name, "fill"))
		do_fill();
	else if (!strcmp(name, "fork"))
		do_fork();
	else if (!strcmp(name, "forkclose"))
		do_forkclose();
	else if (!strcmp(name, "vfork"))
		do_vfork();
	else if (!strcmp(name, "setsid"))
		result(setsid() > 0 ? 0 : -1, "");
	else if (!strcmp(name, "socketpair"))
		do_socketpair();
	else if (!strcmp(name, "sendfd"))
		do_sendfd();
	else if (!strcmp(name, "exec"))
		do_exec();
	else if (!strcmp(name, "recvfd"))
		do_recvfd();
	else if (!strcmp(name, "interrupt"))
		do_interrupt();
	else if (!strcmp(name, "read"))
		do_read();
	else if (!strcmp(name, "write"))
		result(write(fd_arg(1), words[2], strlen(words[2])), "");
	else if (!strcmp(name, "deathsig"))
		do_deathsig();
	else if (!strcmp(name, "uring"))
		result(syscall(425 /* io_uring_setup */, 1, NULL), "");
	else if (!strcmp(name, "pid"))
		result(getpid(), "");
	else
		return -1;
	return 0;
}

/* One byte at a time, without a buffer: what is not read yet belongs to the next process too. */
static int read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(STDIN_FILENO, line + n, 1) == 1) {
		if (line[n] == '\n') {
			line[n] = '\0';
			return 1;
		}
		n++;
	}
	return 0;
}

int main(void)
{
	char line[256];

	signal(SIGPIPE, SIG_IGN);
	while (read_line(line, sizeof(line))) {
		char *save, *word = strtok_r(line, " ", &save);

		for (n_words = 0; word && n_words < MAX_WORDS; word = strtok_r(NULL, " ", &save))
			words[n_words++] = word;
		if (n_words == 0)
			continue;
		if (!strcmp(words[0], "exit"))
			return 0;
		errno = UNTOUCHED;
		if (command(words[0]) < 0) {
			fprintf(stderr, "shim_puppet: %s: unknown\n", words[0]);
			return 2;
		}
	}
	return 0;
}
