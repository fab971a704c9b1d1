#include "upgrade.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "control/keep.h"
#include "shadow.h"
#include "state.h"
#include "sys/log.h"
#include "sys/safe_path.h"
#include "worker/command.h"

#define TRIAL_MS 5000
/* What ends soon by itself is waited for, but not for longer. */
#define WAIT_MS 5000
#define STEP_MS 10
#define ANSWER	"adopts:"

/* --- the end of one, unless it is executed ------------------------------------------------- */

void upgrade_deinit(struct upgrade *u)
{
	helper_kill(&u->trial);
	loop_timer_disarm(&u->timer);
	free(u->program);
	u->program = NULL;
}

static void fail(struct upgrade *u, const char *why)
{
	STRBUF(words, sizeof(u->text) + PATH_MAX);

	strbuf_addf(&words, "%s: %s; the broker goes on as it is", u->program, why);
	log_event(LEVEL_ERROR, "upgrade-refused", LOG_STR("program", u->program),
		  LOG_STR("error", why), LOG_MSG("%s", words.text));
	upgrade_deinit(u);
	control_upgraded(&u->run->control, false, words.text);
}

/* --- executed ------------------------------------------------------------------------------ */

/* Returns only if that fails: -errno. */
static int execute(const struct upgrade *u)
{
	_cleanup_fd_ int fd = state_write(u->run, NULL);
	int r;

	if (fd < 0)
		return fd;
	shadow_expect_upgrade(u->run, true);
	r = state_execute(u->run, u->program, fd, false);
	shadow_expect_upgrade(u->run, false);
	return r;
}

/* What has to be over first, in words; NULL: nothing. */
static const char *obstacle(const struct run *run)
{
	const struct broker *b = &run->master.broker;

	if (b->stopping)
		return "the broker is stopping";
	if (control_is_answering(&run->control))
		return "a client of the control socket waits for its answer: try again later";
	if (web_is_answering(&run->web))
		return "a client of metrics or agent_check waits for its answer: try again later";
	if (run->master.names.asker.pid)
		return "users and groups are looked up for a reload: try again when it is under "
		       "way";
	if (!list_empty(&run->rendezvous.due))
		return "a worker is about to listen: try again later";
	if (!starter_is_idle())
		return "a process has just ended: try again later";
	list_for_each (const struct service, s, &b->services, link)
		if (!list_empty(&s->gone))
			return "a worker has just ended: try again later";
	return NULL;
}

static void try_to_execute(struct loop_timer *timer)
{
	struct upgrade *u = container_of(timer, struct upgrade, timer);
	struct loop *loop = &u->run->master.broker.loop;
	const char *why = obstacle(u->run);
	int r = why ? 0 : execute(u);

	if (why && !u->run->master.broker.stopping && loop_now(loop) - u->began_ms < WAIT_MS)
		loop_timer_arm(loop, timer, STEP_MS);
	else
		fail(u, why ? why : strerror(-r));
}

/* --- tried --------------------------------------------------------------------------------- */

enum exit_code upgrade_answer(const struct run *run)
{
	struct strbuf state = STRBUF_GROWS(STATE_MAX);
	unsigned n[KEPT_RUN];
	STRBUF(answer, 1024);

	master_keep(&run->master, &state);
	kept_end(&state);
	if (state.cut)
		return EXIT_CODE_FAILURE;
	state_count(kept_written(&state), n);
	strbuf_add(&answer, ANSWER);
	for (size_t i = 0; i < KEPT_RUN; i++)
		strbuf_addf(&answer, " %u", n[i]);
	strbuf_add(&answer, "\n");
	return write(STDOUT_FILENO, answer.text, answer.len) == (ssize_t)answer.len
		       ? EXIT_CODE_OK
		       : EXIT_CODE_FAILURE;
}

/* Whether it goes on with all that it was given; else adds what it would lose. */
static bool loses_nothing(const struct upgrade *u, const char *answer, struct strbuf *why)
{
	char *at = (char *)(uintptr_t)answer + strlen(ANSWER);

	for (size_t i = 0; i < KEPT_RUN; i++) {
		unsigned long n = strtoul(at, &at, 10);

		if (n >= u->given[i])
			continue;
		strbuf_addf(why, "it would lose a %s: of %u it knows %lu", kept_kind_names[i],
			    u->given[i], n);
		return false;
	}
	return true;
}

static void wrote(struct helper *h, const char *bytes, size_t n)
{
	strbuf_add_bytes(&container_of(h, struct upgrade, trial)->said, bytes, n);
}

static void ended(struct helper *h, int status)
{
	struct upgrade *u = container_of(h, struct upgrade, trial);
	const char *answer = strstr(u->text, ANSWER);
	STRBUF(why, sizeof(u->text) + 128);

	if (status == HELPER_KILLED)
		strbuf_addf(&why, "it did not answer within %d s", TRIAL_MS / 1000);
	else if (WIFSIGNALED(status))
		strbuf_addf(&why, "it crashed when it was tried (signal %d)", WTERMSIG(status));
	else if (!answer)
		strbuf_addf(&why, "it does not do when it is tried (exit status %d)",
			    WEXITSTATUS(status));
	else if (WEXITSTATUS(status))
		strbuf_addf(&why, "it answers, and ends with status %d", WEXITSTATUS(status));
	else if (loses_nothing(u, answer, &why)) {
		u->began_ms = loop_now(&h->broker->loop);
		loop_timer_arm(&h->broker->loop, &u->timer, 0);
		return;
	}
	if (!answer && u->said.len) {
		strbuf_add(&why, ": ");
		strbuf_add_escaped(&why, u->text, strcspn(u->text, "\n"));
	}
	fail(u, why.text);
}

static int try(struct upgrade *u, struct strbuf *error)
{
	_cleanup_free_ char **argv = state_arguments(u->run, (char[]){ "--check-upgrade" }, NULL);
	_cleanup_fd_ int state = state_write(u->run, u->given);
	const struct spawn_request req = {
		.program = u->program,
		.argv = argv,
		.output_fd = -1,
		.socket_fd = state,
		.socket_fds = 1,
		.output_to_status = true,
		.gain = GAIN_NO,
		.nofile = u->run->master.broker.launch.nofile,
	};
	int r = state < 0 ? state : argv ? 0 : -ENOMEM;

	strbuf_init(&u->said, u->text, sizeof(u->text));
	if (r == 0)
		r = helper_spawn(&u->trial, &req, TRIAL_MS, error);
	return r < 0 && !error->len ? strbuf_fail(error, r, "it cannot be tried: %m") : r;
}

/* Whoever may write it would be the broker. */
static int find_program(const char *given, char *ret, struct strbuf *error)
{
	static const char deleted[] = " (deleted)";
	_cleanup_fd_ int fd = -1;
	STRBUF(why, PATH_MAX + 256);
	size_t len;
	ssize_t n;
	int r;

	if (given && (*given != '/' || strlen(given) >= PATH_MAX))
		return strbuf_fail(error, -EINVAL, "%s is no absolute path", given);
	n = given ? (ssize_t)strlen(strcpy(ret, given))
		  : readlink("/proc/self/exe", ret, PATH_MAX - 1);
	if (n < 0)
		return strbuf_fail(error, -errno,
				   "cannot tell what the broker was started from: %m");
	ret[n] = '\0';
	/* Another file has its name. */
	len = (size_t)n;
	if (!given && len > strlen(deleted) && !strcmp(ret + len - strlen(deleted), deleted))
		ret[len - strlen(deleted)] = '\0';
	r = safe_path_open(ret, O_RDONLY, 0, NULL, &fd, &why);
	return r < 0 ? strbuf_fail(error, r, "%s: %s", ret, why.text) : 0;
}

int upgrade_begin(struct upgrade *u, const char *program, struct strbuf *error)
{
	char path[PATH_MAX] = "";
	int r = 0;

	if (u->program)
		r = strbuf_fail(error, -EBUSY, "an upgrade is under way");
	else if (u->run->master.broker.stopping)
		r = strbuf_fail(error, -ESHUTDOWN, "the broker is stopping");
	if (r == 0)
		r = find_program(program, path, error);
	if (r == 0 && !(u->program = strdup(path)))
		r = -ENOMEM;
	if (r == 0)
		r = try(u, error);
	if (r == 0) {
		log_event(LEVEL_INFO, "upgrade", LOG_STR("program", path),
			  LOG_MSG("%s is tried", path));
		return 0;
	}
	log_event(LEVEL_ERROR, "upgrade-refused", LOG_STR("program", path),
		  LOG_STR("error", error->text), LOG_MSG("%s", error->text));
	if (r != -EBUSY)
		upgrade_deinit(u);
	return r;
}

static int asked(struct control *ctl, const char *program, struct strbuf *error)
{
	return upgrade_begin(&container_of(ctl, struct run, control)->upgrade, program, error);
}

void upgrade_init(struct upgrade *u, struct run *run)
{
	u->run = run;
	helper_init(&u->trial, &run->master.broker, NULL);
	u->trial.wrote = wrote;
	u->trial.ended = ended;
	loop_timer_init(&u->timer, try_to_execute);
	run->control.upgrade = asked;
}
