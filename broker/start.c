#include "start.h"

#include <errno.h>
#include <fcntl.h>
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
#include "worker/check.h"

enum exit_code start_failed(enum exit_code code, const char *text)
{
	log_event(LEVEL_ERROR, "start-failed", LOG_MSG("%s", text));
	return code;
}

/* The launcher and the library: beside this program, or where `make install` puts them. */
static bool find_file(const char *name, int mode, char **ret)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *path = NULL;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		*slash = '\0';
		if (asprintf(&path, "%s/%s", self, name) >= 0 && access(path, mode) == 0) {
			*ret = path;
			return true;
		}
		free(path);
		path = NULL;
	}
	if (asprintf(&path, "%s/%s", BROKER_LIBEXECDIR, name) >= 0 && access(path, mode) == 0) {
		*ret = path;
		return true;
	}
	free(path);
	return false;
}

static enum exit_code find_shim(struct master *m)
{
	STRBUF(text, 512);
	const char *missing = NULL;

	if (!find_file("worker-shim", X_OK, &m->broker.launch.shim))
		missing = "worker-shim";
	else if (!find_file("libworker-shim.so", R_OK, &m->broker.launch.library))
		missing = "libworker-shim.so";
	if (!missing)
		return EXIT_CODE_OK;
	strbuf_addf(&text,
		    "%s is missing: put it beside the broker's program, or into " BROKER_LIBEXECDIR
		    "; build it (make) or install it (make install)",
		    missing);
	return start_failed(EXIT_CODE_ENVIRONMENT, text.text);
}

/* Ours; workers get back what we were started with. */
static enum exit_code raise_descriptor_limit(struct master *m)
{
	struct rlimit limit;
	STRBUF(text, 256);

	if (getrlimit(RLIMIT_NOFILE, &m->broker.launch.nofile) < 0)
		return start_failed(EXIT_CODE_FAILURE, "cannot read the descriptor limit");
	limit = m->broker.launch.nofile;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (descriptors_check(m->conf, &text) < 0)
		return start_failed(EXIT_CODE_ENVIRONMENT, text.text);
	return EXIT_CODE_OK;
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

static enum exit_code open_rundir(struct run *run)
{
	struct master *m = &run->master;
	const struct broker_conf *bc = &m->conf->broker;
	_cleanup_free_ char *path =
		bc->run_dir ? strdup(bc->run_dir) : rundir_default(m->config_file);
	STRBUF(error, 512);
	int r;

	if (!path)
		return start_failed(EXIT_CODE_FAILURE, "out of memory");
	r = rundir_open(&m->rundir, path, workers_change_user(m->conf), &error);
	if (r == 0 && bc->pid_file)
		r = rundir_write_pid(&m->rundir, bc->pid_file, &error);
	if (r == 0)
		r = control_open(&run->control, &error);
	if (r == 0)
		return EXIT_CODE_OK;
	return start_failed(r == -EBUSY ? EXIT_CODE_RUNNING : EXIT_CODE_ENVIRONMENT,
			    error.len ? error.text : strerror(-r));
}

/*
 * Everything that needs the rights we were started with is done; workers that the broker
 * starts from now on can have no more than it has itself.
 */
static enum exit_code drop_rights(struct run *run)
{
	struct master *m = &run->master;
	const struct broker_conf *bc = &m->conf->broker;
	struct user_info user;
	STRBUF(error, 256);
	int r;

	if (!bc->user && !bc->group)
		return EXIT_CODE_OK;
	r = user_lookup(bc->user, bc->group, &user, &error);
	if (r == 0 && user.ids.change) {
		r = rundir_chown(&m->rundir, user.ids.uid, user.ids.gid);
		if (r == 0)
			r = control_chown(&run->control, user.ids.uid);
		if (r == 0)
			r = log_chown(user.ids.uid, user.ids.gid);
		if (r == 0)
			r = web_chown(&run->web, user.ids.uid);
		if (r < 0)
			strbuf_addf(&error, "cannot give its files to the broker's user: %s",
				    strerror(-r));
	}
	if (r == 0)
		r = user_become(&user.ids, &error);
	/* Workers get our environment: it must not name the user that we were. */
	if (r == 0 && user.ids.change && user.name[0] &&
	    (setenv("HOME", user.home, 1) < 0 || setenv("USER", user.name, 1) < 0 ||
	     setenv("LOGNAME", user.name, 1) < 0)) {
		r = -errno;
		strbuf_addf(&error, "cannot set the environment: %s", strerror(-r));
	}
	return r < 0 ? start_failed(EXIT_CODE_ENVIRONMENT, error.text) : EXIT_CODE_OK;
}

/* Behind the listeners of services: if both want an address, the service gets it. */
static enum exit_code open_parts(struct master *m)
{
	STRBUF(error, 512);

	if (master_prepare_parts(m, NULL, &m->conf->broker, &error) < 0)
		return start_failed(EXIT_CODE_ENVIRONMENT, error.text);
	master_apply_parts(m, &m->conf->broker);
	return EXIT_CODE_OK;
}

static enum exit_code check_commands(struct master *m)
{
	for (size_t i = 0; i < m->conf->n_services; i++) {
		const struct service_conf *sc = m->conf->services[i];
		STRBUF(error, 512);
		STRBUF(text, 640);

		if (launch_check(&m->broker, sc, &error) == 0)
			continue;
		strbuf_addf(&text, "[service:%s] %s", sc->name, error.text);
		return start_failed(EXIT_CODE_ENVIRONMENT, text.text);
	}
	return EXIT_CODE_OK;
}

enum exit_code start_prepare(struct run *run)
{
	struct master *m = &run->master;
	enum exit_code code = find_shim(m);
	STRBUF(error, 512);
	int r;

	if (code == EXIT_CODE_OK)
		code = raise_descriptor_limit(m);
	if (code == EXIT_CODE_OK)
		code = open_rundir(run);
	if (code != EXIT_CODE_OK)
		return code;
	m->broker.launch.rendezvous = m->rundir.rendezvous;
	r = master_open_services(m, &error);
	if (r < 0)
		return start_failed(EXIT_CODE_ENVIRONMENT, error.len ? error.text : strerror(-r));
	code = open_parts(m);
	if (code == EXIT_CODE_OK)
		code = drop_rights(run);
	if (code == EXIT_CODE_OK)
		code = check_commands(m);
	if (code != EXIT_CODE_OK)
		return code;
	m->broker.spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = rendezvous_start(&run->rendezvous, &m->broker, m->rundir.rendezvous_fd);
	if (r == 0)
		r = guard_start(&run->guard, &m->broker);
	if (r == 0)
		r = control_start(&run->control);
	return r < 0 ? start_failed(EXIT_CODE_FAILURE, strerror(-r)) : EXIT_CODE_OK;
}
