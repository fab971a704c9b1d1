#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "control/control.h"
#include "guard.h"
#include "master/reload.h"
#include "service/descriptors.h"
#include "service/rendezvous.h"
#include "sys/log.h"
#include "sys/user.h"
#include "web/web.h"
#include "worker/command.h"

enum exit_code start_failed(enum exit_code code, const char *text)
{
	log_event(LEVEL_ERROR, "start-failed", LOG_MSG("%s", text));
	log_also_on_stderr(text);
	return code;
}

/* The launcher and the library: beside this program, or where `make install` puts them. */
static bool find_file(const char *name, int mode, char **ret)
{
	const char *directories[] = { BROKER_LIBEXECDIR, BROKER_LIBEXECDIR };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		directories[0] = dirname(self);
	}
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		char *path;

		if (asprintf(&path, "%s/%s", directories[i], name) < 0)
			continue;
		if (access(path, mode) == 0) {
			*ret = path;
			return true;
		}
		free(path);
	}
	return false;
}

/* EXIT_CODE_OK; else @error says what is missing. */
typedef enum exit_code step_fn(struct run *run, struct strbuf *error);

/* What came of a step: @code, with @error in words, if @r is -errno. */
static enum exit_code result(int r, enum exit_code code, struct strbuf *error)
{
	if (r >= 0)
		return EXIT_CODE_OK;
	if (!error->len)
		strbuf_add(error, strerror(-r));
	return code;
}

/* --- the steps ------------------------------------------------------------------------- */

enum exit_code start_find_shim(struct run *run, struct strbuf *error)
{
	struct broker_launch *launch = &run->master.broker.launch;
	const char *missing = NULL;

	if (!find_file("worker-shim", X_OK, &launch->shim))
		missing = "worker-shim";
	else if (!find_file("libworker-shim.so", R_OK, &launch->library))
		missing = "libworker-shim.so";
	if (!missing)
		return EXIT_CODE_OK;
	strbuf_addf(error,
		    "%s is missing: put it beside the broker's program, or into " BROKER_LIBEXECDIR
		    "; build it (make) or install it (make install)",
		    missing);
	return EXIT_CODE_ENVIRONMENT;
}

/* Ours; workers get back what we were started with. */
enum exit_code start_raise_descriptor_limit(struct run *run, struct strbuf *error)
{
	struct rlimit *given = &run->master.broker.launch.nofile, limit;

	if (getrlimit(RLIMIT_NOFILE, given) < 0) {
		strbuf_add(error, "cannot read the descriptor limit");
		return EXIT_CODE_FAILURE;
	}
	limit = *given;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return result(descriptors_check(run->master.conf, error), EXIT_CODE_ENVIRONMENT, error);
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

static enum exit_code open_rundir(struct run *run, struct strbuf *error)
{
	struct master *m = &run->master;
	const struct broker_conf *bc = &m->conf->broker;
	_cleanup_free_ char *path =
		bc->run_dir ? strdup(bc->run_dir) : rundir_default(m->config_file);
	int r;

	if (!path) {
		strbuf_add(error, "out of memory");
		return EXIT_CODE_FAILURE;
	}
	r = rundir_open(&m->rundir, path, workers_change_user(m->conf), error);
	if (r == 0 && bc->pid_file)
		r = rundir_write_pid(&m->rundir, bc->pid_file, error);
	if (r == 0)
		r = control_open(&run->control, error);
	m->broker.launch.rendezvous = m->rundir.rendezvous;
	return result(r, r == -EBUSY ? EXIT_CODE_RUNNING : EXIT_CODE_ENVIRONMENT, error);
}

static enum exit_code open_services(struct run *run, struct strbuf *error)
{
	return result(master_open_services(&run->master, error), EXIT_CODE_ENVIRONMENT, error);
}

/* Behind the listeners of services: if both want an address, the service gets it. */
static enum exit_code open_parts(struct run *run, struct strbuf *error)
{
	struct master *m = &run->master;
	int r = master_prepare_parts(m, NULL, &m->conf->broker, error);

	if (r == 0)
		master_apply_parts(m, &m->conf->broker);
	return result(r, EXIT_CODE_ENVIRONMENT, error);
}

/*
 * Everything that needs the rights we were started with is done; workers that the broker
 * starts from now on can have no more than it has itself.
 */
static enum exit_code drop_rights(struct run *run, struct strbuf *error)
{
	struct master *m = &run->master;
	const struct broker_conf *bc = &m->conf->broker;
	struct user_info user;
	int r;

	if (!bc->user && !bc->group)
		return EXIT_CODE_OK;
	r = user_lookup(bc->user, bc->group, &user, error);
	if (r == 0 && user.ids.change) {
		r = rundir_chown(&m->rundir, user.ids.uid, user.ids.gid);
		if (r == 0)
			r = control_chown(&run->control, user.ids.uid);
		if (r == 0)
			r = log_chown(user.ids.uid, user.ids.gid);
		if (r == 0)
			r = web_chown(&run->web, user.ids.uid);
		if (r < 0)
			strbuf_addf(error, "cannot give its files to the broker's user: %s",
				    strerror(-r));
	}
	if (r == 0)
		r = user_become(&user.ids, error);
	/* Workers get our environment: it must not name the user that we were. */
	if (r == 0 && user.ids.change && user.name[0] &&
	    (setenv("HOME", user.home, 1) < 0 || setenv("USER", user.name, 1) < 0 ||
	     setenv("LOGNAME", user.name, 1) < 0)) {
		r = -errno;
		strbuf_addf(error, "cannot set the environment: %s", strerror(-r));
	}
	return result(r, EXIT_CODE_ENVIRONMENT, error);
}

static enum exit_code check_commands(struct run *run, struct strbuf *error)
{
	struct master *m = &run->master;

	for (size_t i = 0; i < m->conf->n_services; i++) {
		const struct service_conf *sc = m->conf->services[i];
		STRBUF(reason, 512);

		if (launch_check(&m->broker, sc, &reason) == 0)
			continue;
		strbuf_addf(error, "[service:%s] %s", sc->name, reason.text);
		return EXIT_CODE_ENVIRONMENT;
	}
	return EXIT_CODE_OK;
}

static enum exit_code begin(struct run *run, struct strbuf *error)
{
	struct broker *b = &run->master.broker;
	int r = rendezvous_start(&run->rendezvous, b, run->master.rundir.rendezvous_fd);

	b->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r == 0)
		r = guard_start(&run->guard, b);
	if (r == 0)
		r = control_start(&run->control);
	return result(r, EXIT_CODE_FAILURE, error);
}

enum exit_code start_prepare(struct run *run)
{
	static step_fn *const steps[] = {
		start_find_shim, start_raise_descriptor_limit,
		open_rundir,	 open_services,
		open_parts,	 drop_rights,
		check_commands,	 begin,
	};
	STRBUF(error, 1024);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		enum exit_code code = steps[i](run, &error);

		if (code != EXIT_CODE_OK)
			return start_failed(code, error.text);
	}
	return EXIT_CODE_OK;
}
