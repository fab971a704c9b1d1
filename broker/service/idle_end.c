#include "idle_end.h"

#include "base/fd.h"
#include "handoff_kernel.h"
#include "policy/pace.h"
#include "sys/log.h"
#include "sys/proc.h"
#include "sys/tcp.h"
#include "worker/clock.h"
#include "worker/processes.h"

#define PAUSE_MS 4 /* a jiffy: no sooner can a sample say more than the one before */

/* A socket of a process that was looked at. */
struct held {
	uint64_t inode;
	bool skip; /* it is none of our connections, or was ended already */
	struct idle_track track;
};

/* --- whose time has come --------------------------------------------------------------- */

int64_t idle_end_begins_ms(const struct service_conf *live)
{
	if (live->drain_idle_ms == DRAIN_IDLE_OFF)
		return INT64_MAX;
	return live->drain_idle_ms == DRAIN_IDLE_AUTO ? live->drain_timeout_ms / 4 * 3
						      : live->drain_idle_ms;
}

static int64_t drains_ms(const struct worker *w)
{
	return loop_now(worker_loop(w)) - w->state_since_ms;
}

static bool is_due(const struct worker *w)
{
	return w->state == WORKER_DRAINING && !worker_finishes_alone(w) && !w->idle_refused &&
	       drains_ms(w) >= idle_end_begins_ms(w->terms->live);
}

static void refuse(struct idle_end *e, struct worker *w, int r)
{
	if (r != -EPERM && r != -EACCES && r != -ENOSYS)
		return; /* it has ended, or descriptors are short */
	w->idle_refused = true;
	if (!e->said)
		log_event(LEVEL_WARN, "drain-idle", LOG_WORKER(w),
			  LOG_MSG("cannot end its idle connections (pidfd_getfd: %s): what is open "
				  "at the end of drain_timeout is cut; %s, or set drain_idle = off",
				  strerror(-r),
				  r == -ENOSYS
					  ? "this needs Linux 5.6, and a seccomp filter that "
					    "allows it"
					  : "run it as the broker's user, give the broker "
					    "CAP_SYS_PTRACE, or see kernel.yama.ptrace_scope"));
	e->said = true;
}

/* --- one socket ------------------------------------------------------------------------ */

static bool is_of_service(const struct service *s, uint16_t port)
{
	if (!port) /* what goes on in a Unix socket, the kernel does not say */
		return false;
	if (list_find(const struct listener, l, &s->dispatch.listeners, link, l->addr.port == port))
		return true;
	/* Listeners that are closed already, as at shutdown. */
	list_for_each (const struct endpoint, e, &s->dispatch.endpoints, link)
		for (size_t i = 0; i < e->n_ports; i++)
			if (e->ports[i] == port)
				return true;
	return false;
}

/* Closing a copy of one that lingers could block, if the worker closes it in that moment. */
static bool lingers(int fd)
{
	struct linger linger;
	socklen_t len = sizeof(linger);

	return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) < 0 ||
	       (linger.l_onoff && linger.l_linger);
}

static pid_t process_of(const struct idle_end *e)
{
	return e->tree.pids.pids[e->tree.pids.n - 1];
}

/* @h is the socket @fd of the process that is looked at. It is not ended at the first sight. */
static int look_at(struct idle_end *e, struct worker *w, int fd, struct held *h)
{
	_cleanup_fd_ int copy = -1, pidfd = -1;
	const struct service_conf *live = w->terms->live;
	uint32_t quiet_ms = idle_quiet_ms(drains_ms(w) - idle_end_begins_ms(live),
					  live->drain_timeout_ms - drains_ms(w));
	struct idle_sample sample;
	bool first = !h->track.seen;
	int r;

	if (h->skip)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, process_of(e), 0);
	r = pidfd < 0 ? -errno : proc_fds_copy(pidfd, fd, h->inode, &copy);
	if (r < 0)
		return r;
	h->skip = first && (!is_of_service(service_of(w), tcp_local_port(copy)) || lingers(copy));
	if (!h->skip)
		r = tcp_sample(copy, &sample);
	if (r < 0 || h->skip || !idle_now(&h->track, &sample, quiet_ms) || first ||
	    shutdown(copy, SHUT_RD) < 0)
		return r;
	h->skip = true;
	w->ended_idle++;
	service_of(w)->measured.ended_idle++;
	return 0;
}

/* --- a pass over all sockets ----------------------------------------------------------- */

static int by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void end_process(struct idle_end *e)
{
	dir_close(&e->dir);
	if (e->tree.pids.n)
		e->tree.pids.n--;
}

/* The worker that is looked at, or the next in age if none of its processes is left; or NULL. */
static struct worker *worker_of_pass(struct idle_end *e)
{
	struct service *s = container_of(e, struct service, idle_end);
	struct worker *w;

	w = list_find(struct worker, it, &s->workers, link, it->id == e->worker && is_due(it));
	if (w && e->tree.pids.n)
		return w;
	end_process(e);
	tree_end(&e->tree);
	w = list_find(struct worker, it, &s->workers, link,
		      it->id > e->worker && is_due(it) && !it->undecided);
	if (!w)
		return NULL;
	e->worker = w->id;
	e->listed = false;
	e->tree.figures = true;
	return worker_add_roots(w, &e->tree.pids) == 0 ? w : NULL;
}

/* One step to find its processes, of which none is looked at while it is debugged. */
static void list_processes(struct idle_end *e, struct worker *w)
{
	int r = tree_steps(&e->tree, 1);

	if (r > 0)
		return;
	e->listed = true;
	if (r < 0 || (w->held & HELD_BY_DEBUG) || (e->tree.tracer && worker_is_debugged(w)))
		e->tree.pids.n = 0;
}

/* The next socket. False: there is none, or no memory. */
static bool look_at_next(struct idle_end *e)
{
	struct worker *w = worker_of_pass(e);
	struct held h = { 0 }, *known = NULL;
	int fd = -1, r;

	if (!w)
		return false;
	if (!e->listed) {
		list_processes(e, w);
		return true;
	}
	if (!e->dir)
		e->dir = proc_fds_open(process_of(e));
	r = e->dir ? proc_fds_next(e->dir, &fd, &h.inode) : -errno;
	if (r <= 0) {
		refuse(e, w, r);
		end_process(e);
		return true;
	}
	if (!h.inode)
		return true;
	if (e->n_known)
		known = bsearch(&h, e->known, e->n_known, sizeof(h), by_inode);
	/* In its place: several processes may have it. */
	refuse(e, w, look_at(e, w, fd, known ? known : &h));
	if (!array_grow(e->found, e->n_found))
		return false;
	e->found[e->n_found++] = known ? *known : h;
	return true;
}

static void end_pass(struct idle_end *e)
{
	end_process(e);
	tree_end(&e->tree);
	free(e->known);
	e->known = e->found;
	e->n_known = e->n_found;
	if (e->n_known)
		qsort(e->known, e->n_known, sizeof(*e->known), by_inode);
	e->found = NULL;
	e->n_found = 0;
	e->worker = 0;
}

void service_idle_end_expired(struct loop_timer *timer)
{
	struct idle_end *e = container_of(timer, struct idle_end, step);
	struct service *s = container_of(e, struct service, idle_end);
	uint64_t began = loop_cpu_ns();
	int64_t pause_ms;
	bool more;

	loop_note(service_loop(s), "end of idle connections");
	do
		more = look_at_next(e);
	while (more && loop_cpu_ns() - began < PACE_SLICE_NS);
	pause_ms = pace_rest_ms(loop_cpu_ns() - began, PACE_IDLE_END);
	if (!more) {
		pause_ms = pause_ms < PAUSE_MS ? PAUSE_MS : pause_ms;
		end_pass(e);
	}
	/* A pass that found nothing was the last: the watch begins the next. */
	if (more || e->n_known)
		loop_timer_arm(service_loop(s), &e->step, pause_ms);
}

void service_end_idle(struct service *s)
{
	if (!loop_timer_armed(&s->idle_end.step) &&
	    list_find(const struct worker, w, &s->workers, link, is_due(w)))
		loop_timer_arm(service_loop(s), &s->idle_end.step, 0);
}

void idle_end_deinit(struct idle_end *e)
{
	loop_timer_disarm(&e->step);
	end_pass(e);
	free(e->known);
}
