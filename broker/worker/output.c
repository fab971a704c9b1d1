#include "output.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include "base/fd.h"
#include "sys/log.h"
#include "sys/retire.h"
#include "sys/safe_path.h"
#include "worker/children.h"

/* A program that was started for a connection may start others. */
#define ANCESTORS_MAX 8

static void output_line(void *arg, const char *line, size_t n)
{
	const struct worker *w = arg;
	const struct handoff_process *of = &w->writer;
	char text[LINES_MAX + 1];

	memcpy(text, line, n);
	text[n] = '\0';
	/* Without a key the list ends. */
	log_event(LEVEL_INFO, "output", LOG_STR("worker", w->name),
		  { .key = "text", .kind = LOG_FIELD_MSG, .str = text },
		  LOG_INT(of->pid ? "pid" : NULL, of->pid),
		  LOG_INT(of->conn ? "connection" : NULL, of->conn),
		  LOG_STR("client", address_text(&of->peer).text));
}

/* What comes next was written by @pid, and so belongs to no line that another has begun. */
static void set_writer(struct worker *w, pid_t pid)
{
	pid_t serves = pid;

	lines_finish(&w->lines, output_line, w);
	w->writer = (struct handoff_process){ .pid = 0 };
	for (int i = 0; i < ANCESTORS_MAX && serves > 1; i++) {
		if (worker_children_find(w, serves, &w->writer))
			break;
		serves = proc_stat(serves).parent;
	}
	w->writer.pid = pid;
}

/* As read(2). An inetd worker has a socket, which gives the bytes of one writer at a time. */
static ssize_t receive(struct worker *w, char *buf, size_t size)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred))]; /* none for descriptors */
	} control;
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	struct ucred writer;
	ssize_t n;

	if (!conf_forks(w->conf))
		return read(w->output_fd, buf, size);
	n = recvmsg(w->output_fd, &msg, 0);
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_type == SCM_CREDENTIALS) {
		memcpy(&writer, CMSG_DATA(c), sizeof(writer));
		if (writer.pid != w->writer.pid)
			set_writer(w, writer.pid);
	}
	return n;
}

/*
 * Reads once, and little: a turn of the loop accepts one connection of a listener, so this is
 * what each connection waits for while a worker floods. Short lines cost the most: each becomes
 * an entry of the log. With 16 KiB of them a broker that did 30000 connections a second did 130.
 */
#define OUTPUT_TURN 512

static bool read_output(struct worker *w)
{
	char buf[OUTPUT_TURN];
	ssize_t n = receive(w, buf, sizeof(buf));

	if (n > 0) {
		lines_feed(&w->lines, buf, (size_t)n, output_line, w);
		return true;
	}
	return n < 0 && errno == EINTR;
}

/* All that a pipe holds, and no more: others may go on writing into it. */
static void read_all(struct worker *w)
{
	for (int i = 0; i < (64 << 10) / OUTPUT_TURN && w->output_fd >= 0 && read_output(w); i++)
		;
}

void worker_output_before_end(struct worker *w)
{
	if (w->writer.conn)
		read_all(w);
}

static void output_ready(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, output_source);

	if (!read_output(w) && (events & (EPOLLHUP | EPOLLERR))) {
		loop_remove(worker_loop(w), &w->output_source);
		retire_fd(&w->output_fd);
		lines_finish(&w->lines, output_line, w);
	}
}

/* Its launcher has ended; or there is nothing to read, as it became the app. */
static void read_status(struct worker *w)
{
	size_t have = w->refusal ? strlen(w->refusal) : 0;
	char text[512];
	ssize_t n = read(w->status_fd, text + have, sizeof(text) - 1 - have);

	memcpy(text, w->refusal ? w->refusal : "", have);
	have += n > 0 ? (size_t)n : 0;
	while (have && text[have - 1] == '\n')
		have--;
	text[have] = '\0';
	worker_output_refused(w, text);
}

void worker_output_refused(struct worker *w, const char *text)
{
	free(w->refusal);
	w->refusal = *text ? strdup(text) : NULL;
}

void worker_output_look(struct worker *w)
{
	char buf[2 * LINES_TAIL];
	const char *text = buf;
	struct stat st;
	off_t from;
	ssize_t n;

	if (w->conf->output != OUTPUT_FILE || w->output_fd < 0 || fstat(w->output_fd, &st) < 0)
		return;
	if (st.st_size < w->output_start)
		w->output_start = 0; /* emptied since, to rotate it */
	from = st.st_size - (off_t)sizeof(buf);
	if (from < w->output_start)
		from = w->output_start;
	n = pread(w->output_fd, buf, sizeof(buf), from);
	if (n <= 0)
		return;
	if (from > w->output_start) { /* probably within a line */
		const char *nl = memchr(buf, '\n', (size_t)n);

		text = nl ? nl + 1 : buf;
	}
	lines_deinit(&w->lines);
	/* To be kept: the log is not where it belongs. */
	lines_feed(&w->lines, text, (size_t)(buf + n - text), NULL, NULL);
	lines_finish(&w->lines, NULL, NULL);
}

const char *worker_output_elsewhere(const struct worker *w)
{
	if (w->conf->output == OUTPUT_INHERIT)
		return "the broker's own output";
	return w->conf->output == OUTPUT_FILE && w->output_fd < 0 ? w->conf->output_path : NULL;
}

void worker_output_read_last(struct worker *w)
{
	read_status(w);
	worker_output_look(w);
	if (w->conf->output != OUTPUT_LOG)
		return;
	read_all(w);
	lines_finish(&w->lines, output_line, w);
}

void worker_output_feed(struct worker *w, const char *bytes, size_t n)
{
	lines_feed(&w->lines, bytes, n, output_line, w);
}

void worker_output_init(struct worker *w)
{
	w->status_fd = w->output_fd = -1;
	w->output_source = (struct loop_source){ .fd = -1, .quiet = true, .ready = output_ready };
}

/* It stays open: a file that is moved to rotate it is written on. No FIFO, and no device. */
static void open_to_look(struct worker *w, int child)
{
	char same[32];
	struct stat st;

	if (fstat(child, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	snprintf(same, sizeof(same), "/proc/self/fd/%d", child);
	w->output_start = st.st_size;
	/* If that fails, worker_output_elsewhere() says where it is. */
	w->output_fd = open(same, O_RDONLY | O_CLOEXEC);
}

int worker_output_open(struct worker *w, const struct spawn_ids *ids, int *ret_child,
		       struct strbuf *error)
{
	const struct service_conf *sc = w->conf;
	STRBUF(why, PATH_MAX + 256);
	int ends[2], yes = 1, r;

	switch (sc->output) {
	case OUTPUT_INHERIT:
		return 0;
	case OUTPUT_FILE:
		r = safe_path_open(sc->output_path, O_WRONLY | O_APPEND | O_CREAT, 0640, ids,
				   ret_child, &why);
		if (r < 0)
			return strbuf_fail(error, r, "cannot open output %s: %s", sc->output_path,
					   why.text);
		(void)fcntl(*ret_child, F_SETFL, O_APPEND); /* programs expect it to wait */
		open_to_look(w, *ret_child);
		return 0;
	case OUTPUT_LOG:
		r = conf_forks(sc) ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
				   : pipe2(ends, O_CLOEXEC);
		if (r < 0)
			return -errno;
		w->output_fd = ends[0];
		*ret_child = ends[1];
		/* Ours alone: the worker's end is another open file description. */
		if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ||
		    (conf_forks(sc) &&
		     setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0))
			return -errno;
		return loop_add(worker_loop(w), &w->output_source, w->output_fd, EPOLLIN);
	}
	return -EINVAL;
}

void worker_output_deinit(struct worker *w)
{
	retire_fd(&w->status_fd);
	loop_remove(worker_loop(w), &w->output_source);
	retire_fd(&w->output_fd);
	lines_deinit(&w->lines);
	free(w->refusal);
}
