/*
 * hooks_fd.c - descriptors that are copied, received, closed, and put into epoll sets.
 *
 * A vfork child has descriptors of its own and goes straight to libc: what it closes on the
 * way to exec, ours included, is its own copy.
 */
#include <stdarg.h>
#include <sys/epoll.h>
#include "adopt.h"
#include "handoff_kernel.h"
#include "hooks.h"
#include "moved.h"
#include "shim.h"
#include "slot.h"

#define FLAG_UNSHARE 2 /* CLOSE_RANGE_UNSHARE: musl has no name for it */

/*
 * The app is about to close @fd. What is in no set, or of no concern to the broker any more, is
 * forgotten without a getpid() that asks whose memory this is. The worst that a vfork child can do
 * in this way is that its parent is no better off than without us.
 */
static void leave_set(int fd)
{
	_keep_errno_ int saved = errno;
	uint64_t entry = epollset_of(fd);
	struct epoll_event unused = { 0 };
	int epfd;

	if (entry == EPOLLSET_UNKNOWN)
		return;
	if (entry == EPOLLSET_NONE || epollset_broker_is_done(fd)) {
		epollset_forget(fd);
		moved_wait(fd);
		return;
	}
	if (!owner_is_me())
		return;
	epfd = epollset_take(fd, owner_pid());
	moved_wait(fd);
	/* The set may be closed, and its number be anything by now: then this fails. */
	if (epfd >= 0)
		(void)real.epoll_ctl(epfd, EPOLL_CTL_DEL, fd, &unused);
}

int hook_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	real_ready();
	moved_wait(fd);
	/* Before: another thread may be told of it, serve and close it before this one returns. */
	if (op == EPOLL_CTL_ADD)
		epollset_add(fd, epfd, owner_pid());
	else if (op == EPOLL_CTL_DEL)
		epollset_remove(fd, epfd);
	return real.epoll_ctl(epfd, op, fd, event);
}

int hook_close(int fd)
{
	real_ready();
	if (__builtin_expect(table_mark(fd) != 0, 0) && owner_is_me()) {
		if (slot_hides(fd))
			return refuse(EBADF);
		/* Before the number is free: another thread may be given it at once. */
		slot_mark(fd, 0);
	}
	leave_set(fd);
	return real.close(fd);
}

/*
 * The app is about to copy @fd. A copy keeps a connection in the set, as epoll(7) says: an app may
 * count on it. And what an app has twice stays.
 */
static void keep_here(int fd)
{
	if (epollset_of(fd) == EPOLLSET_UNKNOWN || !owner_is_me())
		return;
	epollset_forget(fd);
	moved_wait(fd);
}

/* @fd was copied to @copy, which now means what @fd means; or the call failed (@copy < 0). */
static int copied(int fd, int copy)
{
	uint16_t mark;

	/* The copy may be for a program to be executed, after the original is closed. */
	adopt_settle(fd);
	mark = table_mark(fd);
	if (copy < 0 || copy == fd ||
	    !(mark | table_mark(copy) | epollset_of(fd) | epollset_of(copy)) || !owner_is_me())
		return copy;
	/* A stale mark must not spread. Only sockets can be checked, and only they matter. */
	if (mark_kind(mark) == MARK_SOCKET && !slot_at(fd))
		mark = 0;
	slot_mark(copy, mark);
	epollset_forget(copy);
	return copy;
}

int hook_dup(int fd)
{
	real_ready();
	if (slot_hides(fd) && owner_is_me())
		return refuse(EBADF);
	keep_here(fd);
	return copied(fd, real.dup(fd));
}

/* Before dup2() and dup3(), with @valid flags. False, with errno: they must not be called. */
static bool make_way(int from, int to, bool valid)
{
	int saved = errno, r = 0;

	if ((table_mark(from) | table_mark(to)) && owner_is_me()) {
		if (slot_hides(from))
			r = -EBADF;
		else if (from != to && slot_hides(to))
			r = slot_move_hidden(to);
	}
	if (r < 0) {
		errno = -r;
		return false;
	}
	if (valid && from != to) {
		if (epollset_of(to) && real.fcntl(from, F_GETFD) >= 0)
			leave_set(to);
		keep_here(from);
	}
	errno = saved;
	return true;
}

int hook_dup2(int from, int to)
{
	real_ready();
	return make_way(from, to, true) ? copied(from, real.dup2(from, to)) : -1;
}

int hook_dup3(int from, int to, int flags)
{
	real_ready();
	return make_way(from, to, !(flags & ~O_CLOEXEC)) ? copied(from, real.dup3(from, to, flags))
							 : -1;
}

/* What stands in the place of a connection has the flags of that. */
static int set_flags(int fd, int cmd, void *arg)
{
	unsigned begun;
	int r;

	do {
		begun = moved_before(fd);
		r = real.fcntl(fd, cmd, arg);
	} while (moved_since(begun));
	return r;
}

/* The argument is an int, a pointer or absent: as wide as it can be, as libc itself reads it. */
int hook_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	real_ready();
	if (cmd == F_SETFL || cmd == F_SETFD)
		return set_flags(fd, cmd, arg);
	if (cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC)
		return real.fcntl(fd, cmd, arg);
	if (slot_hides(fd) && owner_is_me())
		return refuse(EBADF);
	keep_here(fd);
	return copied(fd, real.fcntl(fd, cmd, arg));
}

/* The same call on 64-bit Linux, under the name that glibc's headers may choose. */
int hook_fcntl64(int fd, int cmd, ...) __attribute__((alias("fcntl")));

static void adopt_passed(int *fd)
{
	(void)adopt_fd(*fd);
}

static void settle_passed(int *fd)
{
	adopt_settle(*fd);
}

/* Connections that are about to be another process's, too. */
ssize_t hook_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	real_ready();
	if (shim.active && msg && msg->msg_control)
		(void)handoff_take_rights((struct msghdr *)(uintptr_t)msg, NULL, 0, settle_passed);
	return real.sendmsg(slot_answering(fd), msg, flags);
}

ssize_t hook_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n;

	real_ready();
	n = real.recvmsg(slot_answering(fd), msg, flags);
	if (n >= 0 && shim.active && msg->msg_controllen && owner_is_me()) {
		_keep_errno_ int saved = errno;

		/* An app may ask at once what it got (libuv does): a listening socket, say. */
		if (!rendezvous_is_peer(fd))
			(void)handoff_take_rights(msg, NULL, 0, adopt_passed);
	}
	return n;
}

static int kernel_close_range(unsigned first, unsigned last, int flags)
{
	return (int)real.syscall(SYS_close_range, (long)first, (long)last, (long)flags);
}

/* Closes what lies between our hidden descriptors. */
static int close_around_hidden(unsigned first, unsigned last, int flags)
{
	unsigned end = (unsigned)table_end;

	for (unsigned fd = first; fd < end && fd <= last; fd++) {
		/* A thread that gets a table of its own leaves the others' connections open. */
		if (!(flags & FLAG_UNSHARE))
			leave_set((int)fd);
		/* First, since the end of a listener lets go what was hidden for it. */
		if (table_mark((int)fd) && !slot_hides((int)fd))
			slot_mark((int)fd, 0);
	}
	for (unsigned fd = first; fd < end && fd <= last; fd++) {
		if (!slot_hides((int)fd))
			continue;
		if (fd > first && kernel_close_range(first, fd - 1, flags) < 0)
			return -1;
		first = fd + 1;
	}
	return first <= last ? kernel_close_range(first, last, flags) : 0;
}

int hook_close_range(unsigned first, unsigned last, int flags)
{
	real_ready();
	/* Every other flag closes nothing. */
	if (first > last || (flags & ~FLAG_UNSHARE) || !shim.active || !owner_is_me())
		return kernel_close_range(first, last, flags);
	return close_around_hidden(first, last, flags);
}

void hook_closefrom(int first)
{
	_keep_errno_ int saved = errno;

	(void)hook_close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
}
