#include "core/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "master/reload.h"
#include "start.h"
#include "sys/log.h"
#include "sys/spawn.h"

/* --- children ------------------------------------------------------------------------ */

static struct worker *find_by_pid(const struct master *m, pid_t pid)
{
	struct service *s;
	struct worker *w;

	list_for_each (s, &m->services, link)
		list_for_each (w, &s->workers, link)
			if (w->pid == pid && !w->guest)
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

/* --- signals ------------------------------------------------------------------------- */

static const char *signal_word(int signo)
{
	switch (signo) {
	case SIGTERM:
		return "SIGTERM";
	case SIGINT:
		return "SIGINT";
	case SIGQUIT:
		return "SIGQUIT";
	}
	return "by hand";
}

/* @signo 0: by hand. */
static void begin_stop(struct master *m, bool drain, int signo)
{
	enum stop_mode mode = drain ? STOP_DRAIN : STOP_FAST;
	struct service *s, *tmp;

	/* Asked twice, or more urgently: it ends now. */
	if (m->stopping != RUNNING)
		mode = STOP_NOW;
	m->stopping = mode;
	log_event(LEVEL_INFO, "broker-stopping", LOG_INT("signal", signo),
		  LOG_MSG("%s: %s", signal_word(signo),
			  mode == STOP_DRAIN  ? "taking what waits, then draining all workers"
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

void master_stop(struct master *m, bool drain)
{
	begin_stop(m, drain, 0);
}

static void scale_all(struct master *m, int by)
{
	struct service *s;

	list_for_each (s, &m->services, link) {
		STRBUF(error, 256);

		if (service_set_workers(s, s->want + (unsigned)by, &error) < 0)
			log_event(LEVEL_WARN, "scale", LOG_STR("service", service_name(s)),
				  LOG_INT("workers", s->want),
				  LOG_MSG("stays at %u workers: %s", s->want, error.text));
	}
}

static void reload(struct master *m)
{
	STRBUF(error, CONF_ERROR_BYTES);

	if (m->stopping == RUNNING)
		(void)master_reload(m, NULL, &error);
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
		reload(m);
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
	begin_stop(m, signo == SIGTERM, signo);
}

/* --- ready and gone ------------------------------------------------------------------ */

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

/* --- end ----------------------------------------------------------------------------- */

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
	control_stop(m);
	survey_deinit(&m->survey);
	if (m->rendezvous.loop)
		rendezvous_stop(m);
	web_deinit(&m->web);
	guard_stop(m);
	fd_closep(&m->spare_fd);
	loop_timer_disarm(&m->watch);
	loop_timer_disarm(&m->gone);
	events_deinit(&m->events);
	rundir_close(&m->rundir);
	loop_deinit(&m->loop);
	fd_closep(&m->options.ready_fd);
	free(m->shim_path);
	free(m->library_path);
	if (m->conf_start != m->conf)
		conf_free(m->conf_start);
	conf_free(m->conf);
}

static void serve(struct master *m)
{
	struct service *s;

	log_event(LEVEL_INFO, "broker-start", LOG_INT("pid", getpid()),
		  LOG_STR("version", BROKER_VERSION), LOG_STR("run_dir", m->rundir.path),
		  LOG_MSG("broker " BROKER_VERSION " with %zu service%s", m->conf->n_services,
			  m->conf->n_services == 1 ? "" : "s"));
	list_for_each (s, &m->services, link)
		service_fill(s);
	loop_run(&m->loop);
	log_ledger(m);
}

static uint64_t unix_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * MSEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC;
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
			     .conf_start = conf,
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
		code = start_failed(EXIT_CODE_ENVIRONMENT, text.text);
		conf_free(conf);
		return code;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	/* What a worker leaves behind comes to us, and not to init, where we could not see it end.
	 */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = loop_init(&m.loop, handled, ARRAY_SIZE(handled), signalled);
	if (r < 0) {
		code = start_failed(EXIT_CODE_FAILURE, strerror(-r));
		conf_free(conf);
		log_close(0);
		return code;
	}
	m.loop.turn = watch_log;
	events_init(&m.events, &m.loop);
	survey_init(&m.survey, &m);
	control_init(&m);
	m.started_ms = loop_now(&m.loop);
	m.started_unix_ms = unix_now_ms();
	web_init(&m.web, &m);
	code = start_prepare(&m);
	if (code == EXIT_CODE_OK)
		serve(&m);
	tear_down(&m);
	log_close(MSEC_PER_SEC);
	return code;
}
