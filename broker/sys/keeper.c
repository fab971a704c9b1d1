#include "keeper.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "base/fd.h"
#include "sys/loop.h"

struct kept {
	struct keeper_entry entry;
	int pidfd;
	int64_t next_ms; /* when the next of the two signals is due */
	bool told;	 /* stop_signal was sent */
};

struct keeper {
	struct kept *v;
	struct pollfd *polls;
	size_t n, room;
};

static void forget(struct keeper *k, size_t i)
{
	(void)close(k->v[i].pidfd);
	k->v[i] = k->v[--k->n];
}

static void forget_pid(struct keeper *k, int32_t pid)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].entry.pid == pid) {
			forget(k, i);
			return;
		}
}

static int remember(struct keeper *k, const struct keeper_entry *entry)
{
	int pidfd;

	forget_pid(k, entry->pid);
	if (k->n == k->room) {
		size_t room = k->room ? k->room * 2 : 16;
		struct kept *v = realloc(k->v, room * sizeof(*v));
		struct pollfd *polls;

		if (!v)
			return -ENOMEM;
		k->v = v;
		polls = realloc(k->polls, room * sizeof(*polls));
		if (!polls)
			return -ENOMEM;
		k->polls = polls;
		k->room = room;
	}
	pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? 0 : -errno;
	k->v[k->n++] = (struct kept){ .entry = *entry, .pidfd = pidfd };
	return 0;
}

/* While the broker lives: listen to it. Returns at its end. */
static int follow(struct keeper *k, int fd)
{
	struct keeper_entry entry;
	ssize_t n;
	int r;

	for (;;) {
		/* A pipe: writes of this size are atomic, so are reads of it. */
		n = read(fd, &entry, sizeof(entry));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(entry))
			return n == 0 ? 0 : -EIO;
		if (entry.pid <= 1)
			continue;
		if (entry.stop_signal == 0) {
			forget_pid(k, entry.pid);
			continue;
		}
		r = remember(k, &entry);
		if (r < 0)
			return r;
	}
}

static void tell(struct kept *w, int64_t now)
{
	int sig = w->told ? SIGKILL : w->entry.stop_signal;

	(void)syscall(SYS_pidfd_send_signal, w->pidfd, sig, NULL, 0);
	w->told = true;
	w->next_ms = now + w->entry.stop_ms;
}

/* The broker is gone: end each worker in its time. */
static void finish(struct keeper *k)
{
	int64_t now = loop_clock_ms();

	for (size_t i = 0; i < k->n; i++)
		k->v[i].next_ms = now + k->v[i].entry.drain_ms;
	while (k->n) {
		int64_t next = INT64_MAX;

		for (size_t i = 0; i < k->n; i++) {
			k->polls[i] = (struct pollfd){ .fd = k->v[i].pidfd, .events = POLLIN };
			if (k->v[i].next_ms < next)
				next = k->v[i].next_ms;
		}
		next -= now;
		if (next > 60 * MSEC_PER_SEC)
			next = 60 * MSEC_PER_SEC;
		(void)poll(k->polls, k->n, next > 0 ? (int)next : 0);
		now = loop_clock_ms();
		for (size_t i = k->n; i-- > 0;) {
			if (k->polls[i].revents)
				forget(k, i);
			else if (k->v[i].next_ms <= now)
				tell(&k->v[i], now);
		}
	}
}

int keeper_run(int fd, void *arg)
{
	struct keeper k = { 0 };
	int r;

	(void)arg;
	(void)prctl(PR_SET_NAME, "broker-keeper");
	r = follow(&k, fd);
	if (r == 0)
		finish(&k);
	while (k.n)
		forget(&k, k.n - 1);
	free(k.v);
	free(k.polls);
	return r < 0 ? 1 : 0;
}
