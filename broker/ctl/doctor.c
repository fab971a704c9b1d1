#include "doctor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "base/strlist.h"
#include "ctl/doctor_process.h"
#include "ctl/doctor_text.h"
#include "ctl/out.h"
#include "sys/proc.h"
#include "sys/spawn.h"

extern char **environ;

#define REPORT_SIZE 65536
#define REPORT_S    10
#define ANSWER_MAX  (1 << 20)

#define LAUNCHER_WORDS 4 /* before the command */

/* It is beside this program, as in a build tree, or where `make install` puts it. */
static bool find_launcher(char ret[PATH_MAX])
{
	static const char name[] = "worker-shim";
	ssize_t n = proc_read_link(getpid(), "exe", ret, PATH_MAX - sizeof(name));
	char *slash = n > 0 ? strrchr(ret, '/') : NULL;

	if (slash) {
		strcpy(slash + 1, name);
		if (access(ret, X_OK) == 0)
			return true;
	}
	strcpy(ret, BROKER_LIBEXECDIR "/worker-shim");
	return access(ret, X_OK) == 0;
}

/*
 * The words of `worker-shim --check --report -- COMMAND [ARGUMENT]...`, NULL-terminated. The first
 * one is for the caller to fill in; those of the command belong to @r. NULL: out of memory.
 */
static char **launcher_words(const struct request *r)
{
	static char check[] = "--check", report[] = "--report", end[] = "--";
	char *const first[] = { NULL, check, report, end, (char *)(uintptr_t)r->arguments[0].text };
	size_t n = 0;
	char **words;

	while (r->rest && r->rest[n])
		n++;
	words = calloc(ARRAY_SIZE(first) + n + 1, sizeof(*words));
	if (!words)
		return NULL;
	memcpy(words, first, sizeof(first));
	if (n)
		memcpy(words + ARRAY_SIZE(first), r->rest, n * sizeof(*words));
	return words;
}

/* Runs the launcher for its report. 0 or -errno; -ETIMEDOUT: nothing came for REPORT_S. */
static int run_launcher(char **words, char ret_report[REPORT_SIZE])
{
	_cleanup_fd_ int ours = -1, theirs = -1, status = -1;
	struct spawn_request req = { .program = words[0], .argv = words, .envp = environ };
	const struct timeval patience = { .tv_sec = REPORT_S };
	int ends[2], r;
	ssize_t n;
	pid_t pid;

	/* A socket, because a pipe has no timeout. */
	if (getrlimit(RLIMIT_NOFILE, &req.nofile) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	ours = ends[0];
	theirs = ends[1];
	req.output_fd = theirs;
	(void)setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	r = spawn_worker(&req, &pid, &status);
	if (r < 0)
		return r;
	fd_closep(&theirs);
	n = fd_read(ours, ret_report, REPORT_SIZE - 1);
	ret_report[n > 0 ? n : 0] = '\0';
	fd_closep(&ours);
	if (n < 0)
		(void)spawn_kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return n == -EAGAIN ? -ETIMEDOUT : n < 0 ? (int)n : 0;
}

/* Asks the launcher about the command in @words, and begins the facts with its report. */
static int ask_launcher(char **words, struct doctor_facts *facts, struct strbuf *error)
{
	char launcher[PATH_MAX], report[REPORT_SIZE];
	int r;

	if (!find_launcher(launcher))
		return strbuf_fail(error, -ENOENT,
				   "worker-shim is missing: put it beside brokerctl, or "
				   "into " BROKER_LIBEXECDIR);
	words[0] = launcher;
	r = run_launcher(words, report);
	if (r == 0 && !doctor_begin_facts(report, facts))
		r = -EPROTO;
	return r < 0 ? strbuf_fail(error, r, "worker-shim does not answer: %m") : 0;
}

static bool is_pid(char *const *words, pid_t *ret)
{
	size_t n = strlen(words[0]);
	long long value;

	if (words[1] || !n || n > 10 || strspn(words[0], "0123456789") != n)
		return false;
	value = strtoll(words[0], NULL, 10);
	*ret = value > 0 && value <= INT32_MAX ? (pid_t)value : 0;
	return true;
}

/* Of the command, or the process whose id it is. 0; -errno with @error. */
static int find_facts(char **words, struct doctor_facts *facts, char ***ret_running,
		      struct strbuf *error)
{
	char **command = words + LAUNCHER_WORDS, image[PATH_MAX];
	bool runs;
	pid_t pid;
	int r = 0;

	runs = is_pid(command, &pid);
	facts->command = (const char *const *)command;
	if (runs) {
		r = doctor_find_process(pid, image, ret_running, error);
		facts->command = (const char *const *)*ret_running;
		command[0] = image;
	}
	if (r == 0)
		r = ask_launcher(words, facts, error);
	if (r == 0 && runs)
		r = doctor_add_process(pid, &facts->json, error);
	else if (r == 0)
		json_null(&facts->json, "process");
	json_close(&facts->json);
	return r;
}

enum ctl_exit ctl_doctor(struct ctl *ctl)
{
	_cleanup_free_ char **words = launcher_words(&ctl->request);
	struct doctor_facts facts = { .own_uid = geteuid(), .json = BUF_INIT(ANSWER_MAX) };
	struct buf text = BUF_INIT(ANSWER_MAX);
	char **running = NULL;
	STRBUF(error, 1024);
	bool served = false;

	if (!words) {
		out_error("out of memory");
	} else if (find_facts(words, &facts, &running, &error) < 0) {
		out_error("%s", error.text);
	} else {
		served = doctor_text(&facts, ctl->json, &text);
		out_buf(&text);
	}
	strlist_free(running);
	buf_deinit(&facts.json);
	return served ? CTL_OK : CTL_FAILED;
}
