#include "checks.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>
#include "config/conf_check.h"
#include "config/option.h"
#include "service/descriptors.h"
#include "start.h"
#include "sys/tcp.h"
#include "sys/user.h"
#include "worker/command.h"

/* The section that is looked at. */
struct section {
	enum option_section kind;
	const void *values;
	struct conf_errors *errors;
};

/* "KEY: TEXT", with the line of @key. */
static void add(const struct section *s, const char *key, size_t entry, const char *text)
{
	unsigned line = option_origin(option_find(s->kind, key), s->values, entry).line;

	conf_errors_add(s->errors, line, "%s: %s", key, text);
}

static bool check_user(const struct section *s, const char *user, const char *group)
{
	struct user_info info;
	STRBUF(text, 512);

	if (user_lookup(user, group, &info, &text) == 0)
		return true;
	add(s, user && !strstr(text.text, "group") ? "user" : "group", 0, text.text);
	return false;
}

static bool check_directory(const struct section *s, const char *key, const char *path)
{
	STRBUF(text, 512);

	if (access(path, X_OK) == 0)
		return true;
	strbuf_addf(&text, "%s: %s", path, strerror(errno));
	add(s, key, 0, text.text);
	return false;
}

/* A file that will be appended to, or created. */
static void check_file(const struct section *s, const char *key, const char *path)
{
	_cleanup_free_ char *copy = path ? strdup(path) : NULL;
	STRBUF(text, 512);

	if (!copy || access(path, W_OK) == 0)
		return;
	if (errno == ENOENT && access(dirname(copy), W_OK | X_OK) == 0)
		return;
	strbuf_addf(&text, "cannot write %s: %s", path, strerror(errno));
	add(s, key, 0, text.text);
}

static void check_address(const struct section *s, const char *key, size_t entry,
			  const struct handoff_addr *addr, const struct service_conf *sc,
			  bool port_only)
{
	int r = tcp_try(addr, sc);
	STRBUF(text, 512);

	if (r == 0 || r == -EADDRINUSE)
		return;
	/* Then 0.0.0.0 will do. */
	if (port_only && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL))
		return;
	(void)tcp_explain(addr, r, &text);
	add(s, key, entry, text.text);
}

/* The launcher looks at the programs as the user of the worker, and from its directory. */
static void check_service(struct broker *b, const struct service_conf *sc,
			  struct conf_errors *errors)
{
	struct section s = { .kind = OPTION_SERVICE, .values = sc, .errors = errors };
	bool there = check_user(&s, sc->user, sc->group);
	STRBUF(text, 512);

	if (sc->directory)
		there &= check_directory(&s, "directory", sc->directory);
	check_file(&s, "output", sc->output_path);
	for (size_t i = 0; i < sc->n_listen; i++)
		check_address(&s, "listen", i, &sc->listen[i].addr, sc, sc->listen[i].port_only);
	if (there && launch_check(b, sc, &text) < 0)
		conf_errors_add(errors,
				option_origin(option_find(OPTION_SERVICE, "command"), sc, 0).line,
				"[service:%s] %s", sc->name, text.text);
}

/* @any: what it says of sockets is not about these addresses. */
static void check_broker(const struct broker_conf *bc, const struct service_conf *any,
			 struct conf_errors *errors)
{
	struct section s = { .kind = OPTION_BROKER, .values = bc, .errors = errors };
	STRBUF(text, 512);
	gid_t gid;

	(void)check_user(&s, bc->user, bc->group);
	check_file(&s, "log", bc->log_path);
	check_file(&s, "pid_file", bc->pid_file);
	check_file(&s, "run_dir", bc->run_dir);
	if (bc->metrics.addr.family)
		check_address(&s, "metrics", 0, &bc->metrics.addr, any, false);
	if (bc->agent_check.addr.family)
		check_address(&s, "agent_check", 0, &bc->agent_check.addr, any, false);
	if (bc->control_group && user_find_group(bc->control_group, &gid, &text) < 0)
		add(&s, "control_group", 0, text.text);
}

enum exit_code checks_run(struct conf *conf, struct strbuf *found)
{
	/* Large, as in run_broker(). */
	static struct run run;
	static struct conf_errors errors;
	STRBUF(text, 1024);

	run.master.conf = conf;
	if (start_find_shim(&run, &text) < 0 || start_raise_descriptor_limit(&run, &text) < 0)
		conf_errors_add(&errors, 0, "%s", text.text);
	check_broker(&conf->broker, conf->services[0], &errors);
	for (size_t i = 0; run.master.broker.launch.library && i < conf->n_services; i++)
		check_service(&run.master.broker, conf->services[i], &errors);
	conf_errors_print(&errors, conf->file, found);
	free(run.master.broker.launch.shim);
	free(run.master.broker.launch.library);
	return errors.n ? EXIT_CODE_ENVIRONMENT : EXIT_CODE_OK;
}
