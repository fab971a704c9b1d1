#include "debugger.h"

#include <inttypes.h>
#include <limits.h>
#include "base/words.h"

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

/* What the kernel does not tell @tool, or tells wrongly. */
static void add_facts(struct line *line, const char *tool, bool filtered, const char *program)
{
	STRBUF(file, PATH_MAX + 16);

	if (program && !strcmp(tool, "gdb")) {
		strbuf_addf(&file, "file '%s'", program);
		add(line, "-iex");
		add(line, "set exec-file-mismatch off");
		add(line, "-iex");
		add(line, file.text);
	}
	if (filtered && !strcmp(tool, "gdb")) {
		add(line, "-ex");
		add(line, "handle SIGSYS nostop noprint pass");
	} else if (filtered && !strcmp(tool, "lldb")) {
		add(line, "-o");
		add(line, "process handle -s false -n false -p true SIGSYS");
	}
}

int debugger_build(char *const *words, int64_t pid, bool filtered, const char *program, char ***ret,
		   struct strbuf *error)
{
	const char *tool = words && words[0] ? words_base(words[0]) : "";
	bool perf = !strcmp(tool, "perf"), gdbserver = !strcmp(tool, "gdbserver");
	bool placed = false, attach = false, address = false;
	STRBUF(number, 24);
	struct line line = { .pid = number.text };

	strbuf_addf(&number, "%" PRId64, pid);
	if (!*tool)
		return strbuf_fail(error, -EINVAL, "no debugger is named: put one after --");
	for (char *const *word = words; *word; word++) {
		placed = placed || strstr(*word, PLACE);
		attach = attach || !strcmp(*word, "--attach");
		address = address || (word > words && **word != '-');
	}
	/* These must start the program themselves. */
	if (!placed && words_have("rr valgrind", tool))
		return strbuf_fail(error, -EINVAL,
				   "%s cannot attach to a running process; start a worker under "
				   "it: wrap.N in broker.ini, or worker-shim --join",
				   tool);
	if (!placed && gdbserver && !address)
		return strbuf_fail(error, -EINVAL,
				   "gdbserver needs HOST:PORT to listen on, such as "
				   "127.0.0.1:2345");
	add(&line, *words++);
	add_facts(&line, tool, filtered, program);
	/* gdbserver [OPTION]... --attach HOST:PORT PID */
	if (!placed && gdbserver && !attach)
		add(&line, "--attach");
	/* perf record [OPTION]... [-- COMMAND]: an option at the end would belong to COMMAND. */
	if (!placed && perf) {
		add(&line, *words ? *words++ : "top");
		add(&line, "-p");
		add(&line, PLACE);
	}
	while (*words)
		add(&line, *words++);
	/* Where all others want the process: -p PID at the end. */
	if (!placed && !perf && !gdbserver)
		add(&line, "-p");
	if (!placed && !perf)
		add(&line, PLACE);
	if (line.error)
		strlist_free(line.words);
	else
		*ret = line.words;
	return line.error;
}
