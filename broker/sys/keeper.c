#include "keeper.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "base/fd.h"
#include "sys/fdpass.h"
#include "sys/loop.h"

struct kept {
	struct keeper_entry entry;
	int pidfd;
	int output_fd;	 /* -1: none, or at its end */
	int64_t next_ms; /* when the next of the two signals is due */
	bool told;	 /* stop_signal was sent */
};

struct keeper {
	struct kept *v;
	struct pollfd *polls; /* two for each: pidfd, output */
	size_t n;
};

static void forget(struct keeper *k, size_t i)
{
	(void)close(k->v[i].pidfd);
	fd_closep(&k->v[i].output_fd);
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

/* Takes *@output_fd, if the worker lives. False: there is no memory or descriptor for it. */
static bool remember(struct keeper *k, const struct keeper_entry *entry, int *output_fd)
{
	struct pollfd *polls;
	struct kept *v;
	int pidfd;

	forget_pid(k, entry->pid);
	v = array_grow(k->v, k->n, sizeof(*v));
	if (!v)
		return false;
	k->v = v;
	polls = array_grow(k->polls, k->n, 2 * sizeof(*polls));
	if (!polls)
		return false;
	k->polls = polls;
	pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0);
	if (pidfd < 0)
		return errno == ESRCH; /* it has ended */
	k->v[k->n++] =
		(struct kept){ .entry = *entry, .pidfd = pidfd, .output_fd = fd_take(output_fd) };
	return true;
}

/* Listens to the broker until it ends: true. False: an entry cannot be received or remembered. */
static bool follow(struct keeper *k, int sock)
{
	struct fdpass_received got;
	struct keeper_entry entry;
	bool well = true;
	ssize_t n = sizeof(entry);

	while (well && n == (ssize_t)sizeof(entry)) {
		n = fdpass_receive(sock, &entry, sizeof(entry), 0, &got);
		if (n == (ssize_t)sizeof(entry) && entry.pid > 1) {
			if (entry.stop_signal == 0)
				forget_pid(k, entry.pid);
			else
				well = remember(k, &entry, &got.fd);
		}
		fd_closep(&got.fd);
	}
	return well && n == 0;
}

static void signal_worker(struct kept *w, int64_t now)
{
	int sig = w->told ? SIGKILL : w->entry.stop_signal;

	(void)syscall(SYS_pidfd_send_signal, w->pidfd, sig, NULL, 0);
	w->told = true;
	w->next_ms = now + w->entry.stop_ms;
}

static void drop_output(struct kept *w)
{
	char buf[16384];
	ssize_t n = read(w->output_fd, buf, sizeof(buf));

	/* Non-blocking, as the broker had made it. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		fd_closep(&w->output_fd);
}

/* Waits until something happens, at most until @until_ms. */
static void wait_until(struct keeper *k, int64_t until_ms)
{
	int64_t left = until_ms - loop_clock_ms();

	if (left > 60 * MSEC_PER_SEC)
		left = 60 * MSEC_PER_SEC;
	for (size_t i = 0; i < k->n; i++) {
		k->polls[2 * i] = (struct pollfd){ .fd = k->v[i].pidfd, .events = POLLIN };
		k->polls[2 * i + 1] = (struct pollfd){ .fd = k->v[i].output_fd, .events = POLLIN };
	}
	(void)poll(k->polls, 2 * k->n, left > 0 ? (int)left : 0);
}

/* The broker is gone: end each worker in its time. */
static void finish(struct keeper *k)
{
	int64_t now = loop_clock_ms();

	for (size_t i = 0; i < k->n; i++)
		k->v[i].next_ms = now + k->v[i].entry.drain_ms;
	while (k->n) {
		int64_t next = INT64_MAX;

		for (size_t i = 0; i < k->n; i++)
			if (k->v[i].next_ms < next)
				next = k->v[i].next_ms;
		wait_until(k, next);
		now = loop_clock_ms();
		for (size_t i = k->n; i-- > 0;) {
			if (k->polls[2 * i + 1].revents)
				drop_output(&k->v[i]);
			if (k->polls[2 * i].revents)
				forget(k, i);
			else if (k->v[i].next_ms <= now)
				signal_worker(&k->v[i], now);
		}
	}
}

int keeper_run(int sock)
{
	struct keeper k = { 0 };
	bool well;

	(void)prctl(PR_SET_NAME, "broker-keeper");
	well = follow(&k, sock);
	if (well)
		finish(&k);
	while (k.n)
		forget(&k, k.n - 1);
	free(k.v);
	free(k.polls);
	return well ? 0 : 1;
}
