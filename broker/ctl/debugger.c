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

static int add(struct debugger *d, const char *word)
{
	char *copy;

	if (d->n >= DEBUGGER_WORDS_MAX)
		return -E2BIG;
	copy = strdup(word);
	if (!copy)
		return -ENOMEM;
	d->argv[d->n++] = copy;
	d->argv[d->n] = NULL;
	return 0;
}

/* @word with each {pid} replaced. */
static int add_replaced(struct debugger *d, const char *word, const char *pid)
{
	STRBUF(text, 4096);
	const char *place;

	for (; (place = strstr(word, PLACE)); word = place + strlen(PLACE)) {
		strbuf_add_bytes(&text, word, (size_t)(place - word));
		strbuf_add(&text, pid);
	}
	strbuf_add(&text, word);
	return text.cut ? -E2BIG : add(d, text.text);
}

static int add_all(struct debugger *d, char *const *words, size_t n, const char *pid)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_replaced(d, words[i], pid);
	return r;
}

static int add_pid_option(struct debugger *d, const char *pid)
{
	int r = add(d, "-p");

	return r < 0 ? r : add(d, pid);
}

/* perf record [OPTION]... [-- COMMAND]: what stands at the end would belong to COMMAND. */
static int build_perf(struct debugger *d, char *const *words, size_t n, const char *pid)
{
	int r = add(d, words[0]);

	if (r == 0)
		r = add(d, n > 1 ? words[1] : "top");
	if (r == 0)
		r = add_pid_option(d, pid);
	return r < 0 || n < 3 ? r : add_all(d, words + 2, n - 2, pid);
}

/* gdbserver [OPTION]... --attach HOST:PORT PID */
static int build_gdbserver(struct debugger *d, char *const *words, size_t n, const char *pid,
			   struct strbuf *error)
{
	bool attach = false, place = false;
	int r = add(d, words[0]);

	for (size_t i = 1; i < n; i++) {
		attach = attach || !strcmp(words[i], "--attach");
		place = place || words[i][0] != '-';
	}
	if (!place) {
		strbuf_add(error, "gdbserver needs HOST:PORT to listen on, such as 127.0.0.1:2345");
		return -EINVAL;
	}
	if (r == 0 && !attach)
		r = add(d, "--attach");
	if (r == 0)
		r = add_all(d, words + 1, n - 1, pid);
	return r < 0 ? r : add(d, pid);
}

/* Tools that must start what they look at. */
static bool cannot_attach(const char *tool)
{
	return !strcmp(tool, "rr") || !strcmp(tool, "valgrind");
}

static int build(char *const *words, size_t n, const char *pid, struct debugger *d,
		 struct strbuf *error)
{
	const char *slash, *tool;
	int r;

	if (n == 0) {
		strbuf_add(error, "no debugger is named: put one behind --");
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++)
		if (strstr(words[i], PLACE))
			return add_all(d, words, n, pid);
	slash = strrchr(words[0], '/');
	tool = slash ? slash + 1 : words[0];
	if (cannot_attach(tool)) {
		strbuf_addf(error,
			    "%s cannot attach to a process that runs; start a worker under it: "
			    "wrap.N in broker.ini, or worker-shim --join",
			    tool);
		return -EINVAL;
	}
	if (!strcmp(tool, "perf"))
		return build_perf(d, words, n, pid);
	if (!strcmp(tool, "gdbserver"))
		return build_gdbserver(d, words, n, pid, error);
	r = add_all(d, words, n, pid);
	return r < 0 ? r : add_pid_option(d, pid);
}

int debugger_build(char *const *words, size_t n, int64_t pid, struct debugger *ret,
		   struct strbuf *error)
{
	struct debugger d = { .n = 0 };
	char text[24];
	int r;

	snprintf(text, sizeof(text), "%" PRId64, pid);
	r = build(words, n, text, &d, error);
	if (r < 0) {
		debugger_free(&d);
		return r;
	}
	*ret = d;
	return 0;
}
