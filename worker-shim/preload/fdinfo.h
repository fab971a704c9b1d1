/*
 * fdinfo.h - reads /proc/self/fd and epoll instances, without what allocates: opendir(), stdio.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One "tfd:" line of /proc/PID/fdinfo/EPFD. */
struct epoll_item {
	int epfd; /* not in the line */
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

/*
 * No descriptor has this number, nor a higher one; -errno. With many of them, to ask for each of
 * those below takes less time than the walk.
 */
int fdinfo_end(void);

/* As the walk, with the numbers of its threads. */
int fdinfo_each_thread(fdinfo_fd_fn *fn, void *arg);

/* What is asked of the registrations of an epoll instance, and for whom. */
struct fdinfo_look {
	int epfd;
	bool (*wants)(int tfd); /* NULL: all */
	void (*fn)(const struct epoll_item *item, void *arg);
	void *arg;
};

/* The file that says them; -1 with errno. */
int fdinfo_open_items(int epfd);

/* Walks them, from where @file is read. There are none if it is no epoll instance. */
void fdinfo_each_item(int file, const struct fdinfo_look *look);
