#include "start.h"

#include <fcntl.h>
#include <libgen.h>
#include "base/fd.h"
#include "config/conf_check.h"
#include "config/option.h"
#include "service/fill.h"
#include "sys/confine.h"
#include "sys/log.h"
#include "sys/program.h"
#include "sys/retire.h"
#include "sys/rights.h"
#include "sys/sandbox.h"
#include "sys/tcp.h"
#include "worker/command.h"

enum exit_code start_failed(enum exit_code code, const char *text)
{
	log_event(LEVEL_ERROR, "start-failed", LOG_MSG("%s", text));
	log_also_on_stderr(text);
	return code;
}

/* --- the steps: 0; -errno, with what is missing in @error unless the number says it ---------- */

/* As root, whose processes only root may look into. */
static int protect(struct run *run, struct strbuf *error)
{
	if (geteuid() == 0)
		rights_hide();
	return confine_broker(run->master.conf->broker.oom_score_adj, starter_pid(), error);
}

int start_find_shim(struct run *run, struct strbuf *error)
{
	struct broker_launch *launch = &run->master.broker.launch;

	launch->shim = program_find_ours("worker-shim", X_OK);
	launch->library = program_find_ours("libworker-shim.so", R_OK);
	if (launch->shim && launch->library)
		return 0;
	return strbuf_fail(error, -ENOENT,
			   "%s is missing: put it beside the broker's program, or "
			   "into " BROKER_LIBEXECDIR
			   "; build it (make) or install it (make install)",
			   launch->shim ? "libworker-shim.so" : "worker-shim");
}

/* Ours; workers get back what we were started with. */
static int raise_descriptor_limit(struct run *run, struct strbuf *error)
{
	struct rlimit *given = &run->master.broker.launch.nofile, limit;

	if (getrlimit(RLIMIT_NOFILE, given) < 0)
		return strbuf_fail(error, -errno, "cannot read the descriptor limit: %m");
	limit = *given;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return descriptors_check(run->master.conf, error);
}

static bool workers_change_user(const struct conf *conf)
{
	if (conf->broker.user)
		return true;
	for (size_t i = 0; i < conf->n_services; i++)
		if (conf->services[i]->user || conf->services[i]->group)
			return true;
	return false;
}

static int open_rundir(struct run *run, struct strbuf *error)
{
	struct master *m = &run->master;
	const struct broker_conf *bc = &m->conf->broker;
	_cleanup_free_ char *path =
		bc->run_dir ? strdup(bc->run_dir) : rundir_default(m->config_file);
	int r;

	if (!path)
		return strbuf_fail(error, -ENOMEM, "out of memory");
	m->rundir.heir = m->heir.ids.change ? &m->heir.ids : NULL;
	r = rundir_open(&m->rundir, path, workers_change_user(m->conf), error);
	if (r == 0 && bc->pid_file)
		r = rundir_write_pid(&m->rundir, bc->pid_file, error);
	if (r == 0)
		r = control_open(&run->control, error);
	m->broker.launch.rendezvous = m->rundir.rendezvous;
	m->broker.launch.restore = start_restore;
	return r;
}

static int open_listeners(struct run *run, struct strbuf *error)
{
	struct master *m = &run->master;
	int r = master_open_services(m, error);

	/* Behind those of services: if both want an address, the service gets it. */
	if (r == 0)
		r = m->part->prepare(m->part, NULL, &m->conf->broker, error);
	if (r == 0)
		m->part->end(m->part, &m->conf->broker, true);
	else /* one may be the cause */
		systemd_report_unused(false);
	return r;
}

/* Adds @ids, if they are not in @all. 0 or -E2BIG with @error. */
static int add_ids(struct starter_rights *all, const struct spawn_ids *ids, struct strbuf *error)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->ids[i].uid == ids->uid && all->ids[i].gid == ids->gid)
			return 0;
	if (all->n == ARRAY_SIZE(all->ids))
		return strbuf_fail(error, -E2BIG, "services have more than %zu users and groups",
				   ARRAY_SIZE(all->ids));
	all->stay = all->n > 0;
	all->ids[all->n++] = *ids;
	return 0;
}

/* Who will have to be started, once we are @heir. */
static int list_rights(const struct conf *conf, const struct user_info *heir,
		       struct starter_rights *ret, struct strbuf *error)
{
	int r = add_ids(ret, &heir->ids, error);

	for (size_t i = 0; r == 0 && i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];
		struct user_info user;

		ret->gain |= launch_may_gain(sc);
		if (!sc->user && !sc->group)
			continue;
		r = user_lookup(sc->names, sc->user, sc->group, &user, error);
		if (r == 0)
			r = add_ids(ret, &user.ids, error);
	}
	return r;
}

/*
 * Everything that needs the rights we were started with is done, but for starting workers of other
 * users, which our parent does.
 */
static int drop_rights(struct run *run, struct strbuf *error)
{
	static struct starter_rights rights;
	struct master *m = &run->master;
	const struct user_info *user = &m->heir;
	int r;

	if (!user->ids.change)
		return 0;
	r = rundir_hand_over(&m->rundir);
	if (r < 0)
		return strbuf_fail(error, r, "cannot give its files to the broker's user: %m");
	r = list_rights(m->conf, user, &rights, error);
	if (r == 0)
		r = starter_limit(&rights, error);
	if (r < 0)
		return r;
	/* For the program that an upgrade executes. */
	rights_inherit(RIGHT_NET_BIND_SERVICE);
	r = rights.gain ? 0 : rights_gain_none(RIGHT_NET_RAW);
	if (r < 0)
		return strbuf_fail(error, r, "cannot set no_new_privs: %m");
	r = user_become(&user->ids, error);
	/* Workers get our environment: it must not name the user that we were. */
	if (r == 0 && user->name[0] &&
	    (setenv("HOME", user->home, 1) < 0 || setenv("USER", user->name, 1) < 0 ||
	     setenv("LOGNAME", user->name, 1) < 0))
		r = strbuf_fail(error, -errno, "cannot set the environment: %m");
	return r;
}

static int check_commands(struct run *run, struct strbuf *error)
{
	const struct conf *conf = run->master.conf;

	for (size_t i = 0; i < conf->n_services; i++) {
		STRBUF(reason, 512);
		int r = launch_check(&run->master.broker, conf->services[i], &reason);

		if (r < 0)
			return strbuf_fail(error, r, "[service:%s] %s", conf->services[i]->name,
					   reason.text);
	}
	return 0;
}

/* Nothing of the outside was read yet. What the parent starts is not affected. */
static int limit_calls(struct run *run, struct strbuf *error)
{
	const enum conf_seccomp how = run->master.conf->broker.seccomp;
	STRBUF(why, 256);
	int r = how == SECCOMP_NO ? 0 : sandbox_enter(how, &why);

	if (r < 0 && how != SECCOMP_AUTO)
		return strbuf_fail(error, r, "cannot limit the broker's system calls: %s",
				   why.text);
	if (r < 0)
		log_event(LEVEL_INFO, "seccomp",
			  LOG_MSG("the broker's system calls are not limited: %s", why.text));
	return 0;
}

static int begin(struct run *run, struct strbuf *error)
{
	struct broker *b = &run->master.broker;
	int r = rendezvous_start(&run->rendezvous, b, run->master.rundir.rendezvous_fd);

	(void)error;
	b->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r == 0)
		r = control_start(&run->control);
	return r;
}

enum exit_code start_prepare(struct run *run)
{
	static int (*const steps[])(struct run * run, struct strbuf * error) = {
		protect,	start_find_shim, raise_descriptor_limit,
		open_rundir,	open_listeners,	 drop_rights,
		check_commands, limit_calls,	 begin,
	};
	enum exit_code code = EXIT_CODE_ENVIRONMENT;
	STRBUF(error, 1024);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(steps); i++) {
		r = steps[i](run, &error);
		if (steps[i] == begin)
			code = EXIT_CODE_FAILURE;
		else if (steps[i] == open_rundir && r == -EBUSY)
			code = EXIT_CODE_RUNNING;
	}
	return r < 0 ? start_failed(code, error.len ? error.text : strerror(-r)) : EXIT_CODE_OK;
}

void start_restore(struct broker *b)
{
	struct run *run = container_of(b, struct run, master.broker);
	struct rundir *rd = &run->master.rundir;
	int old = -1;
	STRBUF(made, 4 * PATH_MAX);
	STRBUF(error, 1024);
	bool anew = !rundir_is_ours(rd);
	int r = rundir_restore(rd, &old, &made, &error), rest = 0;

	if (old >= 0)
		rest = acceptor_move(&run->rendezvous.acceptor, rd->rendezvous_fd);
	retire_fd(&old);
	if (rest == 0 && rundir_is_ours(rd))
		rest = control_restore(&run->control, anew, &made, &error);
	if (!made.len)
		return;
	r = r < 0 ? r : rest;
	log_event(r < 0 ? LEVEL_ERROR : LEVEL_WARN, "run-directory", LOG_STR("run_dir", rd->path),
		  LOG_STR("made", made.text),
		  LOG_MSG("%s was removed: %s: %s", r < 0 ? "cannot make again what" : "what",
			  r == 0      ? "it is made again"
			  : error.len ? error.text
				      : strerror(-r),
			  made.text));
}

/* --- `broker -t` ------------------------------------------------------------------------- */

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

static bool check_user(const struct section *s, const struct conf_names *names, const char *user,
		       const char *group)
{
	struct user_info info;
	STRBUF(text, 512);

	if (user_lookup(names, user, group, &info, &text) == 0)
		return true;
	add(s, user && !strstr(text.text, "group") ? "user" : "group", 0, text.text);
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
			  const struct broker_conf *bc, bool port_only)
{
	STRBUF(text, 512);
	int r = address_unix(addr) ? unix_listener_try(addr, sc, bc, &text) : tcp_try(addr, sc);

	if (text.len)
		add(s, key, entry, text.text);
	if (text.len || r == 0 || r == -EADDRINUSE)
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
	bool there = check_user(&s, sc->names, sc->user, sc->group);
	STRBUF(text, 512);

	if (sc->directory && access(sc->directory, X_OK) < 0) {
		there = false;
		strbuf_addf(&text, "%s: %s", sc->directory, strerror(errno));
		add(&s, "directory", 0, text.text);
	}
	check_file(&s, "output", sc->output_path);
	for (size_t i = 0; i < sc->n_listen; i++)
		check_address(&s, "listen", i, &sc->listen[i].addr, sc, b->conf,
			      sc->listen[i].port_only);
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

	(void)check_user(&s, bc->names, bc->user, bc->group);
	check_file(&s, "log", bc->log_path);
	check_file(&s, "pid_file", bc->pid_file);
	check_file(&s, "run_dir", bc->run_dir);
	if (bc->metrics.addr.family)
		check_address(&s, "metrics", 0, &bc->metrics.addr, any, bc, false);
	if (bc->agent_check.addr.family)
		check_address(&s, "agent_check", 0, &bc->agent_check.addr, any, bc, false);
	if (bc->control_group && user_find_group(bc->names, bc->control_group, &gid, &text) < 0)
		add(&s, "control_group", 0, text.text);
}

enum exit_code start_check(struct run *run, struct strbuf *found)
{
	static struct conf_errors errors;
	struct broker *b = &run->master.broker;
	struct conf *conf = run->master.conf;
	STRBUF(text, 1024);

	if (start_find_shim(run, &text) < 0 || raise_descriptor_limit(run, &text) < 0)
		conf_errors_add(&errors, 0, "%s", text.text);
	b->conf = &conf->broker;
	check_broker(b->conf, conf->services[0], &errors);
	for (size_t i = 0; b->launch.shim && b->launch.library && i < conf->n_services; i++)
		check_service(b, conf->services[i], &errors);
	conf_errors_print(&errors, conf->file, found);
	free(b->launch.shim);
	free(b->launch.library);
	return errors.n ? EXIT_CODE_ENVIRONMENT : EXIT_CODE_OK;
}
