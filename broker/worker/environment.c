#include "environment.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/address.h"
#include "dispatch/types.h"
#include "handoff_name.h"
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

/* The last entry of a name is the one that stays. 0, or not with errno. */
PRINTF(1, 2) static int put(const char *fmt, ...)
{
	char *entry;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&entry, fmt, ap);
	va_end(ap);
	return n < 0 ? n : putenv(entry);
}

static int put_all(char *const *entries)
{
	int r = 0;

	for (; entries && *entries; entries++)
		r |= putenv(*entries);
	return r;
}

static int put_private_ports(const struct service_conf *sc)
{
	STRBUF(text, 4096);

	for (size_t i = 0; i < sc->n_private_ports; i++)
		strbuf_addf(&text, "%s%u-%u", i ? "," : "", sc->private_ports[i].first,
			    sc->private_ports[i].last);
	return text.len ? put(HANDOFF_ENV_PRIVATE "=%s", text.text) : 0;
}

static void add_socket(struct strbuf *out, uint32_t app)
{
	if (!address_app_port(app))
		strbuf_addf(out, "%s%s", out->len ? " " : "", address_app_text(app).text);
}

/* Nothing in them needs to be quoted: see base/paths.h. */
static int put_sockets(const struct worker *w)
{
	struct strbuf ours = STRBUF_GROWS(1 << 20);
	int r = 0;

	for (size_t i = 0; i < w->conf->n_listen; i++) {
		add_socket(&ours, w->conf->listen[i].app);
		add_socket(&ours, address_app(&w->conf->listen[i].addr));
	}
	if (ours.len)
		r = put(HANDOFF_ENV_SOCKETS "=%s", ours.text);
	strbuf_deinit(&ours);
	return r;
}

/* A wrapper that listens (gdbserver) is not the app: the shim in it must know. */
static int put_wrapper(const struct worker *w)
{
	char *const *wrap = conf_find_wrap(w->conf, w->slot);
	char file[PATH_MAX];

	if (!wrap || program_find(wrap[0], getenv("PATH"), conf_directory(w->conf), file) < 0)
		return 0;
	return put(HANDOFF_ENV_WRAPPER "=%s", file);
}

static int put_worker(const struct worker *w, bool is_helper)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	int r = put(HANDOFF_ENV_SERVICE "=%s", w->conf->name);

	r |= put(HANDOFF_ENV_SLOT "=%u", w->slot);
	r |= put(HANDOFF_ENV_WORKER "=%s", w->name);
	r |= put(HANDOFF_ENV_GENERATION "=%u", w->generation);
	if (is_helper)
		return r | put("BROKER_PID=%d", (int)w->pid);
	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	r |= put(HANDOFF_ENV_RENDEZVOUS "=%s", w->terms->broker->launch.rendezvous);
	r |= put(HANDOFF_ENV_TOKEN "=%s", token);
	r |= w->conf->udp ? put(HANDOFF_ENV_UDP "=1") : 0;
	return r | put_private_ports(w->conf) | put_sockets(w) | put_wrapper(w);
}

int environment_set(const struct service_conf *sc, const struct user_info *user,
		    const struct worker *w, bool is_helper)
{
	const char *path = environment_path(sc);
	char **kept = environ;
	int r = 0;

	for (char **e = environ; e && *e; e++)
		if (!sc->clear_environment && !is_ours(*e) && strchr(*e, '='))
			*kept++ = *e;
	if (kept)
		*kept = NULL;
	if (user->ids.change && user->name[0]) {
		r |= put("HOME=%s", user->home);
		r |= put("USER=%s", user->name);
		r |= put("LOGNAME=%s", user->name);
	}
	if (conf_directory(sc))
		r |= put("PWD=%s", conf_directory(sc)); /* not where the broker is */
	r |= put_all(sc->environment) | put_all(sc->file_environment) | put("PATH=%s", path);
	return w ? r | put_worker(w, is_helper) : r;
}
