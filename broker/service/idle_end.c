#include "idle_end.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "base/fd.h"
#include "sys/log.h"
#include "sys/proc.h"
#include "sys/tcp.h"
#include "worker/clock.h"
#include "worker/processes.h"

#define SLICE_NS (500 * 1000)
#define PAUSE_MS 4 /* a jiffy: no sooner can a sample say more than the one before */
/* Three times as long as a pass took; but that may have been for others on a busy machine. */
#define PAUSE_MAX_MS 100

/* A process of a worker whose connections are to end. */
struct holder {
	pid_t pid;
	uint64_t worker; /* its id: it may be gone before it is looked at again */
	uint32_t quiet_ms;
};

/* A socket that it holds. */
struct held {
	uint64_t inode;
	bool seen; /* .skip is known */
	bool skip; /* it is none of our connections, or was ended already */
	struct idle_track track;
};

struct held_set {
	struct held *v; /* array_grow() */
	size_t n;
};

struct idle_end {
	struct service *service;
	struct loop_timer step;
	struct held_set known; /* of the last pass, sorted */
	bool said;	       /* why it cannot be done */
	/* The pass under way. */
	uint64_t began_ns;	/* 0: there is none */
	struct holder *holders; /* still to be looked at, the last of them first; array_grow() */
	size_t n_holders;
	DIR *dir;  /* of the last, or NULL */
	int pidfd; /* ... or -1 */
	struct held_set found;
};

/* --- whose time has come --------------------------------------------------------------- */

static int64_t begins_ms(const struct service_conf *live)
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
	return w->state == WORKER_DRAINING && !w->idle_refused &&
	       drains_ms(w) >= begins_ms(w->terms->live);
}

static struct worker *due_by_id(const struct service *s, uint64_t id)
{
	struct worker *w;

	return list_find(w, &s->workers, link, w->id == id && is_due(w));
}

static void refuse(struct idle_end *e, uint64_t worker, int r)
{
	struct worker *w = due_by_id(e->service, worker);

	if (!w || (r != -EPERM && r != -EACCES && r != -ENOSYS))
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
	const struct listener *l;
	const struct endpoint *e;

	if (list_find(l, &s->dispatch.listeners, link, l->addr.port == port))
		return true;
	/* Listeners that are closed already, as at shutdown. */
	list_for_each (e, &s->dispatch.endpoints, link)
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

/* @h is the socket @fd of the process that is looked at. It is not ended at the first sight. */
static void look_at(struct idle_end *e, const struct holder *by, int fd, struct held *h)
{
	_cleanup_fd_ int copy = -1;
	struct idle_sample sample;
	struct worker *w;
	bool first = !h->seen;
	int r;

	if (h->skip)
		return;
	r = proc_fds_copy(e->pidfd, fd, h->inode, &copy);
	if (r == 0) {
		h->seen = true;
		h->skip = first &&
			  (!is_of_service(e->service, tcp_local_port(copy)) || lingers(copy));
		if (!h->skip)
			r = tcp_sample(copy, &sample);
	}
	if (r < 0)
		refuse(e, by->worker, r);
	if (r < 0 || h->skip || !idle_now(&h->track, &sample, by->quiet_ms) || first)
		return;
	w = due_by_id(e->service, by->worker);
	if (!w || shutdown(copy, SHUT_RD) < 0)
		return;
	h->skip = true;
	w->ended_idle++;
	e->service->measured.ended_idle++;
}

/* --- a pass over all sockets ----------------------------------------------------------- */

static int by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static int add_processes(struct idle_end *e, const struct worker *w)
{
	const struct service_conf *live = w->terms->live;
	_cleanup_pids_ struct pid_set all = { 0 };
	int r = worker_processes(w, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		if (!array_grow(e->holders, e->n_holders))
			return -ENOMEM;
		e->holders[e->n_holders++] = (struct holder){
			.pid = all.pids[i],
			.worker = w->id,
			.quiet_ms = idle_quiet_ms(drains_ms(w) - begins_ms(live),
						  live->drain_timeout_ms - drains_ms(w)),
		};
	}
	return r;
}

static void end_process(struct idle_end *e)
{
	if (e->dir)
		(void)closedir(e->dir);
	e->dir = NULL;
	fd_closep(&e->pidfd);
	if (e->n_holders)
		e->n_holders--;
}

/* If it fails, errno says why, and there is no .dir. */
static void begin_process(struct idle_end *e, pid_t pid)
{
	e->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (e->pidfd >= 0)
		e->dir = proc_fds_open(pid);
}

/* The next socket. False: there is none, or no memory. */
static bool look_at_next(struct idle_end *e)
{
	const struct holder *by = e->n_holders ? &e->holders[e->n_holders - 1] : NULL;
	struct held h = { 0 }, *known = NULL;
	int fd = -1, r;

	if (!by)
		return false;
	if (!e->dir)
		begin_process(e, by->pid);
	r = e->dir ? proc_fds_next(e->dir, &fd, &h.inode) : -errno;
	if (r <= 0) {
		refuse(e, by->worker, r);
		end_process(e);
		return true;
	}
	if (e->known.n)
		known = bsearch(&h, e->known.v, e->known.n, sizeof(h), by_inode);
	/* In its place: several processes may have it. */
	look_at(e, by, fd, known ? known : &h);
	if (!array_grow(e->found.v, e->found.n))
		return false;
	e->found.v[e->found.n++] = known ? *known : h;
	return true;
}

/* False: no worker is due, or it cannot be done now. */
static bool begin_pass(struct idle_end *e)
{
	const struct worker *w;
	int r = 0;

	e->began_ns = loop_clock_ns();
	list_for_each (w, &e->service->workers, link)
		if (r == 0 && is_due(w) && !worker_is_debugged(w))
			r = add_processes(e, w);
	return r == 0 && e->n_holders;
}

static void end_pass(struct idle_end *e)
{
	free(e->known.v);
	e->known = e->found;
	if (e->known.n)
		qsort(e->known.v, e->known.n, sizeof(*e->known.v), by_inode);
	e->found = (struct held_set){ 0 };
	end_process(e);
	free(e->holders);
	e->holders = NULL;
	e->n_holders = 0;
	e->began_ns = 0;
}

static void step_expired(struct loop_timer *timer)
{
	struct idle_end *e = container_of(timer, struct idle_end, step);
	uint64_t began = loop_clock_ns();
	bool more = e->began_ns || begin_pass(e);
	int64_t pause_ms = 0;

	while (more && loop_clock_ns() - began < SLICE_NS)
		more = look_at_next(e);
	if (!more) {
		pause_ms = (int64_t)(loop_clock_ns() - e->began_ns) * 3 / NSEC_PER_MSEC;
		pause_ms = pause_ms < PAUSE_MS	     ? PAUSE_MS
			   : pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS
						     : pause_ms;
		end_pass(e);
	}
	/* A pass that found nothing was the last: the watch begins the next. */
	if (more || e->known.n)
		loop_timer_arm(service_loop(e->service), &e->step, pause_ms);
}

void service_end_idle(struct service *s)
{
	struct idle_end *e = s->idle_end;
	const struct worker *w;

	if ((e && loop_timer_armed(&e->step)) || !list_find(w, &s->workers, link, is_due(w)))
		return;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return; /* the next look tries again */
		e->service = s;
		e->pidfd = -1;
		loop_timer_init(&e->step, step_expired);
		s->idle_end = e;
	}
	loop_timer_arm(service_loop(s), &e->step, 0);
}

void service_idle_end_free(struct service *s)
{
	struct idle_end *e = s->idle_end;

	if (!e)
		return;
	loop_timer_disarm(&e->step);
	end_pass(e);
	free(e->known.v);
	free(e);
	s->idle_end = NULL;
}
