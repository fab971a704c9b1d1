/*
 * fdinfo.h - reads /proc/self/fd and epoll instances, without what allocates: opendir(), stdio.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One "tfd:" line of /proc/PID/fdinfo/EPFD. */
struct epoll_item {
	int epfd; /* not in the line: filled in by the caller */
	int tfd;
	uint32_t events;
	uint64_t data;
	uint64_t ino;
};

/*
 * Reads one line, without its newline:
 *     tfd:        7 events:       19 data:                7  pos:0 ino:3c0a sdev:8
 * False, with *@ret undefined, if it is another. Pure.
 */
bool fdinfo_parse_epoll(const char *line, struct epoll_item *ret);

/* Called with each open descriptor. */
typedef void fdinfo_fd_fn(int fd, void *arg);

/* Walks the descriptors of this process, except its own directory. 0 or -errno. */
int fdinfo_each_fd(fdinfo_fd_fn *fn, void *arg);

/* The same with the numbers of its threads. */
int fdinfo_each_thread(fdinfo_fd_fn *fn, void *arg);

/* Called with each registration of an epoll instance. */
typedef void fdinfo_item_fn(const struct epoll_item *item, void *arg);

/* Walks the registrations of @epfd. 0, also if it is no epoll instance, or -errno. */
int fdinfo_each_item(int epfd, fdinfo_item_fn *fn, void *arg);
