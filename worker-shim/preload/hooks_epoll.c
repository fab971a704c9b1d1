/*
 * hooks_epoll.c - epoll_ctl(): remembers which set a connection is in, for the hooks in hooks_fd.c
 * that close it.
 */
#include "hooks.h"

#include "epollset.h"
#include "owner.h"
#include "real.h"

#include <sys/epoll.h>

int hook_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	real_ready();
	/*
	 * Before the call: another thread may be told of the connection, serve and close it before
	 * this one returns. If the call fails, so will the removal at the end, and nobody minds.
	 */
	if (op == EPOLL_CTL_ADD)
		epollset_add(fd, epfd, owner_pid());
	else if (op == EPOLL_CTL_DEL)
		epollset_remove(fd, epfd);
	return real.epoll_ctl(epfd, op, fd, event);
}
