#include "command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "handoff_name.h"
#include "sys/program.h"

extern char **environ;

PRINTF(2, 3) static void words_add(struct launch_words *w, const char *fmt, ...)
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

static void add_all(struct launch_words *argv, char *const *words)
{
	for (; words && *words; words++)
		words_add(argv, "%s", *words);
}

void launch_words_deinit(struct launch_words *w)
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

/* Of each name the last entry stays, in the place of the first. */
static void let_later_ones_win(struct launch_words *env)
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

static void add_private_ports(struct launch_words *env, const struct service_conf *sc)
{
	STRBUF(text, 4096);

	for (size_t i = 0; i < sc->n_private_ports; i++)
		strbuf_addf(&text, "%s%u-%u", i ? "," : "", sc->private_ports[i].first,
			    sc->private_ports[i].last);
	if (text.len)
		words_add(env, HANDOFF_ENV_PRIVATE "=%s", text.text);
}

void launch_environment(const struct user_info *user, const struct service_conf *sc,
			struct launch_words *env)
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

static const char *value_of(const struct launch_words *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], name, n) && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

/* A wrapper that listens (gdbserver) is not the app: the shim in it must know. */
static void add_wrapper(char *const *wrap, const struct service_conf *sc, struct launch_words *env)
{
	char program[PATH_MAX];

	if (wrap && program_find(wrap[0], value_of(env, "PATH"), conf_directory(sc), program) == 0)
		words_add(env, HANDOFF_ENV_WRAPPER "=%s", program);
}

static void add_names(const struct worker *w, struct launch_words *env)
{
	words_add(env, HANDOFF_ENV_SERVICE "=%s", w->conf->name);
	words_add(env, HANDOFF_ENV_SLOT "=%u", w->slot);
	words_add(env, HANDOFF_ENV_WORKER "=%s", w->name);
	words_add(env, HANDOFF_ENV_GENERATION "=%u", w->generation);
}

void launch_worker_environment(const struct worker *w, struct launch_words *env)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";

	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	add_names(w, env);
	words_add(env, HANDOFF_ENV_RENDEZVOUS "=%s", w->terms->broker->launch.rendezvous);
	words_add(env, HANDOFF_ENV_TOKEN "=%s", token);
	add_private_ports(env, w->conf);
	add_wrapper(conf_find_wrap(w->conf, w->slot), w->conf, env);
}

void launch_arguments(const struct broker *b, const struct service_conf *sc, char *const *first,
		      char *const *then, bool check, struct launch_words *argv)
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

int launch_spawn(const struct broker *b, const struct service_conf *sc,
		 const struct launch_words *argv, const struct launch_words *env,
		 const struct user_info *user, unsigned slot, int output_fd, pid_t *ret_pid,
		 int *ret_status_fd)
{
	const struct spawn_request req = {
		.program = b->launch.shim,
		.argv = argv->v,
		.envp = env->v,
		.directory = conf_directory(sc),
		.output_fd = output_fd,
		.ids = &user->ids,
		.process = &sc->process,
		.slot = slot,
		.nofile = b->launch.nofile,
	};

	if (argv->failed || env->failed)
		return -ENOMEM;
	return spawn_worker(&req, ret_pid, ret_status_fd);
}

int launch_helper(const struct worker *w, char *const *words, pid_t *ret_pid, int *ret_fd,
		  struct strbuf *error)
{
	struct launch_words env = { 0 };
	char program[PATH_MAX];
	struct user_info user;
	struct spawn_request req = {
		.program = program,
		.argv = words,
		.directory = conf_directory(w->conf),
		.output_fd = -1,
		.output_to_status = true,
		.ids = &user.ids,
		.nofile = w->terms->broker->launch.nofile,
	};
	int r = user_lookup(w->conf->user, w->conf->group, &user, error);

	if (r < 0)
		return r;
	launch_environment(&user, w->conf, &env);
	add_names(w, &env);
	words_add(&env, "BROKER_PID=%d", (int)w->pid);
	req.envp = env.v;
	r = env.failed ? -ENOMEM
		       : program_find(words[0], value_of(&env, "PATH"), conf_directory(w->conf),
				      program);
	if (r == 0)
		r = spawn_worker(&req, ret_pid, ret_fd);
	if (r < 0)
		(void)strbuf_fail(error, r, "cannot execute %s: %m", words[0]);
	launch_words_deinit(&env);
	return r;
}
