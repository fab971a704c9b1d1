/*
 * The broker says itself how far it is and how it ends. But it still runs then, and the next broker
 * must find nothing of it: so its processes, and the lock in its run directory, are waited for.
 */
#include "ask.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "handoff_kernel.h"
#include "sys/loop.h"
#include "sys/proc.h"
#include "sys/spawn.h"
#include "sys/unix_socket.h"

/* What has to end. */
enum { THE_BROKER, ITS_PARENT, ITS_LOCK, ENDS };

struct stop {
	struct ask ask;
	pid_t parent;	/* of the process that we talk to, as long as that may be what is meant */
	int ends[ENDS]; /* owned; readable once it has ended; -1: that cannot be seen */
	bool begun;	/* the broker has answered */
	struct strbuf left; /* the last that it said, in words */
};

/* --- its processes and its lock -------------------------------------------------------------- */

static int open_process(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int wait_for_lock(int fd)
{
	return flock(fd, LOCK_SH) < 0;
}

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) > 0;
}

/* flock(2) cannot be polled, so a process of ours waits in it. */
static void watch_lock(struct stop *s, const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	pid_t helper;

	/* The lock of an ended broker may be the next one's by now. */
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    !has_ended(s->ends[THE_BROKER]) && spawn_helper(wait_for_lock, fd, &helper) == 0)
		s->ends[ITS_LOCK] = open_process(helper);
}

/*
 * From the first line: the process that people know as the broker may be the parent of the one that
 * we talk to. In another pid namespace the numbers mean nothing, and only the lock is seen.
 */
static void watch(struct stop *s, const struct json_value *line)
{
	if (json_doc_number(line, "pid") != s->parent)
		fd_closep(&s->ends[ITS_PARENT]);
	if (*json_doc_text(line, "lock"))
		watch_lock(s, json_doc_text(line, "lock"));
}

/* CTL_OK, CTL_INTERRUPTED or CTL_TOO_LONG. */
static enum ctl_exit wait_for_ends(const struct stop *s, int signals)
{
	for (size_t i = 0; i < ENDS; i++) {
		struct pollfd fds[] = { { .fd = s->ends[i], .events = POLLIN },
					{ .fd = signals, .events = POLLIN } };
		int n = s->ends[i] < 0 ? 1 : -1;

		while (n < 0)
			n = poll(fds, ARRAY_SIZE(fds), ask_wait_ms(&s->ask, -1));
		if (n == 0)
			return CTL_TOO_LONG;
		if (fds[1].revents)
			return CTL_INTERRUPTED;
	}
	return CTL_OK;
}

/* --- what is shown --------------------------------------------------------------------------- */

static void show_progress(const struct stop *s)
{
	struct strbuf text = STRBUF_GROWS(4096);
	struct screen screen = out_screen(&text);
	struct text_line line = text_begin(&screen, 0);
	STRBUF(age, 32);

	/* The last column stays free: some terminals would wrap the line. */
	line.width--;
	text_add_age(&age, loop_clock_ms() - s->ask.began_ms);
	text_addf(&line, TEXT_PLAIN, "the broker stops  %s  %s", age.text, s->left.text);
	out_progress(&text);
}

static void take_line(struct ask *ask, const struct json_value *line)
{
	struct stop *s = container_of(ask, struct stop, ask);
	const char *message = json_doc_text(line, "message");

	if (json_doc_is(line, "type", "stopping")) {
		if (!s->begun)
			watch(s, line);
		s->begun = true;
		ask->is_patient = true;
		strbuf_deinit(&s->left);
		(void)text_expand(&s->left,
				  "workers left: $workers{, open connections: $connections}"
				  "{, the first is $worker}",
				  line);
		if (*message && !ask->ctl->json)
			out_error_from(message);
	}
	if (s->begun && !ask->ctl->json && out_is_terminal())
		show_progress(s);
}

/* --- the command ----------------------------------------------------------------------------- */

/* Which broker it is must be known before it may be gone. */
static void meet(struct stop *s, const struct client *client)
{
	struct unix_peer peer;

	if (unix_peer_get(client->fd, &peer) < 0)
		return;
	s->ends[THE_BROKER] = peer.pidfd;
	s->parent = proc_stat(peer.pid).parent;
	if (s->parent > 1)
		s->ends[ITS_PARENT] = open_process(s->parent);
}

static void leave(struct stop *s)
{
	if (s->ends[ITS_LOCK] >= 0)
		(void)spawn_kill_pidfd(s->ends[ITS_LOCK], SIGKILL);
	for (size_t i = 0; i < ENDS; i++)
		fd_closep(&s->ends[i]);
	strbuf_deinit(&s->left);
}

static enum ctl_exit stop_broker(struct ctl *ctl)
{
	const struct request_value *timeout = request_option(&ctl->request, "--timeout");
	_cleanup_fd_ int signals = -1;
	int64_t until_ms = timeout->text ? loop_clock_ms() + timeout->number : 0;
	struct stop s = {
		.ask = { .line = take_line, .ends_at_interrupt = true, .until_ms = until_ms },
		.ends = { -1, -1, -1 },
		.left = STRBUF_GROWS(1024)
	};
	enum ctl_exit code = ask_connect(ctl), waited;
	STRBUF(late, 512);

	if (code != CTL_OK)
		return code;
	meet(&s, &ctl->client);
	code = ask_run(&s.ask, ctl);
	if (!s.begun) /* of an older version: its parent may be anybody */
		fd_closep(&s.ends[ITS_PARENT]);
	/* Killed in the middle: that was said. */
	if (code == CTL_NO_BROKER && s.begun)
		code = CTL_UNFINISHED;
	if (code == CTL_OK || code == CTL_UNFINISHED) {
		signals = ask_signals(&(int){ SIGINT }, 1);
		waited = wait_for_ends(&s, signals);
		if (waited != CTL_OK)
			code = waited;
		else if (!ctl->json)
			out_text("the broker has ended\n");
	}
	strbuf_addf(&late, "the broker has not ended within %s, and goes on stopping; %s",
		    timeout->text ? timeout->text : "",
		    s.left.len ? s.left.text : "it has said nothing");
	if (code == CTL_TOO_LONG)
		out_error_from(late.text);
	else if (code == CTL_INTERRUPTED)
		out_error("the stop continues in the broker; brokerctl status shows it");
	leave(&s);
	return code;
}

enum ctl_exit ctl_stop(struct ctl *ctl)
{
	bool waits = !ctl->request.arguments[0].text && !request_has(&ctl->request, "--no-wait");

	return waits ? stop_broker(ctl) : ctl_show(ctl);
}
