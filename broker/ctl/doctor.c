#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "ctl/doctor_facts.h"
#include "ctl/out.h"
#include "sys/loop.h"
#include "sys/proc.h"
#include "sys/spawn.h"

extern char **environ;

#define REPORT_MAX 65536
#define REPORT_MS  10000
#define ANSWER_MAX (1 << 20)

enum doctor_verdict {
	DOCTOR_YES, /* it can be served */
	DOCTOR_NO,  /* it cannot; the answer says why, and what to do */
};

/* Beside this program, as in a build tree, or where `make install` puts it. */
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

/* All that @fd has to say, until its end. 0 or -errno; -ETIMEDOUT. */
static int read_all(int fd, struct buf *out)
{
	int64_t end = loop_clock_ms() + REPORT_MS;
	char part[4096];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - loop_clock_ms();
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;
		ssize_t n;

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno == EINTR)
			continue;
		n = r < 0 ? -1 : read(fd, part, sizeof(part));
		if (n == 0)
			return out->failed ? -ENOMEM : 0;
		if (n > 0)
			buf_add(out, part, (size_t)n);
		else if (errno != EINTR)
			return -errno;
	}
}

/* The words of the launcher: `worker-shim --check --report -- COMMAND...`. */
static char **launcher_words(char *launcher, char *const *command)
{
	static char check[] = "--check", report[] = "--report", end[] = "--";
	char *const first[] = { launcher, check, report, end };
	size_t n = 0;
	char **words;

	while (command[n])
		n++;
	words = calloc(ARRAY_SIZE(first) + n + 1, sizeof(*words));
	if (!words)
		return NULL;
	memcpy(words, first, sizeof(first));
	memcpy(words + ARRAY_SIZE(first), command, n * sizeof(*words));
	return words;
}

/* Runs the launcher and adds its report to @out, terminated. 0 or -errno. */
static int ask_launcher(char *launcher, char *const *command, struct buf *out)
{
	_cleanup_free_ char **words = launcher_words(launcher, command);
	_cleanup_fd_ int ours = -1, theirs = -1, status = -1;
	struct spawn_request req = { .program = launcher, .argv = words, .envp = environ };
	int ends[2], r;
	pid_t pid;

	if (!words)
		return -ENOMEM;
	if (getrlimit(RLIMIT_NOFILE, &req.nofile) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	ours = ends[0];
	theirs = ends[1];
	req.output_fd = theirs;
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

static int examine(char *const *command, struct buf *report, struct doctor_program *ret,
		   struct strbuf *error)
{
	char launcher[PATH_MAX];
	int r;

	if (!find_launcher(launcher)) {
		strbuf_add(error, "worker-shim is missing: it belongs beside brokerctl, or "
				  "into " BROKER_LIBEXECDIR);
		return -ENOENT;
	}
	r = ask_launcher(launcher, command, report);
	if (r == 0 && !doctor_report_parse(report->bytes, ret))
		r = -EPROTO;
	if (r < 0)
		strbuf_addf(error, "worker-shim does not answer: %s", strerror(-r));
	return r;
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
		strbuf_addf(error, "process %d runs no program: it has ended, or is the kernel's",
			    (int)pid);
		return;
	}
	strbuf_addf(error, "cannot look at process %d: %s", (int)pid, strerror(-r));
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

static int answer(struct doctor_facts *facts, char *const *program, bool json, struct buf *out,
		  enum doctor_verdict *ret_verdict, struct strbuf *error)
{
	struct buf report = BUF_INIT(REPORT_MAX);
	int r = examine(program, &report, &facts->program, error);

	if (r == 0) {
		if (json)
			doctor_print_json(facts, out);
		else
			doctor_print_text(facts, out);
		*ret_verdict = doctor_can_serve(facts) ? DOCTOR_YES : DOCTOR_NO;
		if (out->failed) {
			strbuf_add(error, "out of memory");
			r = -ENOMEM;
		}
	}
	buf_deinit(&report);
	return r;
}

/* Its file by name; or the running image itself, where that was replaced or deleted on disk since.
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

static int run_process(pid_t pid, bool json, struct buf *out, enum doctor_verdict *ret_verdict,
		       struct strbuf *error)
{
	_cleanup_free_ struct doctor_process *process = malloc(sizeof(*process));
	_cleanup_free_ char **words = NULL;
	struct doctor_facts facts = { .process = process };
	char image[PATH_MAX], *program[] = { image, NULL };
	int r = process ? doctor_look(pid, process, &words) : -ENOMEM;

	if (r < 0) {
		explain_look(pid, r, error);
		return r;
	}
	facts.command = (const char *const *)words;
	name_image(process, image);
	return answer(&facts, program, json, out, ret_verdict, error);
}

static int doctor_run(char **words, bool json, struct buf *out, enum doctor_verdict *ret_verdict,
		      struct strbuf *error)
{
	struct doctor_facts facts = { .command = (const char *const *)words };
	pid_t pid;

	if (is_pid(words, &pid))
		return run_process(pid, json, out, ret_verdict, error);
	return answer(&facts, words, json, out, ret_verdict, error);
}

/* COMMAND and what stands behind "--", NULL-terminated. NULL: no memory. */
static char **command_words(const struct request *r)
{
	size_t n = 0;
	char **words;

	while (r->rest && r->rest[n])
		n++;
	words = calloc(n + 2, sizeof(*words));
	if (!words)
		return NULL;
	words[0] = strdup(r->arguments[0].text);
	if (!words[0]) {
		free(words);
		return NULL;
	}
	if (n)
		memcpy(words + 1, r->rest, n * sizeof(*words));
	return words;
}

enum ctl_exit ctl_doctor(struct ctl *ctl)
{
	struct buf answer = BUF_INIT(ANSWER_MAX);
	char **words = command_words(&ctl->request);
	enum doctor_verdict verdict = DOCTOR_NO;
	STRBUF(error, 1024);
	int r;

	if (!words) {
		out_error("out of memory");
		return CTL_FAILED;
	}
	r = doctor_run(words, ctl->json, &answer, &verdict, &error);
	free(words[0]);
	free(words);
	if (r < 0) {
		out_error("%s", error.text);
		buf_deinit(&answer);
		return CTL_FAILED;
	}
	out_buf(&answer);
	return verdict == DOCTOR_YES ? CTL_OK : CTL_FAILED;
}
