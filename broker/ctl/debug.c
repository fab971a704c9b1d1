#include "ask.h"

/*
 * The broker holds the worker as long as anybody has this connection open. The debugger inherits
 * it, so the worker stays held until both have ended, whichever is killed first. A debugger that
 * closes its descriptors when it starts, as sudo(8) does, changes nothing. What the broker says
 * meanwhile is read here.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "base/words.h"
#include "config/conf.h"
#include "config/option.h"
#include "ctl/debugger.h"
#include "handoff_kernel.h"
#include "sys/config_file.h"
#include "sys/proc.h"
#include "sys/safe_path.h"

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

	words_add_command(&command, tool);
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
		if (r < 0 || !json_doc_is(line, "type", "debugged"))
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

	if (words_have("draining stopping", state))
		say(d, tool, " has ended; process $pid, which was $worker, is left to end");
	else if (!strcmp(state, "parked"))
		say(d, tool, " has ended; process $pid, which was $worker, is kept for a rollback");
	else if (!json_doc_truth(d->held, "alone") && (!*state || words_have("held ready", state)))
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

/*
 * The debug_command of the service as @file has it: from the command line of brokerctl, or in the
 * current directory. Nobody but root and we can have written that. 0 or -errno with @error.
 */
static int read_command(const struct debug *d, const char *file, char ***ret, struct strbuf *error)
{
	const char *worker = json_doc_text(d->held, "worker");
	_cleanup_fd_ int fd = -1;
	struct service_conf *sc;
	struct conf *conf = NULL;
	STRBUF(name, SERVICE_NAME_MAX + 1);
	int r = safe_path_open(file, O_RDONLY, 0, NULL, &fd, error);

	if (r == 0)
		r = config_file_load(file, true, NULL, &conf, error);
	if (r < 0)
		return r;
	strbuf_add_bytes(&name, worker, strcspn(worker, "."));
	sc = conf_find_service(conf, name.text);
	r = sc ? strlist_copy(sc->debug_command, ret)
	       : strbuf_fail(error, -ENOENT, "it has no [service:%s]", name.text);
	conf_free(conf);
	return r;
}

/*
 * What is executed is what we have read ourselves: the broker may be of another user, or taken
 * over, and its word for it is only compared. *@ret is strlist_free()'d. 0 or -errno with @error.
 */
static int find_command(const struct debug *d, char ***ret, struct strbuf *error)
{
	const struct json_value *v = json_doc_first(json_doc_member(d->held, "command"));
	const struct option *option = option_find(OPTION_SERVICE, "debug_command");
	const char *file = d->ctl->client.file;
	STRBUF(named, 1024);
	STRBUF(why, CONF_ERROR_BYTES);
	char **theirs = NULL;
	int r = file ? read_command(d, file, ret, &why) : -ENOENT, added = 0;

	if (r == 0)
		return 0;
	for (; v && added == 0; v = json_doc_next(v))
		added = strlist_append(&theirs, v->kind == JSON_STRING ? v->text : "");
	words_add_command(&named, theirs);
	if (added == 0 && !strcmp(named.text, option->fallback)) {
		*ret = theirs;
		return 0;
	}
	strlist_free(theirs);
	if (added < 0)
		return added;
	strbuf_addf(error,
		    "the broker names %s as its debugger, and brokerctl executes only what it has "
		    "read itself: name ",
		    named.text);
	if (file)
		strbuf_addf(error, "a tool (-- gdb), as %s does not count: %s", file,
			    why.len ? why.text : strerror(-r));
	else
		strbuf_add(error, "its file with -c, or a tool: -- gdb");
	return -EPERM;
}

/* What worker-shim has loaded, which the kernel takes for worker-shim; NULL: it was executed. */
static const char *loaded_program(pid_t pid, char *text, size_t size)
{
	char *path = NULL;

	if (proc_read_link(pid, "exe", text, size) > 0 &&
	    !strncmp(words_base(text), "worker-shim", strlen("worker-shim")) &&
	    proc_read(pid, "maps", text, size) > 0)
		path = strchr(text, '/'); /* the lowest */
	if (path)
		path[strcspn(path, "\n")] = '\0';
	return path;
}

static enum ctl_exit start(struct debug *d)
{
	char text[2 * PATH_MAX];
	int64_t pid = json_doc_number(d->held, "pid");
	char *const *words = d->ctl->request.rest;
	char **own = NULL, **tool = NULL;
	STRBUF(error, CONF_ERROR_BYTES + 1024);
	enum ctl_exit code;
	int r = 0;

	/* The pid comes from outside, and a tool would take 0 or -1 for something else. */
	if (pid <= 1) {
		say(d, "", "$worker has no process");
		return CTL_FAILED;
	}
	if (!words || !words[0])
		r = find_command(d, &own, &error);
	if (r == 0)
		r = debugger_build(own ? own : words, pid, proc_status((pid_t)pid).filtered,
				   loaded_program((pid_t)pid, text, sizeof(text)), &tool, &error);
	strlist_free(own);
	if (!tool) {
		out_error("%s", error.len ? error.text : strerror(-r));
		return CTL_USAGE;
	}
	code = run(d, tool);
	strlist_free(tool);
	return code;
}

/* There is a process to debug once a client comes, whenever that is; or when others have gone. */
static void take_line(struct ask *ask, const struct json_value *line)
{
	if (json_doc_is(line, "type", "moves"))
		out_error("held; its clients go on with other workers: for 2 s at most, this waits "
			  "for them");
	if (!json_doc_is(line, "type", "waits"))
		return;
	ask->is_patient = true;
	out_error("waiting for its next connection%s",
		  json_doc_truth(line, "from") ? " from your source: send your own request"
					       : "; --from CIDR waits for one of that source");
}

enum ctl_exit ctl_debug(struct ctl *ctl)
{
	struct ask ask = { .line = ctl->json ? NULL : take_line };
	enum ctl_exit code = ask_run(&ask, ctl);
	const struct view_row *row = view_next(&ctl->client.view, NULL, "debug", NULL);
	struct debug d = { .ctl = ctl, .held = row ? row->object : NULL };

	return code == CTL_OK && !ctl->json ? start(&d) : code;
}
