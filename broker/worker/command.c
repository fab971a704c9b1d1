#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "handoff_name.h"
#include "sys/program.h"
#include "sys/user.h"
#include "worker/output.h"

/* The launcher looks at a command for at most so long. */
#define CHECK_MS 10000

/* A list of words that grows; the words are malloc'd. */
struct words {
	char **v; /* NULL-terminated once there is a word */
	size_t n;
	bool failed; /* for want of memory: launch() says so */
};

/* A process that is to be started for a service, as it asks for. */
struct start {
	struct words argv, env;
	struct user_info user;
	struct spawn_request req;
};

/* --- words ------------------------------------------------------------------------------- */

PRINTF(2, 3) static void words_add(struct words *w, const char *fmt, ...)
{
	char **v = realloc(w->v, (w->n + 2) * sizeof(*v));
	va_list ap;
	int n;

	if (!v) {
		w->failed = true;
		return;
	}
	w->v = v;
	va_start(ap, fmt);
	n = vasprintf(&v[w->n], fmt, ap);
	va_end(ap);
	if (n < 0)
		w->failed = true;
	else
		w->n++;
	v[w->n] = NULL;
}

static void add_all(struct words *argv, char *const *words)
{
	for (; words && *words; words++)
		words_add(argv, "%s", *words);
}

static void words_deinit(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
}

static void start_deinit(struct start *s)
{
	words_deinit(&s->argv);
	words_deinit(&s->env);
}
#define _cleanup_start_ __attribute__((cleanup(start_deinit)))

/* --- the environment --------------------------------------------------------------------- */

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return !strncmp(a, b, n) && b[n] == '=';
}

/* What speaks to the broker itself, not to its workers. */
static bool is_ours(const char *entry)
{
	static const char *const prefixes[] = { "BROKER_",	   "LISTEN_PID=",    "LISTEN_FDS=",
						"LISTEN_FDNAMES=", "NOTIFY_SOCKET=", "WATCHDOG_" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(entry, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* Of each name the last entry stays, in the place of the first. */
static void let_later_ones_win(struct words *env)
{
	size_t n = 0;

	for (size_t i = 0; i < env->n; i++) {
		size_t k = 0;

		while (k < n && !same_name(env->v[k], env->v[i]))
			k++;
		if (k < n)
			free(env->v[k]);
		else
			n++;
		env->v[k] = env->v[i];
	}
	while (env->n > n)
		env->v[--env->n] = NULL;
}

static void add_private_ports(struct words *env, const struct service_conf *sc)
{
	STRBUF(text, 4096);

	for (size_t i = 0; i < sc->n_private_ports; i++)
		strbuf_addf(&text, "%s%u-%u", i ? "," : "", sc->private_ports[i].first,
			    sc->private_ports[i].last);
	if (text.len)
		words_add(env, HANDOFF_ENV_PRIVATE "=%s", text.text);
}

static void add_environment(const struct user_info *user, const struct service_conf *sc,
			    struct words *env)
{
	const char *path = getenv("PATH");

	words_add(env, "PATH=%s",
		  path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (!sc->clear_environment)
		for (char **e = environ; *e; e++)
			if (!is_ours(*e) && strchr(*e, '='))
				words_add(env, "%s", *e);
	if (user->ids.change && user->name[0]) {
		words_add(env, "HOME=%s", user->home);
		words_add(env, "USER=%s", user->name);
		words_add(env, "LOGNAME=%s", user->name);
	}
	if (conf_directory(sc))
		words_add(env, "PWD=%s", conf_directory(sc)); /* not where the broker is */
	add_all(env, sc->environment);
	add_all(env, sc->file_environment);
	/* What stands in the file replaces what the broker was started with. */
	let_later_ones_win(env);
}

static const char *value_of(const struct words *env, const char *name)
{
	for (size_t i = 0; i < env->n; i++)
		if (same_name(name, env->v[i]))
			return strchr(env->v[i], '=') + 1;
	return NULL;
}

/* A wrapper that listens (gdbserver) is not the app: the shim in it must know. */
static void add_wrapper(char *const *wrap, const struct service_conf *sc, struct words *env)
{
	char program[PATH_MAX];

	if (wrap && program_find(wrap[0], value_of(env, "PATH"), conf_directory(sc), program) == 0)
		words_add(env, HANDOFF_ENV_WRAPPER "=%s", program);
}

static void add_names(const struct worker *w, struct words *env)
{
	words_add(env, HANDOFF_ENV_SERVICE "=%s", w->conf->name);
	words_add(env, HANDOFF_ENV_SLOT "=%u", w->slot);
	words_add(env, HANDOFF_ENV_WORKER "=%s", w->name);
	words_add(env, HANDOFF_ENV_GENERATION "=%u", w->generation);
}

/* --- started ------------------------------------------------------------------------------- */

/* 0 or -errno with @error. */
static int begin(struct start *s, const struct broker *b, const struct service_conf *sc,
		 struct strbuf *error)
{
	int r = user_lookup(sc->user, sc->group, &s->user, error);

	if (r < 0)
		return r;
	add_environment(&s->user, sc, &s->env);
	s->req.directory = conf_directory(sc);
	s->req.ids = &s->user.ids;
	s->req.nofile = b->launch.nofile;
	s->req.output_fd = -1;
	return 0;
}

/* The launcher, told to execute or only to @check what is added next. */
static void add_launcher(struct start *s, const struct broker *b, const struct service_conf *sc,
			 bool check)
{
	s->req.program = b->launch.shim;
	s->req.process = &sc->process;
	words_add(&s->argv, "%s", b->launch.shim);
	words_add(&s->argv, "--library");
	words_add(&s->argv, "%s", b->launch.library);
	words_add(&s->argv, "--status-fd");
	words_add(&s->argv, "%d", SPAWN_STATUS_FD);
	words_add(&s->argv, "--backend");
	words_add(&s->argv, "%s", sc->backend == BACKEND_PRELOAD ? "preload" : "auto");
	if (check)
		words_add(&s->argv, "--check");
	words_add(&s->argv, "--");
}

/* Returns as spawn_worker(). */
static int launch(struct start *s, pid_t *ret_pid, int *ret_status_fd)
{
	if (s->argv.failed || s->env.failed)
		return -ENOMEM;
	s->req.argv = s->argv.v;
	s->req.envp = s->env.v;
	return spawn_worker(&s->req, ret_pid, ret_status_fd);
}

int launch_worker(struct worker *w, struct strbuf *error)
{
	const struct broker *b = w->terms->broker;
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	char *const *wrap = conf_find_wrap(w->conf, w->slot);
	_cleanup_start_ struct start s = { 0 };
	_cleanup_fd_ int output_fd = -1;
	int r = begin(&s, b, w->conf, error);

	if (r < 0)
		return r;
	w->uid = s.user.ids.uid;
	add_launcher(&s, b, w->conf, false);
	add_all(&s.argv, wrap);
	add_all(&s.argv, w->conf->command);
	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	add_names(w, &s.env);
	words_add(&s.env, HANDOFF_ENV_RENDEZVOUS "=%s", b->launch.rendezvous);
	words_add(&s.env, HANDOFF_ENV_TOKEN "=%s", token);
	add_private_ports(&s.env, w->conf);
	add_wrapper(wrap, w->conf, &s.env);
	s.req.slot = w->slot;
	r = worker_output_open(w, &output_fd, error);
	s.req.output_fd = output_fd;
	return r < 0 ? r : launch(&s, &w->pid, &w->status_fd);
}

int launch_helper(const struct worker *w, char *const *words, pid_t *ret_pid, int *ret_fd,
		  struct strbuf *error)
{
	_cleanup_start_ struct start s = { 0 };
	char program[PATH_MAX];
	int r = begin(&s, w->terms->broker, w->conf, error);

	if (r < 0)
		return r;
	add_names(w, &s.env);
	words_add(&s.env, "BROKER_PID=%d", (int)w->pid);
	add_all(&s.argv, words);
	s.req.program = program;
	s.req.output_to_status = true;
	r = program_find(words[0], value_of(&s.env, "PATH"), conf_directory(w->conf), program);
	if (r == 0)
		r = launch(&s, ret_pid, ret_fd);
	return r < 0 ? strbuf_fail(error, r, "cannot execute %s: %m", words[0]) : 0;
}

/* --- can it be a worker? ------------------------------------------------------------------- */

/* Collects the launcher's verdict: all of its status pipe, then its exit. */
static int wait_for_check(pid_t pid, int status_fd, struct strbuf *error)
{
	struct pollfd p = { .fd = status_fd, .events = POLLIN };
	int64_t end = loop_clock_ms() + CHECK_MS;
	int status = 0;
	char buf[512];
	ssize_t n = -1;

	while (loop_clock_ms() < end && n != 0)
		if (poll(&p, 1, (int)(end - loop_clock_ms())) > 0 &&
		    (n = read(status_fd, buf, sizeof(buf))) > 0)
			strbuf_add_bytes(error, buf, (size_t)n);
	if (n != 0) {
		(void)spawn_kill(pid, SIGKILL);
		strbuf_add(error, "the launcher did not answer");
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	while (error->len && error->text[error->len - 1] == '\n')
		error->text[--error->len] = '\0';
	if (n == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!error->len)
		strbuf_add(error, "the launcher failed without a message");
	return -EINVAL;
}

static int check(const struct broker *b, const struct service_conf *sc, char *const *words,
		 struct strbuf *error)
{
	_cleanup_fd_ int status_fd = -1;
	_cleanup_fd_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_start_ struct start s = { 0 };
	int r = begin(&s, b, sc, error);
	pid_t pid;

	if (r < 0)
		return r;
	add_launcher(&s, b, sc, true);
	add_all(&s.argv, words);
	s.req.output_fd = null_fd;
	r = launch(&s, &pid, &status_fd);
	if (r < 0)
		return strbuf_fail(error, r, "cannot start the launcher: %m");
	return wait_for_check(pid, status_fd, error);
}

/* Each program by itself: a wrapper is executed as an app is, and then executes the app. */
int launch_check(const struct broker *b, const struct service_conf *sc, struct strbuf *error)
{
	STRBUF(reason, 512);
	int r = check(b, sc, sc->command, &reason);

	if (r < 0)
		strbuf_addf(error, "command: %s", reason.text);
	for (size_t i = 0; r == 0 && i < sc->n_wraps; i++) {
		r = check(b, sc, sc->wraps[i].words, &reason);
		if (r < 0)
			strbuf_addf(error, "wrap.%u: %s", sc->wraps[i].slot, reason.text);
	}
	return r;
}
