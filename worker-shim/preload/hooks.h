/*
 * hooks.h - the exported functions under the names that they have in C: syscall()
 * hands its calls to them.
 */
#pragma once

#include <spawn.h>
#include <sys/socket.h>

struct epoll_event;

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
HOOK(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len));
HOOK(int, shutdown, (int fd, int how));
HOOK(long, syscall, (long nr, ...));
HOOK(void, closefrom, (int first));
