#include "core_dump.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include "policy/core_pattern.h"
#include "sys/path_match.h"
#include "sys/proc.h"

/* Of the first pid namespace, in which %P counts; a constant of the kernel (PROC_PID_INIT_INO). */
#define FIRST_PID_NAMESPACE "pid:[4026531836]"

/* Entries of directories that are looked at: a few milliseconds in which nobody is accepted. */
#define LOOK_MAX 4096

static bool dumps_by_default(int sig)
{
	static const int signals[] = { SIGQUIT, SIGILL,	 SIGTRAP, SIGABRT, SIGBUS,
				       SIGFPE,	SIGSEGV, SIGSYS,  SIGXCPU, SIGXFSZ };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i] == sig)
			return true;
	return false;
}

static bool in_first_pid_namespace(void)
{
	char name[64];

	return proc_read_link(getpid(), "ns/pid", name, sizeof(name)) > 0 &&
	       !strcmp(name, FIRST_PID_NAMESPACE);
}

struct search {
	time_t since, newest;
	struct strbuf *path;
};

/* A file that was there before the worker is not its dump. */
static void look_at(const char *path, void *arg)
{
	struct search *s = arg;
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtime < s->since ||
	    st.st_mtime < s->newest)
		return;
	s->newest = st.st_mtime;
	s->path->text[s->path->len = 0] = '\0';
	strbuf_add(s->path, path);
}

static enum core_place expand(const struct worker *w, struct strbuf *out)
{
	char pattern[256], uses_pid[8], here[PATH_MAX];
	struct utsname host = { .nodename = "" };
	struct core_facts facts = {
		.directory = conf_directory(w->conf),
		.host = host.nodename,
		.pid = w->main_was,
		.global_pid = in_first_pid_namespace() ? w->main_was : 0,
		.signal = WTERMSIG(w->exit_status),
	};

	(void)proc_read_setting("kernel/core_pattern", pattern, sizeof(pattern));
	(void)proc_read_setting("kernel/core_uses_pid", uses_pid, sizeof(uses_pid));
	facts.uses_pid = *uses_pid && *uses_pid != '0';
	if (!facts.directory)
		facts.directory = getcwd(here, sizeof(here));
	(void)uname(&host);
	return core_pattern_expand(pattern, &facts, out);
}

static void explain_none(struct strbuf *out)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0)
		strbuf_add(out, "; no core dump: their size limit is 0 (ulimit -c, "
				"LimitCORE=)");
	else
		strbuf_add(out, "; the kernel wrote no core dump");
}

void core_dump_find(const struct worker *w, struct strbuf *ret_where, struct strbuf *ret_words)
{
	int64_t lived_ms = loop_now(&w->terms->broker->loop) - w->started_ms;
	time_t since = time(NULL) - (time_t)(lived_ms / MSEC_PER_SEC) - 1;
	struct search search = { .since = since, .path = ret_where };
	STRBUF(path, PATH_MAX);
	int r = 0;

	if (!w->exited || !WIFSIGNALED(w->exit_status))
		return;
	if (!WCOREDUMP(w->exit_status)) {
		if (dumps_by_default(WTERMSIG(w->exit_status)))
			explain_none(ret_words);
		return;
	}
	switch (expand(w, &path)) {
	case CORE_NOWHERE:
		break;
	case CORE_FILE:
		look_at(path.text, &search);
		break;
	case CORE_GLOB:
		r = path_match(path.text, LOOK_MAX, look_at, &search);
		break;
	case CORE_PROGRAM:
		strbuf_addf(ret_where, "|%s", path.text);
		strbuf_addf(ret_words, "; core dump given to %s", path.text);
		return;
	case CORE_SOCKET:
		strbuf_addf(ret_where, "@%s", path.text);
		strbuf_addf(ret_words, "; core dump sent to the socket %s", path.text);
		return;
	}
	if (ret_where->len)
		strbuf_addf(ret_words, "; core dump: %s", ret_where->text);
	else if (r == -E2BIG)
		strbuf_addf(ret_words,
			    "; core dumped, as %s, not searched for among more than %d "
			    "files",
			    path.text, LOOK_MAX);
	else
		strbuf_addf(ret_words,
			    "; core dumped, but no file %s is found (the program may have changed "
			    "its directory, or sees other files than the broker)",
			    path.text);
}
