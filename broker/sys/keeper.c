#include "keeper.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "base/fd.h"
#include "sys/pair.h"
#include "sys/loop.h"
#include "sys/rights.h"
#include "sys/spawn.h"

struct keeper {
	struct loop loop;
	struct loop_source broker;
	struct list all; /* kept::link */
	int error;	 /* an errno: an entry cannot be received or remembered */
};

struct kept {
	struct list link; /* keeper::all */
	struct keeper *keeper;
	struct keeper_entry entry;
	int pidfd, output_fd; /* owned; .output_fd -1: none, or at its end */
	struct loop_source process, output;
	struct loop_timer due; /* the next of the two signals */
	bool told;	       /* stop_signal was sent */
};

static void end_if_done(struct keeper *k)
{
	if (k->broker.fd < 0 && list_empty(&k->all)) /* it is gone */
		k->loop.stop = true;
}

static void process_ended(struct loop_source *source, uint32_t events)
{
	struct kept *w = container_of(source, struct kept, process);
	struct keeper *k = w->keeper;

	(void)events;
	loop_remove(&k->loop, &w->process);
	loop_remove(&k->loop, &w->output);
	loop_timer_disarm(&w->due);
	fd_closep(&w->pidfd);
	fd_closep(&w->output_fd);
	list_remove(&w->link);
	free(w);
	end_if_done(k);
}

static void drop_output(struct loop_source *source, uint32_t events)
{
	struct kept *w = container_of(source, struct kept, output);
	char buf[16384];
	ssize_t n = read(w->output_fd, buf, sizeof(buf));

	(void)events;
	/* Non-blocking, as the broker had made it. */
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	loop_remove(&w->keeper->loop, source);
	fd_closep(&w->output_fd);
}

static void signal_due(struct loop_timer *timer)
{
	struct kept *w = container_of(timer, struct kept, due);

	int r = spawn_kill_pidfd(w->pidfd, w->told ? SIGKILL : w->entry.stop_signal);

	/* It has become another user: there is nothing that we could wait for. */
	if (w->told && r == -EPERM) {
		process_ended(&w->process, 0);
		return;
	}
	w->told = true;
	loop_timer_arm(&w->keeper->loop, &w->due, w->entry.stop_ms);
}

/* Takes *@output_fd, if the worker lives. 0, or an errno: it cannot be looked after. */
static int remember(struct keeper *k, const struct keeper_entry *entry, int *output_fd)
{
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0);
	struct kept *w;

	if (pidfd < 0)
		return errno == ESRCH ? 0 : errno; /* it has ended */
	w = calloc(1, sizeof(*w));
	if (!w)
		return ENOMEM;
	w->keeper = k;
	w->entry = *entry;
	w->process = (struct loop_source){ .fd = -1, .ready = process_ended };
	w->output = (struct loop_source){ .fd = -1, .ready = drop_output };
	w->pidfd = fd_take(&pidfd);
	w->output_fd = fd_take(output_fd);
	loop_timer_init(&w->due, signal_due);
	list_append(&k->all, &w->link);
	return -loop_add(&k->loop, &w->process, w->pidfd, EPOLLIN);
}

/* Each worker ends in its time. */
static void broker_ended(struct keeper *k)
{
	loop_remove(&k->loop, &k->broker);
	list_for_each (struct kept, w, &k->all, link) {
		loop_timer_arm(&k->loop, &w->due, w->entry.drain_ms);
		if (w->output_fd >= 0)
			(void)loop_add(&k->loop, &w->output, w->output_fd, EPOLLIN);
	}
	end_if_done(k);
}

static void broker_ready(struct loop_source *source, uint32_t events)
{
	struct keeper *k = container_of(source, struct keeper, broker);
	struct pair_message got;
	struct keeper_entry entry;
	ssize_t n = pair_receive_any(source->fd, &entry, sizeof(entry), MSG_DONTWAIT, &got);

	(void)events;
	if (n == 0) {
		broker_ended(k);
	} else {
		k->error = n != (ssize_t)sizeof(entry) ? EBADMSG
			   : entry.pid > 1	       ? remember(k, &entry, &got.fd)
						       : 0;
		k->loop.stop = k->error;
	}
	fd_closep(&got.fd);
}

int keeper_run(int sock)
{
	struct keeper k = { .broker = { .fd = -1, .ready = broker_ready } };
	int r = rights_gain_none(RIGHT_KILL); /* workers may be of other users */

	list_init(&k.all);
	if (r == 0)
		r = rights_reduce(RIGHT_KILL);
	(void)prctl(PR_SET_NAME, "broker-keeper");
	if (r == 0)
		r = loop_init(&k.loop, NULL, 0, NULL);
	if (r == 0)
		r = loop_add(&k.loop, &k.broker, sock, EPOLLIN);
	if (r < 0)
		return -r;
	loop_run(&k.loop);
	return k.error; /* and so ends the process, with all that it has */
}
