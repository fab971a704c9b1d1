#include "ends.h"

#include <stdio.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "handoff_kernel.h"
#include "sys/log.h"
#include "sys/retire.h"
#include "sys/starter.h"
#include "worker/children.h"
#include "worker/explain.h"
#include "worker/output.h"
#include "worker/processes.h"
#include "worker/step.h"

#define LOOK_MS 100
/* An execve(2) takes milliseconds; reading a large program from a slow disk more. */
#define EXEC_LOOKS 20
#define PROBE_MS   2000
/* The dynamic linker of a program that was just executed may not have come to the library. */
#define LOST_LOOKS 5
/* A socket for passing descriptors is there before clients come, of whom there may be very many. */
#define PASSING_FDS 256

/* --- it does not listen any more ------------------------------------------------------- */

/* Whether a message waits for @pid that has descriptors of sockets in it. */
static bool has_rights_in_flight(pid_t pid)
{
	char path[64], text[1024];
	unsigned left = PASSING_FDS;
	_cleanup_dir_ struct dir *dir = proc_fds_open(pid);
	const char *name;

	while (dir && left-- && (name = dir_next(dir))) {
		const char *n;

		snprintf(path, sizeof(path), "fdinfo/%.16s", name);
		n = proc_read(pid, path, text, sizeof(text)) > 0 ? strstr(text, "scm_fds:") : NULL;
		if (n && strtoul(n + strlen("scm_fds:"), NULL, 10) > 0)
			return true;
	}
	return false;
}

/* One that has it and does not say so was just executed; or never will, without the library. */
static enum taker_holds holds(struct taker *t, const struct channel *c)
{
	struct worker *w = container_of(t, struct worker, taker);
	_cleanup_pids_ struct pid_set all = { 0 };
	bool on_its_way = false;
	STRBUF(why, 512);

	/* Children that are left of a zygote take nothing more. */
	if (w->conf->mode == MODE_INETD && w->exited)
		return HOLDS_NOT;
	/* Of those that cannot be seen one may have it. */
	on_its_way = worker_processes(w, &all) < 0;
	for (size_t i = 0; i < all.n; i++) {
		enum proc_seen seen = proc_holds_socket(all.pids[i], c->rx_inode);

		if (seen != PROC_YES) {
			on_its_way = on_its_way || seen == PROC_UNKNOWN ||
				     has_rights_in_flight(all.pids[i]);
			continue;
		}
		if (w->state != WORKER_READY || w->guest ||
		    worker_lost_library(w, c, &why) != LOST_ALL)
			return HOLDS_IT;
		if (c->maybe_looks < LOST_LOOKS)
			return HOLDS_MAYBE;
		/* The app has closed it, and a helper of it still has a copy. */
		if (taker_taken(t) > 0)
			return HOLDS_NOT;
		worker_refuse(w, &why);
		return HOLDS_IT;
	}
	return on_its_way ? HOLDS_MAYBE : HOLDS_NOT;
}

void worker_refuse(struct worker *w, const struct strbuf *why)
{
	log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER(w), LOG_MSG("%s", why->text));
	worker_event(w, EV_STOP);
}

/* To see whether a port is free nobody accepts. */
static bool has_only_probed(const struct worker *w)
{
	return w->ready_ms && !w->conf->wait && loop_now(worker_loop(w)) - w->ready_ms < PROBE_MS &&
	       taker_taken(&w->taker) == 0;
}

static void lost(struct taker *t, struct channel *c)
{
	struct worker *w = container_of(t, struct worker, taker);
	struct endpoint *e = c->endpoint;
	/* Shut down, or the process that listened has ended: nobody would open it again. */
	bool for_good = c->broken || w->exited || w->moved || w->conf->wait;

	endpoint_leave(e, c);
	(void)endpoint_take_back(c, c->broken ? "the worker shut down its listening socket"
					      : "the worker closed its listening socket");
	channel_close(c);
	w->left = e->app_addr;
	/* A worker that ends closes it, too, and others come for it. */
	if (worker_state_is_current(w->state) && !e->served && e->n_channels == 0) {
		e->left_ms = loop_now(worker_loop(w));
		broker_watch(w->terms->broker);
	}
	endpoint_wake(e);
	if (!list_empty(&t->channels))
		return;
	loop_timer_disarm(&w->settle);
	w->check.awaited = false;
	worker_event(w, has_only_probed(w) ? EV_UNLISTEN : EV_CLOSED);
	if (for_good && w->state == WORKER_CLOSED)
		worker_event(w, EV_TIMEOUT);
}

static void said(struct taker *t, struct channel *c)
{
	worker_output_before_end(container_of(t, struct worker, taker));
	worker_children_look(t, c);
}

const struct taker_ops worker_taker_ops = {
	.holds = holds,
	.lost = lost,
	.said = said,
};

/* --- its processes --------------------------------------------------------------------- */

/* Whether child @pid belongs to @w, by the kernel's evidence. */
static enum proc_seen owns_child(const struct worker *w, pid_t pid)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	enum proc_seen seen = PROC_NO, has;

	/* It may have written over it, as setproctitle(3) does. That is one file, and those are
	 * many. */
	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	has = proc_environ_has(pid, HANDOFF_ENV_TOKEN, token);
	if (has == PROC_YES)
		return PROC_YES;
	if (proc_stat(pid).state == 'Z') /* it has no environment any more */
		return PROC_NO;
	list_for_each (struct channel, c, &w->taker.channels, link) {
		seen = proc_holds_socket(pid, c->rx_inode);
		if (seen == PROC_YES ||
		    list_find(struct channel_holder, h, &c->holders, link, h->pid == pid))
			return PROC_YES;
	}
	return has == PROC_NO ? seen : has;
}

static bool is_held(const struct worker *w)
{
	bool held = false;

	list_for_each (struct channel, c, &w->taker.channels, link)
		held |= channel_has_holder(c);
	return held;
}

/* What is known of @pid, a child of the parent, goes into @w->kin_look. */
static void look_at_child(struct worker *w, pid_t pid)
{
	struct kin_look *l = &w->kin_look;
	enum proc_seen owns;

	if (pid_set_has(&w->terms->broker->started, pid))
		return;
	if (!pid_set_has(&w->kin, pid))
		owns = owns_child(w, pid);
	else
		owns = proc_stat(pid).state == 'Z' ? PROC_NO : PROC_YES;
	if (owns != PROC_YES) {
		l->unseen = l->unseen || owns == PROC_UNKNOWN;
		l->ending = l->ending || proc_stat(pid).ending;
		l->executes = l->executes || l->unseen || proc_is_in_exec(pid);
	} else if (pid_set_add(&l->kin, pid) < 0) {
		l->error = -ENOMEM;
	}
}

void kin_look_end(struct kin_look *l)
{
	pid_set_deinit(&l->children);
	pid_set_deinit(&l->kin);
	*l = (struct kin_look){ 0 };
}

/*
 * Finds which children of the broker's parent belong to @w now that its main process is gone. Not
 * those that were started on request, nor the broker, which holds the socket of every worker. Those
 * in @w->kin do: they were seen to, and their numbers are nobody else's before their end is told.
 *
 * False: not known yet. There are thousands of children, and the next look goes on with them. Or
 * none belongs to @w, but one is just ending: it may have been of @w, and may leave us its own
 * children, as a daemon forks twice. Its reaping will tell. Or one is in the middle of execve(2),
 * and has no environment by which it could be known; but it may also be a process that never has
 * one, so that ends after a few looks. The same of one that cannot be seen, which is waited for as
 * long as some process holds the listening socket, unless it was told to end; and if descriptors or
 * memory are short: "could not look" is not "none".
 */
static bool find_kin(struct worker *w)
{
	struct kin_look *l = &w->kin_look;
	uint64_t began_ns = loop_cpu_ns();
	struct pid_set found;

	if (!l->at || l->stale) {
		kin_look_end(l);
		l->error = starter_children(&l->children);
	}
	while (l->at < l->children.n) {
		look_at_child(w, l->children.pids[l->at++]);
		if (loop_cpu_ns() - began_ns > TAKER_LOOKS_NS)
			return false;
	}
	l->at = 0;
	found = l->kin;
	l->kin = w->kin;
	w->kin = found;
	l->ending = l->ending || (l->unseen && w->state != WORKER_STOPPING && is_held(w));
	l->executes = l->executes && w->exec_looks;
	w->exec_looks -= l->executes;
	return w->kin.n > 0 || (l->error == 0 && !l->ending && !l->executes);
}

/* The end of a process is reported; the end of a shortage is not, so that it is looked again. */
static bool find_kin_or_later(struct worker *w)
{
	uint64_t began_ns = loop_cpu_ns();
	bool known = find_kin(w);
	int64_t rest_ms = taker_look_rest(&w->taker, loop_cpu_ns() - began_ns);

	if (known)
		loop_timer_disarm(&w->look);
	else
		loop_timer_arm(worker_loop(w), &w->look, w->kin_look.at ? rest_ms : LOOK_MS);
	return known;
}

/* The one of @w->kin that holds the listening socket, else the first: the app's new main. */
static pid_t heir(const struct worker *w)
{
	list_for_each (struct channel, c, &w->taker.channels, link)
		for (size_t i = 0; i < w->kin.n; i++)
			if (proc_holds_socket(w->kin.pids[i], c->rx_inode) == PROC_YES)
				return w->kin.pids[i];
	return w->kin.pids[0];
}

/* Main has ended: with the whole worker, as the first step of a daemon, or before its children? */
static void judge_end(struct worker *w)
{
	w->undecided = !find_kin_or_later(w);
	if (w->undecided)
		return;
	/* A daemon: what we started says "all is well" and leaves a child, to the subreaper. */
	if (w->conf->mode != MODE_INETD && w->kin.n && WIFEXITED(w->exit_status) &&
	    WEXITSTATUS(w->exit_status) == 0 && worker_state_is_current(w->state)) {
		w->pid = heir(w);
		w->moved = w->ready_ms > 0;
		w->exited = false;
		w->kin.n = 0;
		(void)pid_set_add(&w->terms->broker->started, w->pid);
		notice_process_started(w->terms->broker, w, w->pid);
		log_event(LEVEL_INFO, "worker-daemonised", LOG_WORKER(w),
			  LOG_MSG("process %d moved into the background as process %d",
				  (int)w->main_was, (int)w->pid));
		return;
	}
	worker_event(w, w->kin.n ? EV_MAIN_EXIT : EV_EXIT);
}

static void look_for_kin(struct worker *w)
{
	int64_t rest_ms = taker_look_rest(&w->taker, 0);

	if (w->pid || w->guest)
		return;
	if (rest_ms) {
		loop_timer_arm(worker_loop(w), &w->look, rest_ms);
		return;
	}
	if (w->undecided) {
		judge_end(w);
		return;
	}
	if (find_kin_or_later(w) && w->kin.n == 0)
		worker_event(w, EV_EXIT);
	/* A script that was told has ended, and has left us what it had started. */
	else if (!w->kin_look.at && w->state == WORKER_STOPPING && !w->signal_due)
		worker_signal_kin(w, &w->kin_look.kin);
}

void worker_look_for_kin(struct worker *w)
{
	w->kin_look.stale = true; /* one that was looked at may be the one that has ended */
	look_for_kin(w);
}

void worker_look_expired(struct loop_timer *timer)
{
	look_for_kin(container_of(timer, struct worker, look));
}

void worker_main_exited(struct worker *w, int status)
{
	pid_set_remove(&w->terms->broker->started, w->pid);
	w->main_was = w->pid;
	w->pid = 0;
	w->state_before_exit = w->state;
	w->exit_status = status;
	w->exited = true;
	w->exec_looks = EXEC_LOOKS;
	worker_output_read_last(w);
	judge_end(w);
}

/* --- the process of a guest ------------------------------------------------------------- */

static void process_ended(struct loop_source *source, uint32_t events);

int worker_watch_process(struct worker *w, struct unix_peer *cred)
{
	w->pid = cred->pid;
	w->pidfd = fd_take(&cred->pidfd);
	w->process_source.ready = process_ended;
	return loop_add(worker_loop(w), &w->process_source, w->pidfd, EPOLLIN);
}

void worker_unwatch_process(struct worker *w)
{
	if (w->pidfd < 0)
		return;
	loop_remove(worker_loop(w), &w->process_source);
	retire_fd(&w->pidfd);
}

/*
 * The process has ended, but others have the socket still: the app of a tracer that was killed, or
 * a daemon. One of them that has said HELLO is the guest from now on; if none of those lives, it
 * is over when the last has closed the socket.
 */
static void find_heir(struct worker *w)
{
	struct unix_peer cred;

	list_for_each (const struct channel, c, &w->taker.channels, link)
		list_for_each (const struct channel_holder, h, &c->holders, link) {
			if (proc_stat(h->pid).ending || unix_peer_get(h->fd, &cred) < 0)
				continue;
			if (worker_watch_process(w, &cred) == 0) {
				log_event(LEVEL_INFO, "worker-daemonised", LOG_WORKER(w),
					  LOG_MSG("process %d has ended, and its child %d keeps "
						  "serving",
						  (int)w->main_was, (int)w->pid));
				return;
			}
			worker_unwatch_process(w);
			w->pid = 0;
		}
}

static void watched_ended(struct worker *w)
{
	w->main_was = w->pid;
	w->pid = 0;
	/* The kernel closes the descriptors of a process before it reports its end. */
	if (is_held(w))
		find_heir(w);
	else
		worker_event(w, EV_EXIT);
}

static void process_ended(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, process_source);

	(void)events;
	worker_unwatch_process(w);
	watched_ended(w);
}

void worker_watch_alone(struct worker *w)
{
	struct unix_peer main = { .pid = w->pid, .pidfd = -1 };

	if (w->guest)
		return;
	if (w->pid)
		main.pidfd = (int)syscall(SYS_pidfd_open, w->pid, 0);
	else
		worker_signal_kin(w, &(struct pid_set){ 0 });
	if (main.pidfd >= 0 && worker_watch_process(w, &main) == 0)
		return;
	worker_unwatch_process(w);
	watched_ended(w);
}
