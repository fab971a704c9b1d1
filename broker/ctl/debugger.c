#include "debugger.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/strlist.h"

#define PLACE "{pid}"

/* A command line as it grows. After an error nothing more is added. */
struct line {
	char **words;
	const char *pid;
	int error; /* 0, -E2BIG, -ENOMEM */
};

/* Adds @word with each {pid} replaced. */
static void add(struct line *line, const char *word)
{
	STRBUF(text, 4096);

	strbuf_add_filled(&text, word, PLACE, line->pid);
	if (!line->error)
		line->error = text.cut ? -E2BIG : strlist_append(&line->words, text.text);
}

static void add_all(struct line *line, char *const *words)
{
	for (; *words; words++)
		add(line, *words);
}

static void add_pid_option(struct line *line)
{
	add(line, "-p");
	add(line, line->pid);
}

/* perf record [OPTION]... [-- COMMAND]: an option at the end would belong to COMMAND. */
static void add_perf(struct line *line, char *const *words)
{
	add(line, words[0]);
	add(line, words[1] ? words[1] : "top");
	add_pid_option(line);
	if (words[1])
		add_all(line, words + 2);
}

/* gdbserver [OPTION]... --attach HOST:PORT PID. False: it has no HOST:PORT. */
static bool add_gdbserver(struct line *line, char *const *words)
{
	bool attach = false, address = false;

	for (char *const *word = words + 1; *word; word++) {
		attach = attach || !strcmp(*word, "--attach");
		address = address || **word != '-';
	}
	add(line, words[0]);
	if (!attach)
		add(line, "--attach");
	add_all(line, words + 1);
	add(line, line->pid);
	return address;
}

static bool has_place(char *const *words)
{
	while (*words && !strstr(*words, PLACE))
		words++;
	return *words != NULL;
}

static int build(struct line *line, char *const *words, struct strbuf *error)
{
	const char *slash = strrchr(words[0], '/');
	const char *tool = slash ? slash + 1 : words[0];

	if (has_place(words)) {
		add_all(line, words);
	} else if (!strcmp(tool, "rr") || !strcmp(tool, "valgrind")) {
		/* These must start the program themselves. */
		return strbuf_fail(error, -EINVAL,
				   "%s cannot attach to a running process; start a worker under "
				   "it: wrap.N in broker.ini, or worker-shim --join",
				   tool);
	} else if (!strcmp(tool, "perf")) {
		add_perf(line, words);
	} else if (!strcmp(tool, "gdbserver")) {
		if (!add_gdbserver(line, words))
			return strbuf_fail(error, -EINVAL,
					   "gdbserver needs HOST:PORT to listen on, such as "
					   "127.0.0.1:2345");
	} else {
		add_all(line, words);
		add_pid_option(line);
	}
	return line->error;
}

int debugger_build(char *const *words, int64_t pid, char ***ret, struct strbuf *error)
{
	STRBUF(number, 24);
	struct line line = { .pid = number.text };
	int r;

	strbuf_addf(&number, "%" PRId64, pid);
	if (!words || !words[0])
		return strbuf_fail(error, -EINVAL, "no debugger is named: put one after --");
	r = build(&line, words, error);
	if (r == 0)
		*ret = line.words;
	else
		strlist_free(line.words);
	return r;
}
