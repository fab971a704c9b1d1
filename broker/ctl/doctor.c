#include "doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/strlist.h"
#include "ctl/doctor_judge.h"
#include "ctl/doctor_process.h"
#include "ctl/doctor_text.h"
#include "ctl/out.h"
#include "sys/proc.h"
#include "sys/spawn.h"

extern char **environ;

#define REPORT_MAX 65536
#define REPORT_S   10
#define ANSWER_MAX (1 << 20)

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

/* Reads @fd until its end. 0 or -errno; -ETIMEDOUT: nothing came for REPORT_S. */
static int read_all(int fd, struct buf *out)
{
	char part[4096];
	ssize_t n;

	do {
		n = read(fd, part, sizeof(part));
		if (n > 0)
			buf_add(out, part, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return out->failed ? -ENOMEM : 0;
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

/* Runs the launcher and adds its report to @out, terminated. 0 or -errno. */
static int run_launcher(char **words, struct buf *out)
{
	_cleanup_fd_ int ours = -1, theirs = -1, status = -1;
	struct spawn_request req = { .program = words[0], .argv = words, .envp = environ };
	const struct timeval patience = { .tv_sec = REPORT_S };
	int ends[2], r;
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
	r = read_all(ours, out);
	if (r < 0)
		(void)spawn_kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	buf_add(out, "", 1);
	return r;
}

/* Asks the launcher about the command in @words. *@ret points into @report. */
static int ask_launcher(char **words, struct buf *report, struct doctor_program *ret,
			struct strbuf *error)
{
	char launcher[PATH_MAX];
	int r;

	if (!find_launcher(launcher))
		return strbuf_fail(error, -ENOENT,
				   "worker-shim is missing: put it beside brokerctl, or "
				   "into " BROKER_LIBEXECDIR);
	words[0] = launcher;
	r = run_launcher(words, report);
	if (r == 0 && !doctor_report_parse(report->bytes, ret))
		r = -EPROTO;
	return r < 0 ? strbuf_fail(error, r, "worker-shim does not answer: %m") : 0;
}

/* --- a process ------------------------------------------------------------------------------- */

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

static void explain_look(pid_t pid, int r, struct strbuf *error)
{
	switch (-r) {
	case ESRCH:
		strbuf_addf(error, "there is no process %d", (int)pid);
		return;
	case EACCES:
	case EPERM:
		strbuf_addf(error,
			    "process %d may not be looked at by this user: ask as its own user, or "
			    "as root",
			    (int)pid);
		return;
	case ENOENT:
		strbuf_addf(error,
			    "process %d runs no program: it has exited, or is a kernel thread",
			    (int)pid);
		return;
	}
	strbuf_addf(error, "cannot inspect process %d: %s", (int)pid, strerror(-r));
}

/*
 * The path of the program. If the file was replaced or deleted, or has another name here, it is the
 * running image in /proc.
 */
static void name_image(const struct doctor_process *p, char ret[PATH_MAX])
{
	struct stat running, file;
	char image[32];

	snprintf(image, sizeof(image), "/proc/%d/exe", (int)p->pid);
	if (p->other_root || stat(p->exe, &file) < 0 || stat(image, &running) < 0 ||
	    file.st_dev != running.st_dev || file.st_ino != running.st_ino)
		strcpy(ret, image);
	else
		strcpy(ret, p->exe);
}

/* --- the command ----------------------------------------------------------------------------- */

static enum ctl_exit answer(const struct doctor_facts *facts, bool json)
{
	struct buf text = BUF_INIT(ANSWER_MAX);
	bool failed;

	if (json)
		doctor_print_json(facts, &text);
	else
		doctor_print_text(facts, &text);
	failed = text.failed;
	out_buf(&text);
	return !failed && doctor_can_serve(facts) ? CTL_OK : CTL_FAILED;
}

enum ctl_exit ctl_doctor(struct ctl *ctl)
{
	_cleanup_free_ char **words = launcher_words(&ctl->request);
	char **running = NULL, **command, image[PATH_MAX];
	struct doctor_facts facts = { .process = NULL };
	struct buf report = BUF_INIT(REPORT_MAX);
	enum ctl_exit code = CTL_FAILED;
	struct doctor_process process;
	STRBUF(error, 1024);
	pid_t pid;
	int r = 0;

	if (!words) {
		out_error("out of memory");
		return CTL_FAILED;
	}
	command = words + LAUNCHER_WORDS;
	facts.command = (const char *const *)command;
	if (is_pid(command, &pid)) {
		r = doctor_look(pid, &process, &running);
		if (r < 0) {
			explain_look(pid, r, &error);
		} else {
			facts.process = &process;
			facts.command = (const char *const *)running;
			name_image(&process, image);
			command[0] = image;
		}
	}
	if (r == 0)
		r = ask_launcher(words, &report, &facts.program, &error);
	if (r < 0)
		out_error("%s", error.text);
	else
		code = answer(&facts, ctl->json);
	strlist_free(running);
	buf_deinit(&report);
	return code;
}
