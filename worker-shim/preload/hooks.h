/*
 * hooks.h - the exported functions under the names that they have in C: syscall()
 * hands its calls to them.
 */
#ifndef SHIM_HOOKS_H
#define SHIM_HOOKS_H

#include <sys/socket.h>

int hook_accept(int fd, struct sockaddr *addr, socklen_t *len);
int hook_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int hook_bind(int fd, const struct sockaddr *addr, socklen_t len);
int hook_close(int fd);
int hook_close_range(unsigned first, unsigned last, int flags);
int hook_connect(int fd, const struct sockaddr *addr, socklen_t len);
int hook_dup(int fd);
int hook_dup2(int from, int to);
int hook_dup3(int from, int to, int flags);
int hook_fcntl(int fd, int cmd, ...);
int hook_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int hook_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int hook_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int hook_listen(int fd, int backlog);
int hook_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int hook_shutdown(int fd, int how);

#endif
