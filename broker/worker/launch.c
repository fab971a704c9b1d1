#include "launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "service/service.h"
#include "handoff_name.h"
#include "sys/log.h"
#include "sys/program.h"
#include "sys/spawn.h"
#include "sys/user.h"

extern char **environ;

#define CHECK_MS 10000

/* A list of words that grows; the words are malloc'd. */
struct words {
	char **v; /* NULL-terminated once there is a word */
	size_t n;
	bool failed;
};

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

static void words_deinit(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
}

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

/* Later entries win: what stands in the file replaces what the broker was started with. */
static void add_entry(struct words *env, const char *entry)
{
	for (size_t i = 0; i < env->n; i++)
		if (same_name(env->v[i], entry)) {
			char *copy = strdup(entry);

			if (!copy) {
				env->failed = true;
				return;
			}
			free(env->v[i]);
			env->v[i] = copy;
			return;
		}
	words_add(env, "%s", entry);
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

static void build_environment(const struct user_info *user, const struct service_conf *sc,
			      struct words *env)
{
	const char *path = getenv("PATH");

	words_add(env, "PATH=%s",
		  path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (!sc->clear_environment)
		for (char **e = environ; *e; e++)
			if (!is_ours(*e) && strchr(*e, '='))
				add_entry(env, *e);
	if (user->ids.change && user->name[0]) {
		char text[320];

		snprintf(text, sizeof(text), "HOME=%s", user->home);
		add_entry(env, text);
		snprintf(text, sizeof(text), "USER=%s", user->name);
		add_entry(env, text);
		snprintf(text, sizeof(text), "LOGNAME=%s", user->name);
		add_entry(env, text);
	}
	for (char **e = sc->environment; *e; e++)
		add_entry(env, *e);
}

static const char *value_of(const struct words *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], name, n) && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

/* A wrapper that listens (gdbserver) is not the app: the shim in it must know. */
static void add_wrapper(char *const *wrap, const struct service_conf *sc, struct words *env)
{
	char program[PATH_MAX];

	if (wrap && program_find(wrap[0], value_of(env, "PATH"), sc->directory, program) == 0)
		words_add(env, HANDOFF_ENV_WRAPPER "=%s", program);
}

static void add_worker_environment(const struct worker *w, struct words *env)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";

	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	words_add(env, HANDOFF_ENV_SERVICE "=%s", w->conf->name);
	words_add(env, HANDOFF_ENV_SLOT "=%u", w->slot);
	words_add(env, HANDOFF_ENV_WORKER "=%s", w->name);
	words_add(env, HANDOFF_ENV_GENERATION "=%u", w->generation);
	words_add(env, HANDOFF_ENV_RENDEZVOUS "=%s", w->service->broker->launch.rendezvous);
	words_add(env, HANDOFF_ENV_TOKEN "=%s", token);
	add_private_ports(env, w->conf);
	add_wrapper(conf_find_wrap(w->conf, w->slot), w->conf, env);
}

static void add_all(struct words *argv, char *const *words)
{
	for (; words && *words; words++)
		words_add(argv, "%s", *words);
}

/* @first (NULL: nothing) and then @then, by the launcher. */
static void build_arguments(const struct broker *b, const struct service_conf *sc,
			    char *const *first, char *const *then, bool check, struct words *argv)
{
	words_add(argv, "%s", b->launch.shim);
	words_add(argv, "--library");
	words_add(argv, "%s", b->launch.library);
	words_add(argv, "--status-fd");
	words_add(argv, "%d", SPAWN_STATUS_FD);
	words_add(argv, "--backend");
	words_add(argv, "%s", sc->backend == BACKEND_PRELOAD ? "preload" : "auto");
	if (check)
		words_add(argv, "--check");
	words_add(argv, "--");
	add_all(argv, first);
	add_all(argv, then);
}

/* Where the output of a worker goes: *@ret_child for it, *@ret_ours for us (-1: nothing to read).
 */
static int open_output(const struct service_conf *sc, int *ret_child, int *ret_ours,
		       struct strbuf *error)
{
	int ends[2];

	switch (sc->output) {
	case OUTPUT_INHERIT:
		return 0;
	case OUTPUT_FILE:
		*ret_child = open(sc->output_path,
				  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (*ret_child >= 0)
			return 0;
		strbuf_addf(error, "cannot open output %s: %s", sc->output_path, strerror(errno));
		return -errno;
	case OUTPUT_LOG:
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		*ret_ours = ends[0];
		*ret_child = ends[1];
		/* Ours alone: the worker's end is another open file description. */
		return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	}
	return -EINVAL;
}

static int spawn(const struct broker *b, const struct service_conf *sc, const struct words *argv,
		 const struct words *env, const struct user_info *user, int output_fd,
		 pid_t *ret_pid, int *ret_status_fd)
{
	const struct spawn_request req = {
		.program = b->launch.shim,
		.argv = argv->v,
		.envp = env->v,
		.directory = sc->directory,
		.output_fd = output_fd,
		.ids = &user->ids,
		.nofile = b->launch.nofile,
	};

	if (argv->failed || env->failed)
		return -ENOMEM;
	return spawn_worker(&req, ret_pid, ret_status_fd);
}

int launch(struct worker *w, struct strbuf *error)
{
	struct words argv = { 0 }, env = { 0 };
	_cleanup_fd_ int child_output = -1;
	struct user_info user;
	int r = user_lookup(w->conf->user, w->conf->group, &user, error);

	if (r < 0)
		return r;
	w->uid = user.ids.uid;
	build_arguments(w->service->broker, w->conf, conf_find_wrap(w->conf, w->slot),
			w->conf->command, false, &argv);
	build_environment(&user, w->conf, &env);
	add_worker_environment(w, &env);
	r = open_output(w->conf, &child_output, &w->output_fd, error);
	if (r == 0)
		r = spawn(w->service->broker, w->conf, &argv, &env, &user, child_output, &w->pid,
			  &w->status_fd);
	words_deinit(&argv);
	words_deinit(&env);
	return r;
}

/* Collects the launcher's verdict: all of its status pipe, then its exit. */
static int wait_for_check(pid_t pid, int status_fd, struct strbuf *error)
{
	struct pollfd p = { .fd = status_fd, .events = POLLIN };
	int64_t end = loop_clock_ms() + CHECK_MS;
	int status = 0;
	char buf[512];
	ssize_t n = -1;

	while (loop_clock_ms() < end && n != 0) {
		if (poll(&p, 1, (int)(end - loop_clock_ms())) <= 0)
			continue;
		n = read(status_fd, buf, sizeof(buf));
		if (n > 0)
			strbuf_add_bytes(error, buf, (size_t)n);
	}
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
		strbuf_add(error, "the launcher failed without a word");
	return -EINVAL;
}

static int check(const struct broker *b, const struct service_conf *sc, char *const *words,
		 struct strbuf *error)
{
	struct words argv = { 0 }, env = { 0 };
	struct user_info user;
	_cleanup_fd_ int status_fd = -1;
	_cleanup_fd_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;
	int r = user_lookup(sc->user, sc->group, &user, error);

	if (r < 0)
		return r;
	build_arguments(b, sc, NULL, words, true, &argv);
	build_environment(&user, sc, &env);
	r = spawn(b, sc, &argv, &env, &user, null_fd, &pid, &status_fd);
	words_deinit(&argv);
	words_deinit(&env);
	if (r < 0) {
		strbuf_addf(error, "cannot start the launcher: %s", strerror(-r));
		return r;
	}
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
