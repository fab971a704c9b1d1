/*
 * hooks.h - the exported functions under the names that they have in C, as syscall() calls them.
 */
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>
#include "handoff_wire.h"

struct epoll_event;
struct iovec;
struct timespec;

/* clang-format off */

/* Those that hooks_syscall.c makes of their parameters' names. */
#define HOOKS_ANSWERED(X) \
	X(ssize_t, read, (int fd, void *buf, size_t n), fd, buf, n) \
	X(ssize_t, readv, (int fd, const struct iovec *v, int n), fd, v, n) \
	X(ssize_t, recv, (int fd, void *buf, size_t n, int flags), fd, buf, n, flags) \
	X(ssize_t, recvfrom, (int fd, void *buf, size_t n, int flags, struct sockaddr *from, \
	  socklen_t *len), fd, buf, n, flags, from, len) \
	X(int, recvmmsg, (int fd, struct mmsghdr *v, unsigned n, int flags, \
	  struct timespec *timeout), fd, v, n, flags, timeout) \
	X(ssize_t, splice, (int fd, off_t *at, int to, off_t *to_at, size_t n, unsigned flags), \
	  fd, at, to, to_at, n, flags) \
	X(ssize_t, write, (int fd, const void *buf, size_t n), fd, buf, n) \
	X(ssize_t, writev, (int fd, const struct iovec *v, int n), fd, v, n) \
	X(ssize_t, send, (int fd, const void *buf, size_t n, int flags), fd, buf, n, flags) \
	X(ssize_t, sendto, (int fd, const void *buf, size_t n, int flags, \
	  const struct sockaddr *to, socklen_t len), fd, buf, n, flags, to, len) \
	/* What _FORTIFY_SOURCE makes of the first ones, with the size of the buffer. */ \
	X(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size), fd, buf, n, size) \
	X(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags), \
	  fd, buf, n, size, flags) \
	X(ssize_t, __recvfrom_chk, (int fd, void *buf, size_t n, size_t size, int flags, \
	  struct sockaddr *from, socklen_t *len), fd, buf, n, size, flags, from, len)

#define SPAWN_PARAMETERS \
	(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, \
	 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])

/* Those that hooks_exec.c makes of their parameters' names. */
#define HOOKS_STARTING(X) \
	X(int, execve, (const char *file, char *const argv[], char *const envp[]), \
	  file, argv, envp) \
	X(int, posix_spawn, SPAWN_PARAMETERS, pid, file, actions, attr, argv, envp)

/* The same, in PATH. */
#define HOOKS_SEARCHING(X) \
	X(int, execvpe, (const char *file, char *const argv[], char *const envp[]), \
	  file, argv, envp) \
	X(int, posix_spawnp, SPAWN_PARAMETERS, pid, file, actions, attr, argv, envp)

/* Those that hooks_path.c makes: the name, its directory, the parameters. Two need no macro. */
#define HOOKS_OF_PATHS(X) \
	X(int, chmod, (const char *path, mode_t mode), AT_FDCWD, path, path, mode) \
	X(int, chown, (const char *path, uid_t user, gid_t group), AT_FDCWD, path, \
	  path, user, group) \
	X(int, fchmodat, (int dir, const char *path, mode_t mode, int flags), dir, path, \
	  dir, path, mode, flags) \
	X(int, fchownat, (int dir, const char *path, uid_t user, gid_t group, int flags), dir, path, \
	  dir, path, user, group, flags) \
	X(int, lchown, (const char *path, uid_t user, gid_t group), AT_FDCWD, path, \
	  path, user, group) \
	X(int, remove, (const char *path), AT_FDCWD, path, path) \
	X(int, unlink, (const char *path), AT_FDCWD, path, path) \
	X(int, unlinkat, (int dir, const char *path, int flags), dir, path, dir, path, flags)

/* All that call libc's function of the name (real.h). `syscall` is the last: see real_ready(). */
#define HOOKS(X) \
	HOOKS_ANSWERED(X) \
	HOOKS_STARTING(X) \
	HOOKS_SEARCHING(X) \
	HOOKS_OF_PATHS(X) \
	X(int, accept, (int fd, struct sockaddr *addr, socklen_t *len)) \
	X(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags)) \
	X(int, bind, (int fd, const struct sockaddr *addr, socklen_t len)) \
	X(int, close, (int fd)) \
	X(int, connect, (int fd, const struct sockaddr *addr, socklen_t len)) \
	X(int, dup, (int fd)) \
	X(int, dup2, (int from, int to)) \
	X(int, dup3, (int from, int to, int flags)) \
	X(int, epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event)) \
	X(int, fcntl, (int fd, int cmd, ...)) \
	X(int, fexecve, (int fd, char *const argv[], char *const envp[])) \
	X(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len)) \
	X(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len)) \
	X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len)) \
	X(int, ioctl, (int fd, unsigned long request, ...)) \
	X(int, listen, (int fd, int backlog)) \
	X(int, rename, (const char *from, const char *to)) \
	X(int, renameat, (int from_dir, const char *from, int to_dir, const char *to)) \
	X(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags)) \
	X(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags)) \
	X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len)) \
	X(int, shutdown, (int fd, int how)) \
	X(int, sigaction, (int sig, const struct sigaction *action, struct sigaction *old)) \
	X(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old)) \
	X(long, syscall, (long nr, ...))

/* clang-format on */

/* In C it has another name: a libc declares bind() and friends with unions and redirections. */
#define HOOK(type, name, parameters, ...)                                                          \
	__attribute__((visibility("default"))) type hook_##name parameters __asm__(#name);

HOOKS(HOOK)
HOOK(int, close_range, (unsigned first, unsigned last, int flags))
HOOK(void, closefrom, (int first))
HOOK(int, execl, (const char *path, const char *arg, ...))
HOOK(int, execle, (const char *path, const char *arg, ...))
HOOK(int, execlp, (const char *file, const char *arg, ...))
HOOK(int, execv, (const char *path, char *const argv[]))
HOOK(int, execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags))
HOOK(int, execvp, (const char *file, char *const argv[]))
HOOK(int, fcntl64, (int fd, int cmd, ...))
HOOK(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))

/* hooks_path.c: whether @addr is one of the Unix sockets that the broker has; @ret names it. */
bool find_socket_at(const struct sockaddr *addr, socklen_t len, char ret[HANDOFF_PATH_SIZE]);

/*
 * Whether @addr is a Unix socket of the service on which this process, the first of
 * its worker, has not listened yet. A program that the worker runs is a client like others.
 */
bool is_unserved_path(const struct sockaddr *addr, socklen_t len);
