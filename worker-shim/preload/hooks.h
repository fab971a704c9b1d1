/*
 * hooks.h - the exported functions under the names that they have in C: syscall()
 * hands its calls to them.
 */
#pragma once

#include <spawn.h>
#include <sys/socket.h>
#include <sys/types.h>

struct epoll_event;
struct iovec;
struct timespec;

/*
 * A hook's C name differs from the name it exports: a libc declares bind() and friends with
 * transparent unions, macros or 64-bit redirections that a second definition would contradict.
 */
#define HOOK(type, name, args)                                                                     \
	__attribute__((visibility("default"))) type hook_##name args __asm__(#name)

HOOK(int, accept, (int fd, struct sockaddr *addr, socklen_t *len));
HOOK(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags));
HOOK(int, bind, (int fd, const struct sockaddr *addr, socklen_t len));
HOOK(int, close, (int fd));
HOOK(int, close_range, (unsigned first, unsigned last, int flags));
HOOK(int, connect, (int fd, const struct sockaddr *addr, socklen_t len));
HOOK(int, dup, (int fd));
HOOK(int, dup2, (int from, int to));
HOOK(int, dup3, (int from, int to, int flags));
HOOK(int, epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event));
HOOK(int, execl, (const char *path, const char *arg, ...));
HOOK(int, execle, (const char *path, const char *arg, ...));
HOOK(int, execlp, (const char *file, const char *arg, ...));
HOOK(int, execv, (const char *path, char *const argv[]));
HOOK(int, execve, (const char *path, char *const argv[], char *const envp[]));
HOOK(int, execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags));
HOOK(int, execvp, (const char *file, char *const argv[]));
HOOK(int, execvpe, (const char *file, char *const argv[], char *const envp[]));
HOOK(int, fexecve, (int fd, char *const argv[], char *const envp[]));
HOOK(int, fcntl, (int fd, int cmd, ...));
HOOK(int, fcntl64, (int fd, int cmd, ...));
HOOK(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len));
HOOK(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len));
HOOK(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len));
HOOK(int, listen, (int fd, int backlog));
HOOK(int, posix_spawn,
     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *attr, char *const argv[], char *const envp[]));
HOOK(int, posix_spawnp,
     (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *attr, char *const argv[], char *const envp[]));
HOOK(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags));
HOOK(ssize_t, read, (int fd, void *buf, size_t n));
HOOK(ssize_t, readv, (int fd, const struct iovec *v, int n));
HOOK(ssize_t, recv, (int fd, void *buf, size_t n, int flags));
HOOK(ssize_t, recvfrom,
     (int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *len));
HOOK(int, recvmmsg, (int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout));
HOOK(ssize_t, splice, (int fd, off_t *at, int to, off_t *to_at, size_t n, unsigned flags));
HOOK(ssize_t, write, (int fd, const void *buf, size_t n));
HOOK(ssize_t, writev, (int fd, const struct iovec *v, int n));
HOOK(ssize_t, send, (int fd, const void *buf, size_t n, int flags));
HOOK(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags));
HOOK(ssize_t, sendto,
     (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t len));
HOOK(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size));
HOOK(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags));
HOOK(ssize_t, __recvfrom_chk,
     (int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from, socklen_t *len));
HOOK(int, ioctl, (int fd, unsigned long request, ...));
HOOK(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len));
HOOK(int, shutdown, (int fd, int how));
HOOK(long, syscall, (long nr, ...));
HOOK(void, closefrom, (int first));
