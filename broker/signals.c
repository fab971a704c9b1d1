#include "signals.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "guard.h"
#include "master/reload.h"
#include "service/fill.h"
#include "service/life.h"
#include "sys/log.h"
#include "worker/command.h"
#include "worker/ends.h"
#include "worker/hold.h"

static const int signals_handled[] = { SIGCHLD, SIGHUP,	 SIGTERM, SIGINT,  SIGQUIT,
				       SIGUSR1, SIGTTIN, SIGTTOU, SIGWINCH };

/* --- children ------------------------------------------------------------------------ */

static struct worker *find_by_pid(const struct broker *b, pid_t pid)
{
	struct service *s;
	struct worker *w;

	list_for_each (s, &b->services, link)
		list_for_each (w, &s->workers, link)
			if (w->pid == pid && !w->guest)
				return w;
	return NULL;
}

static bool helper_was_reaped(const struct broker *b, pid_t pid, int status)
{
	struct service *s;
	struct worker *w;

	list_for_each (s, &b->services, link)
		list_for_each (w, &s->workers, link)
			if (helper_reaped(&w->check.command, pid, status) ||
			    helper_reaped(&w->aside, pid, status))
				return true;
	return false;
}

/* Some process that we had not started, but were left with, has ended: was it the last one? */
static void look_for_kin(struct broker *b)
{
	struct service *s, *s_tmp;
	struct worker *w, *w_tmp;

	list_for_each_safe (s, s_tmp, &b->services, link)
		list_for_each_safe (w, w_tmp, &s->workers, link)
			worker_look_for_kin(w);
}

static void reap(struct run *run)
{
	struct broker *b = &run->master.broker;
	bool strangers = false;
	int status;
	pid_t pid;

	/* SIGCHLDs coalesce: one may stand for many. */
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		struct worker *w = find_by_pid(b, pid);

		if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
			if (w)
				worker_note_stopped(w, WIFSTOPPED(status));
			continue;
		}
		if (guard_reaped(&run->guard, pid) || (!w && helper_was_reaped(b, pid, status)))
			continue;
		if (w)
			worker_main_exited(w, status);
		else
			strangers = true;
	}
	if (strangers)
		look_for_kin(b);
}

/* --- signals ------------------------------------------------------------------------- */

static void scale_all(struct broker *b, int by)
{
	struct service *s;

	list_for_each (s, &b->services, link) {
		STRBUF(error, 256);

		if (service_set_workers(s, s->want + (unsigned)by, &error) < 0)
			log_event(LEVEL_WARN, "scale", LOG_STR("service", service_name(s)),
				  LOG_INT("workers", s->want),
				  LOG_MSG("stays at %u workers: %s", s->want, error.text));
	}
}

static void reopen_logs(void)
{
	int r = log_reopen();

	log_event(r < 0 ? LEVEL_ERROR : LEVEL_INFO, "log-reopened",
		  LOG_MSG("%s", r < 0 ? strerror(-r) : "the log file was reopened"));
}

/* @loop is that of a struct run. */
static void received(struct loop *loop, int signo)
{
	struct run *run = container_of(loop, struct run, master.broker.loop);
	struct broker *b = &run->master.broker;
	STRBUF(error, CONF_ERROR_BYTES);
	struct service *s;

	switch (signo) {
	case SIGCHLD:
		reap(run);
		return;
	case SIGHUP:
		(void)master_reload(&run->master, NULL, &error);
		return;
	case SIGUSR1:
		reopen_logs();
		return;
	case SIGTTIN:
		scale_all(b, 1);
		return;
	case SIGTTOU:
		scale_all(b, -1);
		return;
	case SIGWINCH:
		list_for_each (s, &b->services, link)
			service_pause(s);
		return;
	}
	master_stop(&run->master, signo == SIGTERM, signo);
}

int signals_begin(struct loop *loop)
{
	return loop_init(loop, signals_handled, ARRAY_SIZE(signals_handled), received);
}
