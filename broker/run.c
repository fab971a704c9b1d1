#include "start.h"

#include <malloc.h>
#include <sys/wait.h>
#include "adopt.h"
#include "base/fd.h"
#include "service/fill.h"
#include "service/life.h"
#include "service/survey.h"
#include "shadow.h"
#include "service/watch.h"
#include "sys/log.h"
#include "sys/retire.h"
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
		loop_settle(&m->broker.loop);
		(void)!write(run->ready_fd, "ready\n", 6);
		retire_fd(&run->ready_fd);
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

/* --- the parent, which has the processes --------------------------------------------- */

/* No observer of guests: their processes are somebody else's to end. */
static void worker_started(struct observer *o, const struct worker *w)
{
	const struct service_conf *sc = w->conf;
	/* Never waits: a stopped parent must not stop the broker. What it misses it misses. */
	int r = starter_keep(w->pid, sc->stop_signal, sc->drain_timeout_ms, sc->stop_timeout_ms,
			     w->output_fd);

	(void)o;
	if (r < 0)
		log_event(LEVEL_WARN, "parent", LOG_WORKER(w),
			  LOG_MSG("the broker's parent process does not take it: %s",
				  strerror(-r)));
}

/* Whether process @pid, which has ended, stopped or continued, is known, or none that matters. */
static bool child_changed(struct run *run, pid_t pid, int status)
{
	bool ended = WIFEXITED(status) || WIFSIGNALED(status);

	list_for_each (struct service, s, &run->master.broker.services, link)
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
	return !ended || helper_reaped(&run->master.names.asker, pid, status) ||
	       helper_reaped(&run->master.mover.relay, pid, status) ||
	       helper_reaped(&run->upgrade.trial, pid, status);
}

static void process_changed(struct starter_events *events, pid_t pid, int status)
{
	struct run *run = container_of(events, struct run, processes);
	struct broker *b = &run->master.broker;

	loop_note(&b->loop, "processes that ended");
	if (child_changed(run, pid, status))
		return;
	pid_set_remove(&b->started, pid); /* of a worker that was left to itself */
	loop_timer_arm(&b->loop, &run->look, 0);
}

/* Some processes that were left to the parent have ended: was one the last of a worker? */
static void look_for_kin(struct loop_timer *timer)
{
	struct broker *b = &container_of(timer, struct run, look)->master.broker;

	list_for_each_safe (struct service, s, s_tmp, &b->services, link)
		list_for_each_safe (struct worker, w, w_tmp, &s->workers, link)
			worker_look_for_kin(w);
}

/* Without it nothing can be started. What is there serves what it has. */
static void parent_gone(struct starter_events *events)
{
	struct master *m = &container_of(events, struct run, processes)->master;

	log_event(
		LEVEL_ERROR, "parent", LOG_INT("pid", starter_pid()),
		LOG_MSG("the broker's parent process has ended: the broker ends, too, as no worker "
			"can be started any more"));
	list_for_each_safe (struct service, s, s_tmp, &m->broker.services, link)
		list_for_each_safe (struct worker, w, w_tmp, &s->workers, link)
			worker_watch_alone(w);
	master_stop(m, true, 0);
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
		shadow_reap(run);
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

/* --- what the log needs of the loop, and says of it ------------------------------------- */

static void log_ready(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	log_flush();
}

/* What waits for a slow reader of the log goes out as soon as it reads, not with the next entry. */
static void watch_log(struct loop *loop)
{
	struct run *run = container_of(loop, struct run, master.broker.loop);
	int fd = log_pending_fd();

	if (fd == run->log_source.fd)
		return;
	loop_remove(loop, &run->log_source);
	/* A regular file cannot be watched (EPERM), and does not keep anybody waiting. */
	if (fd >= 0)
		(void)loop_add(loop, &run->log_source, fd, EPOLLOUT);
}

/* Nobody was served meanwhile. */
static void turn_late(struct loop *loop, uint64_t ns, const struct loop_noted *noted)
{
	const char *what = noted->longest_ns > ns / 2 ? noted->longest : NULL;
	unsigned long long ms = ns / NSEC_PER_MSEC;

	log_event(LEVEL_WARN, "loop-late", LOG_INT("ms", ms), LOG_STR("what", what),
		  LOG_MSG("the broker looked at no connection for %llu ms: %s%s", ms,
			  what ? "most of that went into one thing, " : "",
			  what ? what : "it was stopped, had no processor, or had much to do"));
	watch_log(loop); /* this turn's look is over */
}

static void turn_ends(struct loop *loop)
{
	struct run *run = container_of(loop, struct run, master.broker.loop);

	watch_log(loop);
	if (shadow_turn(run))
		rendezvous_welcome(&run->rendezvous);
	rendezvous_turn(&run->rendezvous);
}

/* --- begin and end ------------------------------------------------------------------- */

static void begin(struct run *run)
{
	struct master *m = &run->master;

	if (run->adopting) {
		adopt_finish(run);
		return;
	}
	log_event(LEVEL_INFO, "broker-start", LOG_INT("pid", starter_pid()),
		  LOG_INT("broker_pid", getpid()), LOG_STR("version", BROKER_VERSION),
		  LOG_STR("run_dir", m->rundir.path),
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
	loop_timer_arm(&run->master.broker.loop, &run->look, 0);
	if (shadow_begin(run) < 0)
		log_event(LEVEL_WARN, "shadow",
			  LOG_MSG("without memory nobody goes on if the broker is killed"));
	loop_run(&run->master.broker.loop);
	log_event(LEVEL_INFO, "broker-stop", LOG_INT("accepted", l->accepted),
		  LOG_INT("sent", l->sent), LOG_INT("taken_back", l->taken_back),
		  LOG_INT("moved", b->moved_by_gone), LOG_INT("taken", b->taken_by_gone),
		  LOG_INT("client_gone", l->client_gone), LOG_INT("refused", l->refused),
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
	starter_close();
	shadow_end(run);
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
	run->observer.process = worker_started;
	run->processes = (struct starter_events){ process_changed, parent_gone };
	list_init(&run->rendezvous.greetings);
	list_init(&run->rendezvous.due);
	broker_init(&m->broker);
	list_append(&m->broker.observers, &run->observer.link);
	(void)pid_set_add(&m->broker.started, getpid()); /* the parent did */
	run->log_source = (struct loop_source){ .fd = -1, .ready = log_ready };
	m->broker.loop.turn = turn_ends;
	m->broker.loop.late = turn_late;
	loop_timer_init(&m->broker.watch, watch_expired);
	m->broker.watch.quiet = true; /* what it finds is found again */
	loop_timer_init(&m->broker.evidence.step, evidence_expired);
	loop_timer_init(&m->broker.tidy, tidy_expired);
	loop_timer_init(&run->look, look_for_kin);
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
	if (!run->trial)
		r = starter_listen(&m->broker.loop, &run->processes);
	code = r < 0 ? start_failed(EXIT_CODE_FAILURE, strerror(-r)) : prepare(run);
	if (run->trial)
		return code == EXIT_CODE_OK ? upgrade_answer(run) : code;
	if (code == EXIT_CODE_OK)
		serve(run);
	tear_down(run);
	log_close(MSEC_PER_SEC);
	return code;
}
