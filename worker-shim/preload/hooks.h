/*
 * hooks.h - the exported functions under the names that they have in C: syscall()
 * hands its calls to them.
 */
#pragma once

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
HOOK(int, fcntl, (int fd, int cmd, ...));
HOOK(int, fcntl64, (int fd, int cmd, ...));
HOOK(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len));
HOOK(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len));
HOOK(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len));
HOOK(int, listen, (int fd, int backlog));
HOOK(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len));
HOOK(int, shutdown, (int fd, int how));
HOOK(long, syscall, (long nr, ...));
HOOK(void, closefrom, (int first));
