#include "environment.h"

#include "base/words.h"
#include "sys/program.h"

const char *environment_path(const struct service_conf *sc)
{
	char *const *lists[] = { sc->environment, sc->file_environment };
	const char *path = getenv("PATH");

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (char *const *entry = lists[i]; entry && *entry; entry++)
			if (!strncmp(*entry, "PATH=", 5))
				path = *entry + 5;
	return path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* What speaks to the broker itself, not to its workers. */
static bool is_ours(const char *entry)
{
	static const char *const prefixes[] = { "BROKER_",	   "LISTEN_PID=",     "LISTEN_FDS=",
						"LISTEN_FDNAMES=", "NOTIFY_SOCKET=",  "WATCHDOG_",
						"EINHORN_",	   "SERVER_STARTER_", "FDSTORE=" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(entry, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* What is made, and the first failure. */
struct made {
	char **list;
	int r;
};

/* The last entry of a name is the one that stays. */
static void put_entry(struct made *env, const char *entry)
{
	size_t name = strcspn(entry, "=") + 1;
	char **e = env->list;

	while (e && *e && strncmp(*e, entry, name) != 0)
		e++;
	if (env->r < 0)
		return;
	if (!e || !*e) {
		env->r = strlist_append(&env->list, entry);
		return;
	}
	free(*e);
	*e = strdup(entry);
	env->r = *e ? 0 : -ENOMEM;
}

PRINTF(2, 3) static void put(struct made *env, const char *fmt, ...)
{
	struct strbuf entry = STRBUF_GROWS(1 << 20);

	strbuf_add_arguments(&entry, fmt);
	if (entry.text && !entry.cut)
		put_entry(env, entry.text);
	else
		env->r = -ENOMEM;
	strbuf_deinit(&entry);
}

static void put_all(struct made *env, char *const *entries)
{
	for (; entries && *entries; entries++)
		put_entry(env, *entries);
}

static void put_private_ports(struct made *env, const struct service_conf *sc)
{
	STRBUF(text, 4096);

	for (size_t i = 0; i < sc->n_private_ports; i++)
		strbuf_addf(&text, "%s%u-%u", i ? "," : "", sc->private_ports[i].first,
			    sc->private_ports[i].last);
	if (text.len)
		put(env, HANDOFF_ENV_PRIVATE "=%s", text.text);
}

static void add_socket(struct strbuf *out, uint32_t app)
{
	if (!address_app_port(app))
		strbuf_addf(out, "%s%s", out->len ? " " : "", address_app_text(app).text);
}

/* Nothing in them needs to be quoted: see base/paths.h. */
static void put_sockets(struct made *env, const struct worker *w)
{
	struct strbuf ours = STRBUF_GROWS(1 << 20);

	for (size_t i = 0; i < w->conf->n_listen; i++) {
		add_socket(&ours, w->conf->listen[i].app);
		add_socket(&ours, address_app(&w->conf->listen[i].addr));
	}
	if (ours.len)
		put(env, HANDOFF_ENV_SOCKETS "=%s", ours.text);
	strbuf_deinit(&ours);
}

/* A wrapper that listens (gdbserver) is not the app: the shim in it must know. */
static void put_wrapper(struct made *env, const struct worker *w)
{
	char *const *wrap = conf_find_wrap(w->conf, w->slot);
	char file[PATH_MAX];

	if (wrap &&
	    program_find(wrap[0], environment_path(w->conf), conf_directory(w->conf), file) == 0)
		put(env, HANDOFF_ENV_WRAPPER "=%s", file);
}

static void put_worker(struct made *env, const struct worker *w, bool is_helper)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";

	put(env, HANDOFF_ENV_SERVICE "=%s", w->conf->name);
	put(env, HANDOFF_ENV_SLOT "=%u", w->slot);
	put(env, HANDOFF_ENV_WORKER "=%s", w->name);
	put(env, HANDOFF_ENV_GENERATION "=%u", w->generation);
	if (is_helper) {
		put(env, "BROKER_PID=%d", (int)w->pid);
		return;
	}
	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	put(env, HANDOFF_ENV_RENDEZVOUS "=%s", w->terms->broker->launch.rendezvous);
	put(env, HANDOFF_ENV_TOKEN "=%s", token);
	if (w->conf->udp)
		put(env, HANDOFF_ENV_UDP "=1");
	put_private_ports(env, w->conf);
	put_sockets(env, w);
	put_wrapper(env, w);
}

int environment_make(const struct service_conf *sc, const struct user_info *user,
		     const struct worker *w, bool is_helper, char ***ret)
{
	struct made env = { NULL, 0 };

	for (char **e = environ; e && *e; e++)
		if (!sc->clear_environment && !is_ours(*e) && strchr(*e, '='))
			put_entry(&env, *e);
	if (user->ids.change && user->name[0]) {
		put(&env, "HOME=%s", user->home);
		put(&env, "USER=%s", user->name);
		put(&env, "LOGNAME=%s", user->name);
	}
	if (conf_directory(sc))
		put(&env, "PWD=%s", conf_directory(sc)); /* not where the broker is */
	put_all(&env, sc->environment);
	put_all(&env, sc->file_environment);
	put(&env, "PATH=%s", environment_path(sc));
	if (w)
		put_worker(&env, w, is_helper);
	*ret = env.list;
	return env.r;
}
