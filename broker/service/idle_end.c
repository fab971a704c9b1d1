#include "idle_end.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "service/survey.h"
#include "sys/log.h"
#include "sys/proc_fds.h"
#include "sys/sockdiag.h"
#include "sys/tcp_info.h"
#include "worker/clock.h"
#include "worker/processes.h"

#define SLICE_NS (500 * 1000)
#define PAUSE_MS 4 /* a jiffy: no sooner can a sample say more than the one before */
#define PART	 64

/* A process of a worker whose connections are to end. */
struct holder {
	pid_t pid;
	uint64_t worker; /* its id: it may be gone before it is looked at again */
	uint32_t quiet_ms;
};

/* A socket that it holds. */
struct held {
	uint64_t inode;
	struct holder by;
	int fd;
	bool ended;
	struct idle_track track;
};

struct held_set {
	struct held *v; /* sorted by inode, each once, when it is complete */
	size_t n;
};

/* It reads the sockets of all processes, and then samples those that are connections. */
struct pass {
	uint64_t began_ns;     /* 0: none is under way */
	struct holder *unread; /* array_grow() */
	size_t n_unread;
	DIR *dir; /* of the last of them, or NULL */
	struct held_set found;
	bool indexed; /* all are found: they are idle_end::known now */
	struct port_set ports;
	size_t n_dumps; /* that were begun: one of each family for each port */
	int dump_fd;
};

struct idle_end {
	struct service *service;
	struct loop_timer step;
	struct pass pass;
	struct held_set known;
	bool said; /* why it cannot be done */
};

/* --- whose time has come --------------------------------------------------------------- */

static int64_t begins_ms(const struct service_conf *live)
{
	if (live->drain_idle_ms == DRAIN_IDLE_OFF)
		return INT64_MAX;
	return live->drain_idle_ms == DRAIN_IDLE_AUTO ? live->drain_timeout_ms / 4 * 3
						      : live->drain_idle_ms;
}

static bool is_due(const struct worker *w)
{
	return w->state == WORKER_DRAINING && !w->idle_refused &&
	       loop_now(worker_loop(w)) - w->state_since_ms >= begins_ms(w->terms->live);
}

/* Once for the service: all its workers are the same in that. */
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

/* --- a pass ---------------------------------------------------------------------------- */

static int by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static struct held *find(const struct held_set *set, uint64_t inode)
{
	const struct held key = { .inode = inode };

	return set->n ? bsearch(&key, set->v, set->n, sizeof(key), by_inode) : NULL;
}

static void close_dir(struct pass *p)
{
	if (p->dir)
		(void)closedir(p->dir);
	p->dir = NULL;
}

static void pass_deinit(struct pass *p)
{
	close_dir(p);
	fd_closep(&p->dump_fd);
	free(p->unread);
	free(p->found.v);
	free(p->ports.v);
	*p = (struct pass){ .dump_fd = -1 };
}

static int add_processes(struct pass *p, const struct worker *w)
{
	const struct service_conf *live = w->terms->live;
	int64_t drains_ms = loop_now(worker_loop(w)) - w->state_since_ms;
	_cleanup_pids_ struct pid_set all = { 0 };
	int r = worker_processes(w, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		struct holder *v = array_grow(p->unread, p->n_unread, sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->unread = v;
		v[p->n_unread++] = (struct holder){
			.pid = all.pids[i],
			.worker = w->id,
			.quiet_ms = idle_quiet_ms(drains_ms - begins_ms(live),
						  live->drain_timeout_ms - drains_ms),
		};
	}
	return r;
}

/* False: no worker is due, or it cannot be done now. */
static bool begin_pass(struct idle_end *e)
{
	struct pass *p = &e->pass;
	int r = service_add_ports(e->service, &p->ports);
	const struct worker *w;

	p->began_ns = loop_clock_ns();
	list_for_each (w, &e->service->workers, link)
		if (r == 0 && is_due(w) && !worker_is_debugged(w))
			r = add_processes(p, w);
	return r == 0 && p->n_unread;
}

static struct worker *worker_by_id(const struct service *s, uint64_t id)
{
	struct worker *w;

	return list_find(w, &s->workers, link, w->id == id);
}

/* A part of the sockets of one process. False: there is no memory. */
static bool read_part(struct idle_end *e)
{
	struct pass *p = &e->pass;
	const struct holder *by = &p->unread[p->n_unread - 1];
	struct worker *w = worker_by_id(e->service, by->worker);
	int r = p->dir ? 0 : proc_fds_open(by->pid, &p->dir);
	struct held h = { .by = *by };

	for (int i = 0; r >= 0 && i < PART; i++) {
		struct held *v;

		r = proc_fds_next(p->dir, &h.fd, &h.inode);
		if (r <= 0)
			break;
		v = array_grow(p->found.v, p->found.n, sizeof(*v));
		if (!v)
			return false;
		p->found.v = v;
		v[p->found.n++] = h;
	}
	if (r < 0 && w)
		refuse(e, w, r);
	if (r <= 0) {
		p->n_unread--;
		close_dir(p);
	}
	return true;
}

/* All are found. What the samples before have shown of them is kept. */
static void index_found(struct idle_end *e)
{
	struct held_set *f = &e->pass.found;
	size_t n = 0;

	if (f->n)
		qsort(f->v, f->n, sizeof(*f->v), by_inode);
	for (size_t i = 0; i < f->n; i++) {
		const struct held *before = find(&e->known, f->v[i].inode);

		if (n && f->v[n - 1].inode == f->v[i].inode)
			continue; /* several processes have it */
		f->v[n] = f->v[i];
		if (before) {
			f->v[n].ended = before->ended;
			f->v[n].track = before->track;
		}
		n++;
	}
	free(e->known.v);
	e->known = (struct held_set){ f->v, n };
	*f = (struct held_set){ 0 };
	e->pass.indexed = true;
}

static void end_one(struct idle_end *e, struct held *h)
{
	struct worker *w = worker_by_id(e->service, h->by.worker);
	_cleanup_fd_ int fd = -1;
	struct idle_sample now;
	int r;

	if (!w || !is_due(w))
		return;
	r = proc_fds_copy(h->by.pid, h->fd, h->inode, &fd);
	if (r < 0) {
		refuse(e, w, r);
		return;
	}
	/* A request may have come since the dump. One that comes now is still read. */
	if (tcp_info_ask(fd, &now) < 0 || !idle_now(&h->track, &now, h->by.quiet_ms) ||
	    shutdown(fd, SHUT_RD) < 0)
		return;
	h->ended = true;
	w->ended_idle++;
	e->service->measured.ended_idle++;
}

static bool sampled(void *arg, const struct sockdiag_socket *s)
{
	struct idle_end *e = arg;
	struct held *h = find(&e->known, s->inode);

	if (h && !h->ended && idle_now(&h->track, &s->sample, h->by.quiet_ms))
		end_one(e, h);
	return true;
}

/* The next dump. False: there is none. */
static bool open_dump(struct pass *p)
{
	size_t port = p->n_dumps / 2;
	struct sockdiag_query query = { .family = p->n_dumps % 2 ? 6 : 4,
					.sample = true,
					.states = 1u << TCP_ESTABLISHED };

	if (port >= p->ports.n)
		return false;
	query.port = p->ports.v[port];
	p->n_dumps++;
	return sockdiag_open(&query, &p->dump_fd) == 0;
}

/* A part of the pass. False: it is over. */
static bool do_part(struct idle_end *e)
{
	struct pass *p = &e->pass;

	if (p->n_unread)
		return read_part(e);
	if (!p->indexed)
		index_found(e);
	else if (p->dump_fd < 0)
		return open_dump(p);
	else if (sockdiag_read(p->dump_fd, sampled, e) <= 0)
		fd_closep(&p->dump_fd);
	return true;
}

static void forget(struct idle_end *e)
{
	free(e->known.v);
	e->known = (struct held_set){ 0 };
}

static void step_expired(struct loop_timer *timer)
{
	struct idle_end *e = container_of(timer, struct idle_end, step);
	struct loop *loop = service_loop(e->service);
	uint64_t began = loop_clock_ns();
	int64_t pause_ms;
	bool more = e->pass.began_ns || begin_pass(e);

	while (more && loop_clock_ns() - began < SLICE_NS)
		more = do_part(e);
	if (more) {
		loop_timer_arm(loop, &e->step, 0);
		return;
	}
	pause_ms = (int64_t)(loop_clock_ns() - e->pass.began_ns) * 3 / NSEC_PER_MSEC;
	if (e->pass.indexed)
		loop_timer_arm(loop, &e->step, pause_ms > PAUSE_MS ? pause_ms : PAUSE_MS);
	else
		forget(e);
	pass_deinit(&e->pass);
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
		e->pass.dump_fd = -1;
		loop_timer_init(&e->step, step_expired);
		s->idle_end = e;
	}
	loop_timer_arm(service_loop(s), &e->step, 0);
}

void service_idle_end_free(struct service *s)
{
	if (!s->idle_end)
		return;
	loop_timer_disarm(&s->idle_end->step);
	pass_deinit(&s->idle_end->pass);
	forget(s->idle_end);
	free(s->idle_end);
	s->idle_end = NULL;
}
