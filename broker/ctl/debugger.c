#include "debugger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PLACE "{pid}"

void debugger_free(struct debugger *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->argv[i]);
	*d = (struct debugger){ 0 };
}

/* A command line as it grows. After an error nothing more is added. */
struct line {
	struct debugger d;
	char pid[24];
	int error; /* 0, -E2BIG, -ENOMEM */
};

static void add(struct line *line, const char *word)
{
	struct debugger *d = &line->d;

	if (line->error)
		return;
	if (d->n >= DEBUGGER_WORDS_MAX) {
		line->error = -E2BIG;
		return;
	}
	d->argv[d->n] = strdup(word);
	if (d->argv[d->n])
		d->n++;
	else
		line->error = -ENOMEM;
}

/* @words with each {pid} replaced. */
static void add_all(struct line *line, char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *word = words[i], *place;
		STRBUF(text, 4096);

		for (; (place = strstr(word, PLACE)); word = place + strlen(PLACE)) {
			strbuf_add_bytes(&text, word, (size_t)(place - word));
			strbuf_add(&text, line->pid);
		}
		strbuf_add(&text, word);
		if (text.cut && !line->error)
			line->error = -E2BIG;
		add(line, text.text);
	}
}

static void add_pid_option(struct line *line)
{
	add(line, "-p");
	add(line, line->pid);
}

/* perf record [OPTION]... [-- COMMAND]: an option at the end would belong to COMMAND. */
static void build_perf(struct line *line, char *const *words, size_t n)
{
	add(line, words[0]);
	add(line, n > 1 ? words[1] : "top");
	add_pid_option(line);
	if (n > 2)
		add_all(line, words + 2, n - 2);
}

/* gdbserver [OPTION]... --attach HOST:PORT PID */
static int build_gdbserver(struct line *line, char *const *words, size_t n, struct strbuf *error)
{
	bool attach = false, place = false;

	for (size_t i = 1; i < n; i++) {
		attach = attach || !strcmp(words[i], "--attach");
		place = place || words[i][0] != '-';
	}
	if (!place)
		return strbuf_fail(
			error, -EINVAL,
			"gdbserver needs HOST:PORT to listen on, such as 127.0.0.1:2345");
	add(line, words[0]);
	if (!attach)
		add(line, "--attach");
	add_all(line, words + 1, n - 1);
	add(line, line->pid);
	return line->error;
}

static bool has_place(char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(words[i], PLACE))
			return true;
	return false;
}

static int build(struct line *line, char *const *words, size_t n, struct strbuf *error)
{
	const char *slash, *tool;

	if (n == 0)
		return strbuf_fail(error, -EINVAL, "no debugger is named: put one after --");
	slash = strrchr(words[0], '/');
	tool = slash ? slash + 1 : words[0];
	if (has_place(words, n)) {
		add_all(line, words, n);
	} else if (!strcmp(tool, "rr") || !strcmp(tool, "valgrind")) {
		/* These must start the program themselves. */
		strbuf_addf(error,
			    "%s cannot attach to a running process; start a worker under it: "
			    "wrap.N in broker.ini, or worker-shim --join",
			    tool);
		return -EINVAL;
	} else if (!strcmp(tool, "perf")) {
		build_perf(line, words, n);
	} else if (!strcmp(tool, "gdbserver")) {
		return build_gdbserver(line, words, n, error);
	} else {
		add_all(line, words, n);
		add_pid_option(line);
	}
	return line->error;
}

int debugger_build(char *const *words, size_t n, int64_t pid, struct debugger *ret,
		   struct strbuf *error)
{
	struct line line = { .error = 0 };
	int r;

	snprintf(line.pid, sizeof(line.pid), "%" PRId64, pid);
	r = build(&line, words, n, error);
	if (r < 0)
		debugger_free(&line.d);
	else
		*ret = line.d;
	return r;
}
