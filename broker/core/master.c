#include "master.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "core/launch.h"
#include "core/reload.h"
#include "sys/log.h"
#include "sys/spawn.h"
#include "sys/user.h"

/* --- children ---------------------------------------------------------------------------- */

static struct worker *find_by_pid(const struct master *m, pid_t pid)
{
	struct service *s;
	struct worker *w;

	list_for_each (s, &m->services, link)
		list_for_each (w, &s->workers, link)
			if (w->pid == pid)
				return w;
	return NULL;
}

bool master_started(const struct master *m, pid_t pid)
{
	return pid == m->keeper_pid || find_by_pid(m, pid);
}

/* Some process that we had not started, but were left with, has ended: was it the last one? */
static void look_for_kin(struct master *m)
{
	struct service *s, *s_tmp;
	struct worker *w, *w_tmp;

	list_for_each_safe (s, s_tmp, &m->services, link)
		list_for_each_safe (w, w_tmp, &s->workers, link)
			worker_look_for_kin(w);
}

static void reap(struct master *m)
{
	bool strangers = false;
	int status;
	pid_t pid;

	/* SIGCHLDs coalesce: one may stand for many. */
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		struct worker *w = find_by_pid(m, pid);

		if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
			if (w)
				watch_stopped(w, WIFSTOPPED(status));
			continue;
		}
		if (guard_reaped(m, pid))
			continue;
		if (w)
			worker_main_exited(w, status);
		else
			strangers = true;
	}
	if (strangers)
		look_for_kin(m);
}

/* --- signals ------------------------------------------------------------------------------ */

static const char *signal_word(int signo)
{
	return signo == SIGTERM ? "SIGTERM" : signo == SIGINT ? "SIGINT" : "SIGQUIT";
}

static void begin_stop(struct master *m, int signo)
{
	enum stop_mode mode = signo == SIGTERM ? STOP_DRAIN : STOP_FAST;
	struct service *s, *tmp;

	/* Asked twice, or more urgently: it ends now. */
	if (m->stopping != RUNNING)
		mode = STOP_NOW;
	m->stopping = mode;
	log_event(LEVEL_INFO, "broker-stopping", LOG_STR("signal", signal_word(signo)),
		  LOG_MSG("%s", mode == STOP_DRAIN  ? "taking what waits, then draining all workers"
				: mode == STOP_FAST ? "telling all workers to end"
						    : "asked again: killing all workers"));
	list_for_each_safe (s, tmp, &m->services, link) {
		switch (mode) {
		case STOP_DRAIN:
			service_stop(s, true);
			break;
		case STOP_FAST:
			service_stop(s, false);
			break;
		case STOP_NOW:
			service_kill(s);
			break;
		case RUNNING:
			break;
		}
	}
	master_check_gone(m);
}

static void scale_all(struct master *m, int by)
{
	struct service *s;

	list_for_each (s, &m->services, link) {
		bool done = service_scale(s, by);

		log_event(
			done ? LEVEL_INFO : LEVEL_WARN, "scale",
			LOG_STR("service", service_name(s)), LOG_INT("workers", s->want),
			LOG_MSG(done ? "%u workers from now on"
				     : "stays at %u workers: the limit is reached, or a reload is "
				       "under way",
				s->want));
	}
}

static void reopen_logs(void)
{
	int r = log_reopen();

	log_event(r < 0 ? LEVEL_ERROR : LEVEL_INFO, "log-reopened",
		  LOG_MSG("%s", r < 0 ? strerror(-r) : "the log file was opened anew"));
}

static void signalled(struct loop *loop, int signo)
{
	struct master *m = container_of(loop, struct master, loop);
	struct service *s;

	switch (signo) {
	case SIGCHLD:
		reap(m);
		return;
	case SIGHUP:
		if (m->stopping == RUNNING)
			master_reload(m);
		return;
	case SIGUSR1:
		reopen_logs();
		return;
	case SIGTTIN:
		scale_all(m, 1);
		return;
	case SIGTTOU:
		scale_all(m, -1);
		return;
	case SIGWINCH:
		list_for_each (s, &m->services, link)
			service_pause(s);
		return;
	}
	begin_stop(m, signo);
}

/* --- ready and gone --------------------------------------------------------------------------- */

void master_check_ready(struct master *m)
{
	struct service *s;

	if (m->ready)
		return;
	list_for_each (s, &m->services, link)
		if (!service_is_ready(s))
			return;
	m->ready = true;
	log_event(LEVEL_INFO, "broker-ready", LOG_INT("ms", loop_now(&m->loop) - m->started_ms),
		  LOG_MSG("all services are ready"));
	if (m->options.ready_fd >= 0) {
		(void)!write(m->options.ready_fd, "ready\n", 6);
		fd_closep(&m->options.ready_fd);
	}
}

static void gone_expired(struct loop_timer *timer)
{
	struct master *m = container_of(timer, struct master, gone);
	struct service *s, *tmp;

	list_for_each_safe (s, tmp, &m->services, link)
		if (service_is_gone(s))
			service_free(s);
	if (list_empty(&m->services) && m->stopping != RUNNING)
		loop_stop(&m->loop);
}

void master_check_gone(struct master *m)
{
	if (!loop_timer_armed(&m->gone))
		loop_timer_arm(&m->loop, &m->gone, 0);
}

/* --- start
 * ---------------------------------------------------------------------------------------- */

static enum exit_code fail(enum exit_code code, const char *text)
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

	if (!find_file("worker-shim", X_OK, &m->shim_path))
		missing = "worker-shim";
	else if (!find_file("libworker-shim.so", R_OK, &m->library_path))
		missing = "libworker-shim.so";
	if (!missing)
		return EXIT_CODE_OK;
	strbuf_addf(
		&text,
		"%s is missing: it belongs beside the broker's program, or into " BROKER_LIBEXECDIR
		"; build it (make) or install it (make install)",
		missing);
	return fail(EXIT_CODE_ENVIRONMENT, text.text);
}

/* What the configuration can need at the same time, generously: a reload doubles the workers. */
static enum exit_code raise_descriptor_limit(struct master *m)
{
	struct rlimit limit;
	uint64_t need = 64;
	STRBUF(text, 256);

	for (size_t i = 0; i < m->conf->n_services; i++) {
		const struct service_conf *sc = m->conf->services[i];
		uint64_t channels = sc->n_listen ? sc->n_listen : 1;

		need += 2 * sc->workers * (2 + 3 * channels) + channels + sc->queue;
	}
	if (getrlimit(RLIMIT_NOFILE, &m->nofile) < 0)
		return fail(EXIT_CODE_FAILURE, "cannot read the descriptor limit");
	limit = m->nofile;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit = m->nofile;
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < need) {
		strbuf_addf(&text,
			    "the configured workers may need %llu descriptors, but the limit is "
			    "%llu: raise "
			    "it (ulimit -Hn, LimitNOFILE=), or configure fewer workers",
			    (unsigned long long)need, (unsigned long long)limit.rlim_cur);
		return fail(EXIT_CODE_ENVIRONMENT, text.text);
	}
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

static enum exit_code open_rundir(struct master *m)
{
	const struct broker_conf *bc = &m->conf->broker;
	_cleanup_free_ char *path =
		bc->run_dir ? strdup(bc->run_dir) : rundir_default(m->options.config_file);
	STRBUF(error, 512);
	int r;

	if (!path)
		return fail(EXIT_CODE_FAILURE, "out of memory");
	r = rundir_open(&m->rundir, path, workers_change_user(m->conf), &error);
	if (r == 0 && bc->pid_file)
		r = rundir_write_pid(&m->rundir, bc->pid_file, &error);
	if (r == 0)
		return EXIT_CODE_OK;
	return fail(r == -EBUSY ? EXIT_CODE_RUNNING : EXIT_CODE_ENVIRONMENT,
		    error.len ? error.text : strerror(-r));
}

/*
 * Everything that needs the rights we were started with is done; workers that the broker
 * starts from now on can have no more than it has itself.
 */
static enum exit_code drop_rights(struct master *m)
{
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
			r = log_chown(user.ids.uid, user.ids.gid);
		if (r < 0)
			strbuf_addf(&error, "cannot give its files to the broker's user: %s",
				    strerror(-r));
	}
	if (r == 0)
		r = user_become(&user.ids, &error);
	/* Workers get our environment: it must not say that they are who we were. */
	if (r == 0 && user.ids.change && user.name[0] &&
	    (setenv("HOME", user.home, 1) < 0 || setenv("USER", user.name, 1) < 0 ||
	     setenv("LOGNAME", user.name, 1) < 0)) {
		r = -errno;
		strbuf_addf(&error, "cannot set the environment: %s", strerror(-r));
	}
	return r < 0 ? fail(EXIT_CODE_ENVIRONMENT, error.text) : EXIT_CODE_OK;
}

static enum exit_code check_commands(struct master *m)
{
	for (size_t i = 0; i < m->conf->n_services; i++) {
		const struct service_conf *sc = m->conf->services[i];
		STRBUF(error, 512);
		STRBUF(text, 640);

		if (launch_check(m, sc, &error) == 0)
			continue;
		strbuf_addf(&text, "[service:%s] command: %s", sc->name, error.text);
		return fail(EXIT_CODE_ENVIRONMENT, text.text);
	}
	return EXIT_CODE_OK;
}

static enum exit_code prepare(struct master *m)
{
	enum exit_code code = find_shim(m);
	STRBUF(error, 512);
	int r;

	if (code == EXIT_CODE_OK)
		code = raise_descriptor_limit(m);
	if (code == EXIT_CODE_OK)
		code = open_rundir(m);
	if (code != EXIT_CODE_OK)
		return code;
	r = master_open_services(m, &error);
	if (r < 0)
		return fail(EXIT_CODE_ENVIRONMENT, error.len ? error.text : strerror(-r));
	code = drop_rights(m);
	if (code == EXIT_CODE_OK)
		code = check_commands(m);
	if (code != EXIT_CODE_OK)
		return code;
	m->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = rendezvous_start(m);
	if (r == 0)
		r = guard_start(m);
	return r < 0 ? fail(EXIT_CODE_FAILURE, strerror(-r)) : EXIT_CODE_OK;
}

static void log_ready(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	log_flush();
}

/* What waits for a slow reader of the log goes out as soon as it reads, not with the next entry. */
static void watch_log(struct loop *loop)
{
	struct master *m = container_of(loop, struct master, loop);
	int fd = log_pending_fd();

	if (fd == m->log_source.fd)
		return;
	loop_remove(loop, &m->log_source);
	/* A regular file cannot be watched (EPERM), and does not keep anybody waiting. */
	if (fd >= 0)
		(void)loop_add(loop, &m->log_source, fd, EPOLLOUT);
}

/* --- end
 * ---------------------------------------------------------------------------------------------- */

static void log_ledger(const struct master *m)
{
	const struct ledger *l = &m->ledger_gone;

	log_event(LEVEL_INFO, "broker-stop", LOG_INT("accepted", l->accepted),
		  LOG_INT("sent", l->sent), LOG_INT("taken_back", l->taken_back),
		  LOG_INT("taken", m->taken_by_gone), LOG_INT("client_gone", l->client_gone),
		  LOG_INT("refused", l->refused),
		  LOG_MSG("ended; %llu connections accepted, %llu taken by workers",
			  (unsigned long long)l->accepted, (unsigned long long)m->taken_by_gone));
}

static void tear_down(struct master *m)
{
	struct service *s, *tmp;

	list_for_each_safe (s, tmp, &m->services, link)
		service_free(s);
	if (m->rendezvous.ready)
		rendezvous_stop(m);
	guard_stop(m);
	fd_closep(&m->spare_fd);
	loop_timer_disarm(&m->watch);
	loop_timer_disarm(&m->gone);
	rundir_close(&m->rundir);
	loop_deinit(&m->loop);
	fd_closep(&m->options.ready_fd);
	free(m->shim_path);
	free(m->library_path);
	conf_free(m->conf);
}

static enum exit_code serve(struct master *m)
{
	struct service *s;
	int r;

	log_event(LEVEL_INFO, "broker-start", LOG_INT("pid", getpid()),
		  LOG_STR("version", BROKER_VERSION), LOG_STR("run_dir", m->rundir.path),
		  LOG_MSG("broker " BROKER_VERSION " with %zu service%s", m->conf->n_services,
			  m->conf->n_services == 1 ? "" : "s"));
	list_for_each (s, &m->services, link)
		service_fill(s);
	r = loop_run(&m->loop);
	if (r < 0)
		return fail(EXIT_CODE_FAILURE, strerror(-r));
	log_ledger(m);
	return EXIT_CODE_OK;
}

int master_run(struct conf *conf, const struct master_options *options)
{
	static const int handled[] = { SIGCHLD, SIGHUP,	 SIGTERM, SIGINT,  SIGQUIT,
				       SIGUSR1, SIGTTIN, SIGTTOU, SIGWINCH };
	/* Large, and there is one: not on the stack. */
	static struct master m;
	enum exit_code code;
	int r;

	m = (struct master){ .conf = conf,
			     .options = *options,
			     .keeper_fd = -1,
			     .spare_fd = -1,
			     .rundir = RUNDIR_INIT,
			     .log_source = { .fd = -1, .ready = log_ready } };
	list_init(&m.services);
	watch_init(&m);
	loop_timer_init(&m.gone, gone_expired);
	m.max_starting = 2 * (unsigned)sysconf(_SC_NPROCESSORS_ONLN) + 2;

	log_configure(&conf->broker, options->verbosity);
	r = log_open(&conf->broker);
	if (r < 0) {
		STRBUF(text, 512);

		strbuf_addf(&text, "cannot open the log %s: %s; set log in [broker]",
			    conf->broker.log_path ? conf->broker.log_path : "", strerror(-r));
		code = fail(EXIT_CODE_ENVIRONMENT, text.text);
		conf_free(conf);
		return code;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	/* What a worker leaves behind comes to us, and not to init, where we could not see it end.
	 */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = loop_init(&m.loop, handled, ARRAY_SIZE(handled), signalled);
	if (r < 0) {
		code = fail(EXIT_CODE_FAILURE, strerror(-r));
		conf_free(conf);
		log_close(0);
		return code;
	}
	m.loop.turn = watch_log;
	m.started_ms = loop_now(&m.loop);
	code = prepare(&m);
	if (code == EXIT_CODE_OK)
		code = serve(&m);
	tear_down(&m);
	log_close(MSEC_PER_SEC);
	return code;
}
