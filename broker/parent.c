#include "parent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "requests.h"
#include "sys/rights.h"
#include "sys/starter.h"

#define TELL_TRIES    20 /* each after a longer pause: 190 ms in all */
#define SUCCESSOR_MS  (10 * MSEC_PER_SEC)
#define SOCK_FD	      3	 /* ours */
#define REAP_BATCH    64 /* one takes 25 us */
#define BROKER_MIN_FD 64 /* its own: below are descriptors that it was given by number */

/* SIGABRT is that of a watchdog, for a broker that hangs or is stopped. */
static const int signals_taken[] = { SIGCHLD, SIGHUP,  SIGINT,	SIGQUIT,  SIGUSR1, SIGUSR2,
				     SIGTERM, SIGTTIN, SIGTTOU, SIGWINCH, SIGABRT };

struct ended {
	pid_t pid;
	int status;
};

struct parent {
	struct loop loop;
	struct loop_source broker;
	int status; /* of the broker that has ended: as waitpid(2) gives it */
	/* It goes on in place of the broker, whose end may not be told yet. */
	struct starter_message next; /* HERE; .pid 0: nobody does */
	struct ended ended[64];	     /* the last that the broker was told, in turn */
	uint32_t n_ended;
	int asked_to_end;	     /* by this signal, or 0: whoever goes on is asked, too */
	bool ends;		     /* nobody is to go on */
	struct loop_timer successor; /* armed: there is to be a .next until then */
	sigset_t meanwhile;	     /* signals for it */
	struct loop_timer rest;	     /* armed: more than it has reaped may have ended */
	int64_t passed_ms[NSIG];     /* when each was given to a broker last; 0: never */
	struct requests requests;
};

static bool asks_to_end(int signo)
{
	return signo == SIGTERM || signo == SIGINT || signo == SIGQUIT;
}

static void pass_on(struct parent *p, int signo)
{
	p->passed_ms[signo] = loop_clock_ms();
	(void)spawn_kill(p->requests.broker, signo);
	if (signo == SIGABRT)
		(void)spawn_kill(p->requests.broker, SIGCONT);
}

/* The broker was killed before it has written what it did for that. */
static bool is_unheard(const struct parent *p, int signo)
{
	uint32_t heard = p->next.here.heard_ms;

	return heard && p->passed_ms[signo] && !asks_to_end(signo) &&
	       (int32_t)((uint32_t)p->passed_ms[signo] - heard) > 0;
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

static void tell_end(struct parent *p, const struct ended *e)
{
	struct starter_message m = { .pid = e->pid, .ended = { e->status } };

	tell(p, &m, STARTER_ENDED, -1);
}

/* The broker was killed, and its shadow goes on: what the state that it has does not say is told.
 */
static void succeed(struct parent *p)
{
	struct starter_message m = { .number = p->next.number, .failed = { .error = EPERM } };
	uint32_t known = p->next.here.n_ended;
	bool in_order = WIFEXITED(p->status) && !p->next.here.resumes;

	tell(p, &m, p->ends || in_order ? STARTER_FAILED : STARTER_DONE, -1);
	if (p->ends || in_order)
		return;
	p->requests.broker = p->next.pid;
	p->next.pid = 0;
	loop_timer_disarm(&p->successor);
	if (p->n_ended - known > ARRAY_SIZE(p->ended))
		known = p->n_ended - ARRAY_SIZE(p->ended);
	for (; known != p->n_ended; known++)
		tell_end(p, &p->ended[known % ARRAY_SIZE(p->ended)]);
	started_kill_since(&p->requests.started, p->next.here.last_request);
	if (p->asked_to_end)
		pass_on(p, p->asked_to_end);
	for (size_t i = 0; i < ARRAY_SIZE(signals_taken); i++)
		if (sigismember(&p->meanwhile, signals_taken[i]) == 1 ||
		    is_unheard(p, signals_taken[i]))
			pass_on(p, signals_taken[i]);
	sigemptyset(&p->meanwhile);
}

static void answer(struct parent *p, struct starter_message *m, struct handoff_received *got)
{
	STRBUF(error, sizeof(m->failed.text));
	_cleanup_fd_ int fd = -1;
	pid_t pid;
	int r;

	if (m->type == STARTER_HERE && starter_check(m, (size_t)got->n)) {
		p->next = *m;
		if (!requests_is_child(&p->requests, m->pid))
			p->next.pid = 0;
		if (!p->requests.broker && p->next.pid)
			succeed(p);
		return;
	}
	r = requests_do(&p->requests, m, got, &pid, &fd, &error);
	if (r == 0 && m->type == STARTER_KEEP)
		return;
	m->pid = pid;
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
	struct handoff_received got;

	handoff_receive(p->broker.fd, &m, sizeof(m), MSG_DONTWAIT | MSG_CMSG_CLOEXEC,
			HANDOFF_FDS_MAX, &got);
	if (got.n > 0 && (p->requests.broker || m.type == STARTER_KEEP || m.type == STARTER_HERE))
		answer(p, &m, &got);
	for (size_t i = 0; i < HANDOFF_FDS_MAX; i++)
		fd_closep(&got.fds[i]);
	return got.n;
}

static void end_if_done(struct parent *p)
{
	if (!p->requests.broker && !loop_timer_armed(&p->successor) &&
	    (WIFEXITED(p->status) || list_empty(&p->requests.started.list)))
		p->loop.stop = true;
}

/* Nobody goes on: each ends in its time, or at once if that was asked for since. */
static void give_up(struct parent *p)
{
	bool now = false;

	for (size_t i = 0; i < ARRAY_SIZE(signals_taken); i++)
		now |= asks_to_end(signals_taken[i]) &&
		       sigismember(&p->meanwhile, signals_taken[i]) == 1;
	loop_timer_disarm(&p->successor);
	if (p->broker.fd >= 0)
		loop_remove(&p->loop, &p->broker);
	if (!WIFEXITED(p->status)) /* else they are the broker's own matter */
		started_end(&p->requests.started, now);
	end_if_done(p);
}

static void successor_late(struct loop_timer *timer)
{
	give_up(container_of(timer, struct parent, successor));
}

/*
 * What it has told before counts. If it was killed, its shadow has the other end of the socket, and
 * is about to say that it goes on; without a shadow that end is closed.
 */
static void broker_ended(struct parent *p, int status)
{
	ssize_t n = 0;

	p->requests.broker = 0;
	p->status = status;
	/* By SIGSYS: somebody else was at work in it (sys/sandbox.h), and may have made its state.
	 */
	p->ends |= WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	loop_timer_arm(&p->loop, &p->successor, SUCCESSOR_MS);
	if (p->next.pid)
		succeed(p);
	while (!p->requests.broker && p->broker.fd >= 0 && (n = take(p)) > 0)
		;
	if (!p->requests.broker && n == 0)
		give_up(p);
}

static void note_end(struct parent *p, pid_t pid, int status)
{
	struct ended *e = &p->ended[p->n_ended++ % ARRAY_SIZE(p->ended)];

	*e = (struct ended){ pid, status };
	tell_end(p, e);
}

static void given_up(struct started_all *all)
{
	end_if_done(container_of(all, struct parent, requests.started));
}

/*
 * The broker waits for the answer to what it asks. So of thousands that end together some are
 * reaped at a time: as long as one is not, its pid is nobody else's.
 */
static void reap(struct parent *p)
{
	unsigned left = REAP_BATCH;
	pid_t pid;
	int status;

	while (left && has_room(p) &&
	       (pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		bool ended = WIFEXITED(status) || WIFSIGNALED(status);
		struct started *s = ended ? started_find(&p->requests.started, pid) : NULL;

		if (s)
			started_forget(s);
		if (pid == p->requests.broker && ended)
			broker_ended(p, status);
		else if (p->broker.fd >= 0 && pid != p->requests.broker)
			note_end(p, pid, status);
		left--;
	}
	if (!left)
		loop_timer_arm(&p->loop, &p->rest, 0);
	end_if_done(p);
}

static void reap_the_rest(struct loop_timer *timer)
{
	reap(container_of(timer, struct parent, rest));
}

static void broker_ready(struct loop_source *source, uint32_t events)
{
	struct parent *p = container_of(source, struct parent, broker);

	(void)events;
	reap(p); /* what ended before a request is told before its answer */
	if (source->fd < 0 || !has_room(p) || take(p) != 0)
		return;
	if (!p->requests.broker)
		give_up(p);
	else
		loop_remove(&p->loop, source); /* its end is about to be told by the kernel */
}

static void signalled(struct loop *loop, int signo)
{
	struct parent *p = container_of(loop, struct parent, loop);

	p->ends |= signo == SIGABRT;
	if (asks_to_end(signo))
		p->asked_to_end = signo;
	reap(p); /* a broker that has ended takes no signal */
	if (signo == SIGCHLD)
		return;
	if (p->requests.broker)
		pass_on(p, signo);
	else if (loop_timer_armed(&p->successor))
		sigaddset(&p->meanwhile, signo);
	else if (asks_to_end(signo))
		started_end(&p->requests.started, true);
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
	return spawn_split(&p->requests.broker);
}

int parent_run(int *ret_code)
{
	static struct parent p = { .broker = { .fd = -1, .ready = broker_ready },
				   .requests = { .manager_fd = -1 } };
	_cleanup_fd_ int ours = -1, theirs = -1;
	pid_t own = getpid();
	sigset_t taken, given;
	int r;

	loop_timer_init(&p.successor, successor_late);
	loop_timer_init(&p.rest, reap_the_rest);
	sigemptyset(&p.meanwhile);
	p.requests.started.loop = &p.loop;
	p.requests.started.gone = given_up;
	list_init(&p.requests.started.list);
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
