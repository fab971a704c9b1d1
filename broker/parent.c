#include "parent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "started.h"
#include "sys/pair.h"
#include "sys/rights.h"
#include "sys/starter.h"

#define TELL_TRIES    20 /* each after a longer pause: 190 ms in all */
#define SOCK_FD	      3	 /* ours */
#define BROKER_MIN_FD 64 /* its own: below are descriptors that it was given by number */

/* SIGABRT is that of a watchdog, for a broker that hangs or is stopped. */
static const int signals_taken[] = { SIGCHLD, SIGHUP,  SIGINT,	SIGQUIT,  SIGUSR1, SIGUSR2,
				     SIGTERM, SIGTTIN, SIGTTOU, SIGWINCH, SIGABRT };

struct parent {
	struct loop loop;
	struct loop_source broker;
	pid_t pid;  /* of the broker; 0: it has ended */
	int status; /* then: as waitpid(2) gives it */
	struct started_all started;
	int manager_fd; /* owned; -1: no service manager is told anything */
	bool limited;	/* by: */
	struct starter_rights rights;
};

/* Whether @pid is a child of ours that was not reaped yet. */
static bool is_child(const struct parent *p, pid_t pid)
{
	siginfo_t info;

	return pid != p->pid &&
	       waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* --- what the broker asks for: 0 or -errno, with @error -----------------------------------------
 */

/* What came with a message. */
struct given {
	struct handoff_received got;
	struct starter_start *start;
};

static int complete(struct spawn_request *req)
{
	const struct given *given = req->completed_from;

	return starter_unpack(given->start, given->got.fds[0], req);
}

/* Whom a process is to be: not root, because the broker was made to say nothing. */
static int limit_ids(const struct parent *p, struct spawn_ids *ids, struct strbuf *error)
{
	const struct starter_rights *all = &p->rights;

	if (!p->limited)
		return 0;
	if (!ids->change) {
		*ids = all->ids[0];
		ids->change = ids->uid != geteuid() || ids->gid != getegid();
		return 0;
	}
	for (size_t i = 0; i < all->n; i++)
		if (all->ids[i].uid == ids->uid && all->ids[i].gid == ids->gid &&
		    all->ids[i].n_groups == ids->n_groups &&
		    !memcmp(all->ids[i].groups, ids->groups, ids->n_groups * sizeof(gid_t)))
			return 0;
	return strbuf_fail(error, -EPERM,
			   "user %u, group %u, or its groups, are not of those that the file named "
			   "when the broker became another user: restart the broker",
			   (unsigned)ids->uid, (unsigned)ids->gid);
}

static int start(struct parent *p, struct starter_message *m, struct given *given, pid_t *ret_pid,
		 int *ret_fd, struct strbuf *error)
{
	struct starter_start *s = &m->start;
	const int *fds = given->got.fds;
	struct spawn_request req = {
		.complete = complete,
		.completed_from = given,
		.output_fd = s->has_output ? fds[1] : -1,
		.socket_fd = fds[s->has_output ? 2 : 1],
		.socket_fds = (int)s->socket_fds,
		.output_to_status = s->output_to_status,
		.ids = &s->ids,
		.gain = (enum conf_gain)s->gain,
		.slot = s->slot,
		.nofile = { s->nofile_soft, s->nofile_hard },
	};
	int r;

	given->start = s;
	if (fds[0] < 0 || (s->has_output && fds[1] < 0) || (s->socket_fds && req.socket_fd < 0))
		return strbuf_fail(error, -EMFILE,
				   "the broker's parent has no free descriptor: %m");
	r = limit_ids(p, &s->ids, error);
	if (r < 0)
		return r;
	r = spawn_worker(&req, ret_pid, ret_fd);
	if (r < 0)
		return strbuf_fail(error, r, "cannot make its process or pipes: %m%s",
				   r == -EAGAIN	  ? " (ulimit -u, TasksMax=)"
				   : r == -EMFILE ? " (ulimit -n, LimitNOFILE=)"
						  : "");
	if (started_add(&p->started, *ret_pid))
		return 0;
	(void)spawn_kill(*ret_pid, SIGKILL);
	return strbuf_fail(error, -ENOMEM, "%m");
}

static int send_signal(struct parent *p, const struct starter_message *m, struct strbuf *error)
{
	pid_t group = getpgid(m->pid);
	int r;

	if (m->signal.group ? !started_find(&p->started, m->pid)
			    : !is_child(p, m->pid) && !started_find(&p->started, group))
		return strbuf_fail(error, -EPERM, "process %d is none of the broker's",
				   (int)m->pid);
	r = m->signal.group ? spawn_kill_group(m->pid, m->signal.sig)
			    : spawn_kill(m->pid, m->signal.sig);
	return r < 0 ? strbuf_fail(error, r, "%m") : 0;
}

/* Also of a process that a daemon has left: it was not started, but became a child. */
static void keep(struct parent *p, const struct starter_message *m, int *output_fd)
{
	struct started *s = started_find(&p->started, m->pid);

	if (!s && is_child(p, m->pid))
		s = started_add(&p->started, m->pid);
	if (!s)
		return;
	s->sig = m->keep.sig;
	s->drain_ms = m->keep.drain_ms;
	s->stop_ms = m->keep.stop_ms;
	fd_closep(&s->output_fd);
	s->output_fd = fd_take(output_fd);
}

#define RIGHTS_TO_START                                                                            \
	(RIGHT_KILL | RIGHT_SETGID | RIGHT_SETUID | RIGHT_SETPCAP | RIGHT_SYS_NICE |               \
	 RIGHT_SYS_RESOURCE)

static int limit(struct parent *p, const struct starter_rights *rights, struct strbuf *error)
{
	bool root = false;
	int r;

	if (p->limited)
		return strbuf_fail(error, -EPERM, "the parent's rights are limited already");
	for (size_t i = 0; i < rights->n; i++)
		root |= rights->ids[i].uid == 0;
	r = rights->gain || root ? 0 : rights_gain_none(RIGHT_NET_RAW);
	if (r == 0 && !rights->stay && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && !rights->stay && rights->ids[0].change)
		r = spawn_change_ids(&rights->ids[0], error);
	if (r == 0 && !root)
		r = rights_reduce(rights->stay ? RIGHTS_TO_START : RIGHT_KILL);
	rights_hide(); /* the change of the user has reset that */
	p->rights = *rights;
	p->limited = r == 0;
	return r < 0 && !error->len ? strbuf_fail(error, r, "cannot reduce the parent's rights: %m")
				    : r;
}

static int notify(struct parent *p, const struct starter_message *m, int *fd)
{
	if (!m->notify.socket)
		return handoff_send(p->manager_fd, m->notify.text, strlen(m->notify.text), fd,
				    *fd >= 0, MSG_DONTWAIT);
	if (p->manager_fd >= 0)
		return -EEXIST;
	if (p->limited || *fd < 0)
		return -EPERM;
	p->manager_fd = fd_take(fd);
	return 0;
}

static void tell(struct parent *p, struct starter_message *m, enum starter_type type, int fd)
{
	m->version = STARTER_VERSION;
	m->type = type;
	/* There is room: see has_room(). What fails for want of memory is not to be lost. */
	for (int ms = 0; ms < TELL_TRIES; ms++) {
		int r = handoff_send(p->broker.fd, m, starter_size(type), &fd, fd >= 0,
				     MSG_DONTWAIT);

		if (r == 0 || (r == -EPIPE && ms > 0))
			return;
		(void)poll(NULL, 0, ms);
	}
}

static void answer(struct parent *p, struct starter_message *m, struct given *given)
{
	STRBUF(error, sizeof(m->failed.text));
	_cleanup_fd_ int fd = -1;
	pid_t pid = 0;
	int r = -EBADMSG;

	if (!starter_check(m, (size_t)given->got.n)) {
		(void)strbuf_fail(&error, r, "no request: %m");
	} else if (m->type == STARTER_KEEP) {
		keep(p, m, &given->got.fds[0]);
		return;
	} else if (m->type == STARTER_START) {
		r = start(p, m, given, &pid, &fd, &error);
	} else if (m->type == STARTER_SIGNAL) {
		r = send_signal(p, m, &error);
	} else if (m->type == STARTER_RIGHTS) {
		r = limit(p, &m->rights, &error);
	} else if (m->type == STARTER_ENTER) {
		r = p->limited ? -EPERM : fchdir(given->got.fds[0]) < 0 ? -errno : 0;
	} else if (m->type == STARTER_NOTIFY) {
		r = notify(p, m, &given->got.fds[0]);
	}
	m->pid = r < 0 ? 0 : pid;
	if (r < 0) {
		m->failed.error = -r;
		memcpy(m->failed.text, error.text, sizeof(m->failed.text));
	}
	tell(p, m, r < 0 ? STARTER_FAILED : STARTER_DONE, fd);
}

/* --- what is told --------------------------------------------------------------------------- */

/*
 * Whether a message to the broker will not be lost. Else nothing is read from it, and what has
 * ended stays a zombie, until it has read.
 */
static bool has_room(struct parent *p)
{
	struct pollfd sock = { .fd = p->broker.fd, .events = POLLOUT };
	uint32_t wanted = sock.fd < 0 || poll(&sock, 1, 0) == 1 ? EPOLLIN : EPOLLOUT;

	if (sock.fd >= 0 && wanted != p->broker.events)
		loop_modify(&p->loop, &p->broker, wanted);
	return wanted == EPOLLIN;
}

/* Takes one message from the broker. The bytes it had, 0 if there will be no more, -errno. */
static ssize_t take(struct parent *p)
{
	struct starter_message m;
	struct given given;

	handoff_receive(p->broker.fd, &m, sizeof(m), MSG_DONTWAIT | MSG_CMSG_CLOEXEC,
			HANDOFF_FDS_MAX, &given.got);
	if (given.got.n > 0 && (p->pid || m.type == STARTER_KEEP))
		answer(p, &m, &given);
	for (size_t i = 0; i < HANDOFF_FDS_MAX; i++)
		fd_closep(&given.got.fds[i]);
	return given.got.n;
}

/* Each ends in its time, which the broker may just have told. */
static void broker_ended(struct parent *p, int status)
{
	p->pid = 0;
	p->status = status;
	while (p->broker.fd >= 0 && take(p) > 0)
		;
	loop_remove(&p->loop, &p->broker);
	started_end(&p->started, false);
}

static void end_if_done(struct parent *p)
{
	if (!p->pid && (WIFEXITED(p->status) || list_empty(&p->started.list)))
		p->loop.stop = true;
}

static void given_up(struct started_all *all)
{
	end_if_done(container_of(all, struct parent, started));
}

static void reap(struct parent *p)
{
	pid_t pid;
	int status;

	while (has_room(p) && (pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		bool ended = WIFEXITED(status) || WIFSIGNALED(status);
		struct started *s = ended ? started_find(&p->started, pid) : NULL;
		struct starter_message m = { .pid = pid, .ended = { status } };

		if (s)
			started_forget(s);
		if (pid == p->pid && ended)
			broker_ended(p, status);
		else if (p->broker.fd >= 0 && pid != p->pid)
			tell(p, &m, STARTER_ENDED, -1);
	}
	end_if_done(p);
}

static void broker_ready(struct loop_source *source, uint32_t events)
{
	struct parent *p = container_of(source, struct parent, broker);

	(void)events;
	reap(p); /* what ended before a request is told before its answer */
	if (source->fd >= 0 && has_room(p) && take(p) == 0)
		loop_remove(&p->loop, source); /* its end is about to be told by the kernel */
}

static void pass_on(pid_t broker, int signo)
{
	(void)spawn_kill(broker, signo);
	if (signo == SIGABRT)
		(void)spawn_kill(broker, SIGCONT);
}

static void signalled(struct loop *loop, int signo)
{
	struct parent *p = container_of(loop, struct parent, loop);

	if (signo == SIGCHLD)
		reap(p);
	else if (p->pid)
		pass_on(p->pid, signo);
	else if (signo == SIGTERM || signo == SIGINT || signo == SIGQUIT)
		started_end(&p->started, true);
}

/* --- begin and end --------------------------------------------------------------------------- */

/* In the broker. */
static int go_on(int sock, pid_t parent, const sigset_t *given)
{
	int fd = fcntl(sock, F_DUPFD_CLOEXEC, BROKER_MIN_FD);

	if (fd >= 0)
		(void)close(sock);
	starter_use(fd >= 0 ? fd : sock, parent);
	(void)sigprocmask(SIG_SETMASK, given, NULL);
	return 1;
}

/* 0 when all have ended, or -errno. */
static int serve(struct parent *p, int *sock)
{
	struct rlimit all;
	int r;

	if (dup2(*sock, SOCK_FD) < 0 || fcntl(SOCK_FD, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	*sock = -1;
	spawn_close_from(SOCK_FD + 1);
	/* A pipe for each worker. */
	if (getrlimit(RLIMIT_NOFILE, &all) == 0) {
		all.rlim_cur = all.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &all);
	}
	r = loop_init(&p->loop, signals_taken, ARRAY_SIZE(signals_taken), signalled);
	if (r == 0)
		r = loop_add(&p->loop, &p->broker, SOCK_FD, EPOLLIN);
	if (r < 0)
		return r;
	reap(p);
	loop_run(&p->loop);
	return 0;
}

static int split(struct parent *p, int *ret_ours, int *ret_theirs)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	*ret_ours = ends[0];
	*ret_theirs = ends[1];
	return spawn_split(&p->pid);
}

int parent_run(int *ret_code)
{
	static struct parent p = { .broker = { .fd = -1, .ready = broker_ready },
				   .manager_fd = -1 };
	_cleanup_fd_ int ours = -1, theirs = -1;
	pid_t own = getpid();
	sigset_t taken, given;
	int r;

	p.started.loop = &p.loop;
	p.started.gone = given_up;
	list_init(&p.started.list);
	if (geteuid() == 0)
		rights_hide();
	/* Until the loop runs nothing gets lost. */
	sigemptyset(&taken);
	for (size_t i = 0; i < ARRAY_SIZE(signals_taken); i++)
		sigaddset(&taken, signals_taken[i]);
	(void)sigprocmask(SIG_BLOCK, &taken, &given);
	/* What a worker leaves behind comes to us, and not to init, where nobody sees it end. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = split(&p, &ours, &theirs);
	if (r == 1) {
		fd_closep(&ours);
		return go_on(fd_take(&theirs), own, &given);
	}
	fd_closep(&theirs);
	if (r == 0)
		r = serve(&p, &ours);
	if (r < 0)
		return r;
	spawn_end_by(p.status);
	*ret_code = WIFEXITED(p.status) ? WEXITSTATUS(p.status) : 128 + WTERMSIG(p.status);
	return 0;
}
