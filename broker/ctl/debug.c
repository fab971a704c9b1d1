#include "debug.h"

/*
 * The broker holds the worker as long as anybody has this connection open. The debugger inherits
 * it, so the worker stays held until both have ended, whichever is killed first. A debugger that
 * closes its descriptors when it starts, as sudo(8) does, changes nothing. What the broker says
 * meanwhile is read here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/words.h"
#include "ctl/debugger.h"
#include "ctl/out.h"

struct debug {
	int watched_fd; /* the broker's, while the tool runs; -1: at its end */
	struct ctl *ctl;
	const struct json_value *held; /* what the broker says of the worker */
	char state[16];		       /* of it, as the broker last said; empty: still held */
};

/* @words as for text_expand(), about the worker, and before them @tool, if there is one. */
static void say(const struct debug *d, const char *tool, const char *words)
{
	STRBUF(text, 1024);

	strbuf_add(&text, tool);
	(void)text_expand(&text, words, d->held);
	out_error_from(text.text);
}

static void announce(const struct debug *d, char *const *tool)
{
	const char *from = request_option(&d->ctl->request, "--from")->text;
	const char *message = json_doc_text(view_last(&d->ctl->client.view), "message");
	bool alone = json_doc_truth(d->held, "alone");
	STRBUF(command, 4096);

	for (size_t i = 0; tool[i]; i++) {
		strbuf_add(&command, i ? " " : "");
		words_add_quoted(&command, tool[i]);
	}
	say(d, "",
	    alone  ? "process $pid of $worker has a connection, and waits"
	    : from ? "$worker (pid $pid) is held: it gets no connections but yours"
		   : "$worker (pid $pid) is held: it gets no connections; with --from CIDR it "
		     "would still get those of one source");
	if (*message)
		out_error("%s", message);
	if (from && !alone)
		out_error(
			"send your own request from %s: it goes to this worker, and no other does",
			from);
	out_error("starting: %s", command.text);
}

/* --- while the debugger runs --------------------------------------------------------- */

static void read_messages(struct debug *d)
{
	const struct json_value *line;
	int r;

	/* A newer broker may send lines that we do not know. They are passed over. */
	while ((r = client_next(&d->ctl->client)) == 0 || r == -EBADMSG) {
		line = view_last(&d->ctl->client.view);
		if (r < 0 || strcmp(json_doc_text(line, "type"), "debugged") != 0)
			continue;
		snprintf(d->state, sizeof(d->state), "%s", json_doc_text(line, "state"));
		out_error_from(json_doc_text(line, "message"));
	}
	if (r == -EAGAIN)
		return;
	(void)ask_print_failure(d->ctl, r);
	d->watched_fd = -1;
	strcpy(d->state, "unknown");
}

/* Until @pid ends, or there is nothing left to watch. */
static void read_until_end(struct debug *d, pid_t pid)
{
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	while (pidfd >= 0 && d->watched_fd >= 0) {
		struct pollfd fds[2] = { { .fd = pidfd, .events = POLLIN },
					 { .fd = d->watched_fd, .events = POLLIN } };

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		/* In this order: what has ended it may have been told just before. */
		if (fds[1].revents)
			read_messages(d);
		if (fds[0].revents)
			return;
	}
}

static void pass_over(int signal)
{
	(void)signal;
}

/*
 * Runs @argv[0], found through PATH, with our environment, our standard descriptors and all others
 * that are not close-on-exec. It is in our process group, so that the terminal is as much its as
 * ours: what Ctrl-C means is its own business. So SIGINT and SIGQUIT do nothing here from now on,
 * but have a handler: what is ignored would stay so in the tool.
 *
 * 0: it has ended, and *@ret_status is its exit status, or 128 and the number of the signal
 * that ended it. -ENOENT: there is no such program; -errno: it could not be started.
 */
static int run_tool(struct debug *d, char *const *argv, int *ret_status)
{
	const struct sigaction nothing = { .sa_handler = pass_over, .sa_flags = SA_RESTART };
	int status, e;
	pid_t pid;

	/* Before the start: a Ctrl-C meant for it must not find us unprepared. */
	sigaction(SIGINT, &nothing, NULL);
	sigaction(SIGQUIT, &nothing, NULL);
	e = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (e != 0)
		return -e;
	read_until_end(d, pid);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

/*
 * Says what becomes of the worker now. If it has lost its place, another process may have its name
 * by now, so it is called by its process id.
 */
static void say_end(const struct debug *d, const char *tool)
{
	const char *state = d->state;

	if (!strcmp(state, "draining") || !strcmp(state, "stopping"))
		say(d, tool, " has ended; process $pid, which was $worker, is left to end");
	else if (!strcmp(state, "parked"))
		say(d, tool, " has ended; process $pid, which was $worker, is kept for a rollback");
	else if (!json_doc_truth(d->held, "alone") &&
		 (!*state || !strcmp(state, "held") || !strcmp(state, "ready")))
		say(d, tool, " has ended, $worker is released");
	else
		say(d, tool, " has ended");
}

static enum ctl_exit run(struct debug *d, char *const *tool)
{
	int status = 0, r;
	STRBUF(before, 512);

	announce(d, tool);
	d->watched_fd = d->ctl->client.fd;
	(void)fcntl(d->watched_fd, F_SETFD, 0);
	read_messages(d); /* what came with the answer */
	r = run_tool(d, tool, &status);
	if (r == 0) {
		say_end(d, tool[0]);
		return (enum ctl_exit)status;
	}
	strbuf_addf(&before, "cannot start %s: %s", tool[0], strerror(-r));
	if (r == -ENOENT)
		say(d, tool[0],
		    " is not installed, so $worker is released; others can follow --, as gdb, "
		    "lldb, strace, perf, gdbserver or any that takes -p PID");
	else
		say(d, before.text, "; $worker is released");
	return CTL_FAILED;
}

static enum ctl_exit start(struct debug *d)
{
	const struct json_value *v = json_doc_first(json_doc_member(d->held, "command"));
	int64_t pid = json_doc_number(d->held, "pid");
	char *const *words = d->ctl->request.rest;
	char *theirs[JSON_DOC_VALUES_MAX] = { NULL };
	char **tool;
	STRBUF(error, 512);
	enum ctl_exit code;
	int r = 0;

	/* The debug_command of this service. */
	for (size_t i = 0; v; v = json_doc_next(v))
		if (v->kind == JSON_STRING)
			theirs[i++] = (char *)(uintptr_t)v->text;
	if (!words || !words[0]) {
		words = theirs;
		/* Root does not blindly run what another user's broker names. */
		if (geteuid() == 0 && d->ctl->client.peer.uid != 0) {
			out_error(
				"this broker belongs to another user, so root does not run what it "
				"names as its debugger; name one: -- gdb");
			return CTL_USAGE;
		}
	}
	/* The pid comes from outside, and a tool would take 0 or -1 for something else. */
	if (pid <= 1) {
		say(d, "", "$worker has no process");
		return CTL_FAILED;
	}
	r = debugger_build(words, pid, &tool, &error);
	if (r < 0) {
		out_error("%s", error.len ? error.text : strerror(-r));
		return CTL_USAGE;
	}
	code = run(d, tool);
	strlist_free(tool);
	return code;
}

/* There is a process to debug once a client comes, whenever that is. */
static void take_line(struct ask *ask, const struct json_value *line)
{
	if (strcmp(json_doc_text(line, "type"), "waits") != 0)
		return;
	ask->patience_ms = -1;
	out_error("waiting for its next connection%s",
		  json_doc_truth(line, "from") ? " from your source: send your own request"
					       : "; --from CIDR waits for one of that source");
}

enum ctl_exit ctl_debug(struct ctl *ctl)
{
	struct ask ask = { .patience_ms = ASK_PATIENCE_MS, .line = ctl->json ? NULL : take_line };
	enum ctl_exit code = ask_run(&ask, ctl, ctl->words, ctl->n_words);
	const struct view_row *row = view_next(&ctl->client.view, NULL, VIEW_DEBUG, NULL);
	struct debug d = { .ctl = ctl, .held = row ? row->object : NULL };

	return code == CTL_OK && !ctl->json ? start(&d) : code;
}
