#include "run.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "adopt.h"
#include "base/fd.h"
#include "control/commands.h"
#include "loop_log.h"
#include "master/master.h"
#include "service/fill.h"
#include "service/life.h"
#include "service/questions.h"
#include "service/evidence.h"
#include "service/watch.h"
#include "sys/keeper.h"
#include "sys/log.h"
#include "sys/pair.h"
#include "sys/spawn.h"
#include "worker/command.h"
#include "worker/ends.h"
#include "upgrade.h"
#include "worker/step.h"

/* --- ready and gone ------------------------------------------------------------------ */

/* All services are ready for the first time: --ready-fd is told. */
static void check_ready(struct run *run)
{
	struct master *m = &run->master;

	if (m->ready)
		return;
	list_for_each (struct service, s, &m->broker.services, link)
		if (!service_is_ready(s))
			return;
	m->ready = true;
	log_event(LEVEL_INFO, "broker-ready",
		  LOG_INT("ms", loop_now(&m->broker.loop) - m->started_ms),
		  LOG_MSG("all services are ready"));
	systemd_report_unused(true);
	if (run->ready_fd >= 0) {
		(void)!write(run->ready_fd, "ready\n", 6);
		fd_closep(&run->ready_fd);
	}
}

static void tidy_expired(struct loop_timer *timer)
{
	struct run *run = container_of(timer, struct run, master.broker.tidy);
	struct broker *b = &run->master.broker;

	check_ready(run);
	systemd_changed(&run->systemd);
	list_for_each_safe (struct service, s, tmp, &b->services, link)
		if (service_is_gone(s))
			service_free(s);
	if (list_empty(&b->services) && b->stopping)
		b->loop.stop = true;
}

/* --- the keeper ---------------------------------------------------------------------- */

/* No observer of guests: their processes are somebody else's to end. */
static void guard_add(struct guard *g, const struct worker *w)
{
	const struct keeper_entry entry = {
		.pid = w->pid,
		.stop_signal = w->conf->stop_signal,
		.drain_ms = w->conf->drain_timeout_ms,
		.stop_ms = w->conf->stop_timeout_ms,
	};
	int r;

	if (g->fd < 0)
		return;
	/* Never waits: a stopped keeper must not stop the broker. What it misses it misses. */
	r = handoff_send(g->fd, &entry, sizeof(entry), &w->output_fd, w->output_fd >= 0,
			 MSG_DONTWAIT);
	if (r < 0)
		log_event(LEVEL_WARN, "keeper", LOG_INT("pid", g->pid),
			  LOG_MSG("the keeper cannot be told of %s: %s", w->name, strerror(-r)));
}

static void worker_started(struct observer *o, const struct worker *w)
{
	guard_add(container_of(o, struct guard, observer), w);
}

static int start_keeper(struct guard *g)
{
	_cleanup_fd_ int theirs = -1, ours = -1;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	theirs = ends[0];
	ours = ends[1];
	r = spawn_helper(keeper_run, theirs, &g->pid);
	if (r < 0)
		return r;
	g->fd = fd_take(&ours);
	g->began_ms = loop_now(&g->broker->loop);
	(void)pid_set_add(&g->broker->started, g->pid);
	list_for_each (const struct service, s, &g->broker->services, link)
		list_for_each (const struct worker, w, &s->workers, link)
			if (w->pid && !w->guest)
				guard_add(g, w);
	return 0;
}

#define KEEPER_MIN_MS	 100
#define KEEPER_MAX_MS	 (60 * MSEC_PER_SEC)
#define KEEPER_STEADY_MS (10 * MSEC_PER_SEC) /* it has lived so long: no failure before counts */

static void start_next_later(struct guard *g, const char *what, const char *why)
{
	int64_t now = loop_now(&g->broker->loop), delay;

	if (now - g->began_ms >= KEEPER_STEADY_MS)
		backoff_reset(&g->backoff);
	delay = backoff_failed(&g->backoff, now, KEEPER_MIN_MS, KEEPER_MAX_MS);
	loop_timer_arm(&g->broker->loop, &g->next, delay);
	log_event(LEVEL_WARN, "keeper", LOG_INT("delay_ms", delay),
		  LOG_MSG("the keeper %s (%s): the next one is started in %lld ms; nobody ends the "
			  "workers if the broker is killed before that",
			  what, why, (long long)delay));
}

static void keeper_due(struct loop_timer *timer)
{
	struct guard *g = container_of(timer, struct guard, next);
	int r = start_keeper(g);

	if (r < 0)
		start_next_later(g, "cannot be started", strerror(-r));
}

/* Whether child @pid, which has ended, was the keeper. Then a new one is started. */
static bool guard_reaped(struct guard *g, pid_t pid, int status)
{
	STRBUF(why, 128);

	if (pid != g->pid)
		return false;
	pid_set_remove(&g->broker->started, pid);
	g->pid = 0;
	fd_closep(&g->fd);
	if (WIFSIGNALED(status))
		strbuf_addf(&why, "signal %d", WTERMSIG(status));
	else
		strbuf_add(&why, strerror(WEXITSTATUS(status)));
	start_next_later(g, "has ended", why.text);
	return true;
}

static void guard_stop(struct guard *g)
{
	pid_t pid = g->pid;

	loop_timer_disarm(&g->next);
	g->pid = 0;
	fd_closep(&g->fd);
	if (!pid)
		return;
	/* It has nobody to look after any more. */
	(void)spawn_kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* --- children ------------------------------------------------------------------------ */

/* Whether child @pid, which has ended, stopped or continued, is known, or none that matters. */
static bool child_changed(struct master *m, pid_t pid, int status)
{
	bool ended = WIFEXITED(status) || WIFSIGNALED(status);

	list_for_each (struct service, s, &m->broker.services, link)
		list_for_each (struct worker, w, &s->workers, link) {
			if (w->pid == pid && !w->guest && ended)
				worker_main_exited(w, status);
			else if (w->pid == pid && !w->guest)
				worker_note_stopped(w, WIFSTOPPED(status));
			else if (!ended || (!helper_reaped(&w->check.command, pid, status) &&
					    !helper_reaped(&w->aside, pid, status)))
				continue;
			return true;
		}
	return !ended || helper_reaped(&m->names.asker, pid, status);
}

/*
 * One child in a turn: it takes a millisecond if /proc was read for its descriptors. Those that we
 * had not started we were left with: was it the last of a worker?
 */
static void reap(struct loop_timer *timer)
{
	struct run *run = container_of(timer, struct run, reap);
	struct broker *b = &run->master.broker;
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);

	loop_note(&b->loop, "children that ended");
	if (pid > 0) {
		loop_timer_arm(&b->loop, timer, 0);
		if (child_changed(&run->master, pid, status) ||
		    guard_reaped(&run->guard, pid, status) ||
		    upgrade_reaped(&run->upgrade, pid, status))
			return;
		pid_set_remove(&b->started, pid); /* of a worker that was left to itself */
		run->strangers = true;
	} else if (run->strangers) {
		run->strangers = false;
		list_for_each_safe (struct service, s, s_tmp, &b->services, link)
			list_for_each_safe (struct worker, w, w_tmp, &s->workers, link)
				worker_look_for_kin(w);
	}
}

/* --- signals: broker(8) has the list --------------------------------------------------- */

static const int signals_handled[] = { SIGCHLD, SIGHUP,	 SIGTERM, SIGINT,  SIGQUIT,
				       SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH };

static void scale_all(struct broker *b, int by)
{
	list_for_each (struct service, s, &b->services, link) {
		STRBUF(error, 256);

		if (service_set_workers(s, s->want + (unsigned)by, &error) < 0)
			log_event(LEVEL_WARN, "scale", LOG_STR("service", service_name(s)),
				  LOG_INT("workers", s->want),
				  LOG_MSG("stays at %u workers: %s", s->want, error.text));
	}
}

/* @loop is that of a struct run. */
static void signalled(struct loop *loop, int signo)
{
	struct run *run = container_of(loop, struct run, master.broker.loop);
	struct broker *b = &run->master.broker;
	STRBUF(error, 512);
	int r;

	switch (signo) {
	case SIGCHLD:
		loop_timer_arm(&b->loop, &run->reap, 0);
		return;
	case SIGHUP:
		loop_note(loop, "reload");
		start_restore(b);
		master_hang_up(&run->master);
		return;
	case SIGUSR1:
		r = log_reopen(&error);
		log_event(r < 0 ? LEVEL_ERROR : LEVEL_INFO, "log-reopened",
			  LOG_MSG("%s", r < 0 ? error.text : "the log file was reopened"));
		return;
	case SIGUSR2:
		(void)upgrade_begin(&run->upgrade, NULL, &error);
		return;
	case SIGTTIN:
		scale_all(b, 1);
		return;
	case SIGTTOU:
		scale_all(b, -1);
		return;
	case SIGWINCH:
		list_for_each (struct service, s, &b->services, link)
			service_pause(s);
		return;
	}
	master_stop(&run->master, signo == SIGTERM, signo);
}

/* --- begin and end ------------------------------------------------------------------- */

static void begin(struct run *run)
{
	struct master *m = &run->master;

	if (run->adopting) {
		adopt_finish(run);
		return;
	}
	log_event(LEVEL_INFO, "broker-start", LOG_INT("pid", getpid()),
		  LOG_STR("version", BROKER_VERSION), LOG_STR("run_dir", m->rundir.path),
		  LOG_MSG("broker " BROKER_VERSION " with %zu service%s", m->conf->n_services,
			  m->conf->n_services == 1 ? "" : "s"));
	list_for_each (struct service, s, &m->broker.services, link)
		service_fill(s);
}

static void serve(struct run *run)
{
	const struct broker *b = &run->master.broker;
	const struct ledger *l = &b->gone;

	begin(run);
	/* What one before us was told of, but did not come to. */
	loop_timer_arm(&run->master.broker.loop, &run->reap, 0);
	loop_run(&run->master.broker.loop);
	log_event(LEVEL_INFO, "broker-stop", LOG_INT("accepted", l->accepted),
		  LOG_INT("sent", l->sent), LOG_INT("taken_back", l->taken_back),
		  LOG_INT("taken", b->taken_by_gone), LOG_INT("client_gone", l->client_gone),
		  LOG_INT("refused", l->refused),
		  LOG_MSG("ended; %llu connections accepted, %llu taken by workers",
			  (unsigned long long)l->accepted, (unsigned long long)b->taken_by_gone));
}

static void tear_down(struct run *run)
{
	struct master *m = &run->master;

	list_for_each_safe (struct service, s, tmp, &m->broker.services, link)
		service_free(s);
	control_stop(&run->control);
	survey_deinit(&run->survey);
	if (run->rendezvous.broker)
		rendezvous_stop(&run->rendezvous);
	web_deinit(&run->web);
	guard_stop(&run->guard);
	upgrade_deinit(&run->upgrade);
	broker_deinit(&m->broker);
	events_deinit(&run->events);
	rundir_close(&m->rundir);
	loop_deinit(&m->broker.loop);
	fd_closep(&run->ready_fd);
	if (m->conf_start != m->conf)
		conf_free(m->conf_start);
	conf_free(m->conf);
}

/* Not before there is a loop. */
static void init(struct run *run)
{
	struct master *m = &run->master;
	struct timespec now;

	m->broker.conf = &m->conf->broker;
	m->rundir = RUNDIR_INIT;
	if (!run->adopting) {
		m->conf_start = m->conf;
		m->started_ms = loop_now(&m->broker.loop);
		clock_gettime(CLOCK_REALTIME, &now);
		m->started_unix_ms =
			(uint64_t)now.tv_sec * MSEC_PER_SEC + (uint64_t)now.tv_nsec / NSEC_PER_MSEC;
	}
	run->guard.broker = &m->broker;
	run->guard.observer.process = worker_started;
	run->guard.fd = -1;
	loop_timer_init(&run->guard.next, keeper_due);
	list_init(&run->rendezvous.greetings);
	broker_init(&m->broker);
	notice_observe(&m->broker, &run->guard.observer);
	loop_log_begin(run);
	loop_timer_init(&m->broker.watch, watch_expired);
	loop_timer_init(&m->broker.evidence.step, evidence_expired);
	loop_timer_init(&m->broker.tidy, tidy_expired);
	loop_timer_init(&run->reap, reap);
	master_init(m);
	events_init(&run->events, &m->broker.loop);
	survey_init(&run->survey, &m->broker);
	control_init(&run->control, m, &run->events, &run->survey, commands_answer);
	web_init(&run->web, m, &run->survey);
	if (!run->adopting)
		systemd_init(&run->systemd, m);
	upgrade_init(&run->upgrade, run);
}

static enum exit_code open_log(struct run *run)
{
	struct master *m = &run->master;
	const struct broker_conf *bc = &m->conf->broker;
	STRBUF(text, 512);
	STRBUF(why, 512);
	int r = 0;

	log_configure(bc, run->trial ? -LEVEL_DEBUG : m->verbosity);
	if (run->adopting)
		return adopt_log(run) < 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
	if (bc->user || bc->group)
		r = user_lookup(bc->names, bc->user, bc->group, &m->heir, &text);
	if (r < 0)
		return start_failed(EXIT_CODE_ENVIRONMENT, text.text);
	r = log_open(bc, m->heir.ids.change ? &m->heir.ids : NULL, &why);
	if (r == 0)
		return EXIT_CODE_OK;
	strbuf_addf(&text, "cannot open the log %s: %s; set log in [broker]",
		    bc->log_path ? bc->log_path : "", why.text);
	return start_failed(EXIT_CODE_ENVIRONMENT, text.text);
}

static enum exit_code prepare(struct run *run)
{
	STRBUF(error, 1024);
	enum exit_code code = run->adopting ? EXIT_CODE_OK : start_prepare(run);
	int r = run->adopting ? adopt_all(run, &error) : 0;

	if (r == 0 && code == EXIT_CODE_OK && !run->guard.pid && !run->trial)
		r = start_keeper(&run->guard);
	return r < 0 ? start_failed(EXIT_CODE_FAILURE, error.len ? error.text : strerror(-r))
		     : code;
}

enum exit_code run_broker(struct run *run)
{
	struct master *m = &run->master;
	enum exit_code code = open_log(run);
	int r = 0;

	(void)signal(SIGPIPE, SIG_IGN);
#ifdef __GLIBC__
	/*
	 * A service is large, and little of it is used: pages of its own, which nobody touches,
	 * take no memory. By itself glibc would go over to memory that it has used before.
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
	/* What a worker leaves behind comes to us, and not to init, where we could not see it end.
	 */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (code == EXIT_CODE_OK)
		r = loop_init(&m->broker.loop, signals_handled, ARRAY_SIZE(signals_handled),
			      signalled);
	if (r < 0)
		code = start_failed(EXIT_CODE_FAILURE, strerror(-r));
	if (code != EXIT_CODE_OK) {
		conf_free(m->conf);
		log_close(0);
		return code;
	}
	init(run);
	m->broker.loop.dry = run->trial;
	code = prepare(run);
	if (run->trial)
		return code == EXIT_CODE_OK ? upgrade_answer(run) : code;
	if (code == EXIT_CODE_OK)
		serve(run);
	tear_down(run);
	log_close(MSEC_PER_SEC);
	return code;
}
