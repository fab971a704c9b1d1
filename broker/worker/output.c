#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "sys/log.h"

static void output_line(void *arg, const char *line, size_t n)
{
	const struct worker *w = arg;
	char text[LINES_MAX + 1];

	memcpy(text, line, n);
	text[n] = '\0';
	log_event(LEVEL_INFO, "output", LOG_STR("worker", w->name),
		  { .key = "text", .kind = LOG_FIELD_MSG, .str = text });
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
	ssize_t n = read(w->output_fd, buf, sizeof(buf));

	if (n > 0) {
		lines_feed(&w->lines, buf, (size_t)n, output_line, w);
		return true;
	}
	return n < 0 && errno == EINTR;
}

static void output_ready(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, output_source);

	if (!read_output(w) && (events & (EPOLLHUP | EPOLLERR))) {
		loop_remove(worker_loop(w), &w->output_source);
		fd_closep(&w->output_fd);
		lines_finish(&w->lines, output_line, w);
	}
}

static void read_status(struct worker *w)
{
	size_t have = strlen(w->refusal);
	ssize_t n;

	while (w->status_fd >= 0 && have < sizeof(w->refusal) - 1 &&
	       (n = read(w->status_fd, w->refusal + have, sizeof(w->refusal) - 1 - have)) > 0) {
		have += (size_t)n;
		w->refusal[have] = '\0';
	}
	while (have && w->refusal[have - 1] == '\n')
		w->refusal[--have] = '\0';
}

static void status_ready(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, status_source);

	read_status(w);
	if (events & (EPOLLHUP | EPOLLERR)) {
		loop_remove(worker_loop(w), &w->status_source);
		fd_closep(&w->status_fd);
	}
}

void worker_output_read_last(struct worker *w)
{
	read_status(w);
	/* All that a pipe holds, and no more: others may go on writing into it. */
	for (int i = 0; i < (64 << 10) / OUTPUT_TURN && w->output_fd >= 0 && read_output(w); i++)
		;
	lines_finish(&w->lines, output_line, w);
}

void worker_output_feed(struct worker *w, const char *bytes, size_t n)
{
	lines_feed(&w->lines, bytes, n, output_line, w);
}

void worker_output_init(struct worker *w)
{
	w->status_fd = w->output_fd = -1;
	w->status_source = (struct loop_source){ .fd = -1, .ready = status_ready };
	w->output_source = (struct loop_source){ .fd = -1, .ready = output_ready };
}

int worker_output_open(struct worker *w, int *ret_child, struct strbuf *error)
{
	const struct service_conf *sc = w->conf;
	int ends[2];

	switch (sc->output) {
	case OUTPUT_INHERIT:
		return 0;
	case OUTPUT_FILE:
		*ret_child = open(sc->output_path,
				  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (*ret_child >= 0)
			return 0;
		strbuf_addf(error, "cannot open output %s: %s", sc->output_path, strerror(errno));
		return -errno;
	case OUTPUT_LOG:
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		w->output_fd = ends[0];
		*ret_child = ends[1];
		/* Ours alone: the worker's end is another open file description. */
		return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	}
	return -EINVAL;
}

int worker_output_watch(struct worker *w)
{
	int r = loop_add(worker_loop(w), &w->status_source, w->status_fd, EPOLLIN);

	if (r == 0 && w->output_fd >= 0)
		r = loop_add(worker_loop(w), &w->output_source, w->output_fd, EPOLLIN);
	return r;
}

void worker_output_deinit(struct worker *w)
{
	loop_remove(worker_loop(w), &w->status_source);
	fd_closep(&w->status_fd);
	loop_remove(worker_loop(w), &w->output_source);
	fd_closep(&w->output_fd);
}
