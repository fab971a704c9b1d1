#include "sys/starter.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "policy/kept.h"
#include "sys/pair.h"
#include "sys/proc.h"
#include "sys/starter_wire.h"

#define ANSWER_MS	 2000
#define REQUESTS_UNKNOWN 1024	       /* a broker that is killed made fewer since its last state */
#define STARTER_BROKER	 "broker-main" /* as ps(1) shows us */

struct change {
	pid_t pid;
	int status;
};

static struct {
	pid_t parent;	  /* 0: there is none, and never was */
	int fd;		  /* owned; -1: there is none, or it has ended */
	int children_fd;  /* owned; -1: the kernel has no such file */
	uint32_t number;  /* of the last request */
	uint32_t late;	  /* of one that was not answered in time; 0: none */
	uint32_t n_ended; /* so many changes were told */
	bool stays_root;
	unsigned n_errors;	/* in a row, of a parent that is there */
	bool failed, lost;	/* the last attempt to take something has; the parent, to be told */
	struct change *changes; /* the same; owned */
	size_t n_changes;
	struct starter_events *events;
	struct loop *loop;
	struct loop_source source;
	struct loop_timer due; /* what came beside an answer is told */
} st = { .fd = -1, .children_fd = -1 };

void starter_use(int sock, pid_t parent)
{
	char path[64];

	st.fd = sock;
	st.parent = parent;
	(void)prctl(PR_SET_NAME, STARTER_BROKER);
	/* Now: of a parent with more rights nothing can be opened any more where /proc hides it. */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	st.children_fd = open(path, O_RDONLY | O_CLOEXEC);
}

void starter_save(struct kept_run *ret)
{
	ret->parent = st.parent;
	ret->parent_fd = st.fd;
	ret->children_fd = st.children_fd;
	ret->parent_number = st.number;
	ret->parent_late = st.late;
	ret->parent_ended = st.n_ended;
	ret->parent_stays = st.stays_root;
}

void starter_adopt(const struct kept_run *kept, bool trial)
{
	st.parent = kept->parent;
	st.fd = trial ? -1 : kept->parent_fd;
	st.children_fd = trial ? -1 : kept->children_fd;
	st.number = kept->parent_number + 2 * REQUESTS_UNKNOWN;
	st.late = kept->parent_late;
	st.n_ended = kept->parent_ended;
	st.stays_root = kept->parent_stays;
	(void)prctl(PR_SET_NAME, STARTER_BROKER);
}

bool starter_is_idle(void)
{
	return st.fd >= 0 && st.n_changes == 0;
}

pid_t starter_pid(void)
{
	return st.parent ? st.parent : getpid();
}

bool starter_changes_user(void)
{
	return geteuid() == 0 || st.stays_root;
}

/* --- what comes ---------------------------------------------------------------------------- */

static void tell_soon(void)
{
	if (st.loop)
		loop_timer_arm(st.loop, &st.due, 0);
}

static void lose(void)
{
	if (st.loop)
		loop_remove(st.loop, &st.source);
	fd_closep(&st.fd);
	st.lost = true;
	tell_soon();
}

#define ERRORS_MAX 16
#define AGAIN_MS   50
#define ENDS_MAX   256 /* in a turn: one takes 8 us, and thousands may come at once */

/* Whether @r, of a call, means that the parent has ended. One that is there may be asked again. */
static bool is_lost(ssize_t r)
{
	if (r > 0 || r == -EAGAIN)
		st.n_errors = 0;
	if (r >= 0 || r == -EAGAIN || r == -ENOMEM)
		return r == 0;
	return getppid() != st.parent || ++st.n_errors > ERRORS_MAX;
}

/* One that was given up was started after all. */
static void end_late(pid_t pid, int *fd)
{
	if (pid > 1)
		(void)spawn_kill(pid, SIGKILL);
	fd_closep(fd);
}

/*
 * Takes one message, without waiting. Whether it is the answer to @number, which is then in @ret,
 * with its descriptor, the caller's. *@ret_more: there may be more.
 */
static bool take(uint32_t number, struct starter_message *ret, int *ret_fd, bool *ret_more)
{
	struct pair_message got = { .fd = -1 };
	ssize_t n = -ENOMEM; /* then it stays where it is */

	if (array_grow(st.changes, st.n_changes))
		n = pair_receive_any(st.fd, ret, sizeof(*ret), MSG_DONTWAIT, &got);
	*ret_more = n > 0;
	st.failed = n < 0 && n != -EAGAIN;
	if (is_lost(n)) {
		lose();
	} else if (n > 0 && !starter_check(ret, (size_t)n)) {
		fd_closep(&got.fd);
	} else if (n > 0 && ret->type == STARTER_ENDED) {
		st.changes[st.n_changes++] = (struct change){ ret->pid, ret->ended.status };
		tell_soon();
	} else if (n > 0) {
		if (ret->number == st.late)
			st.late = 0;
		if (ret->number == number) {
			*ret_fd = got.fd;
			return true;
		}
		end_late(ret->type == STARTER_DONE ? ret->pid : 0, &got.fd);
	}
	return false;
}

/* Waits until the parent takes or says something. False: not before @until_ms, or it has ended. */
static bool wait_for(short events, int64_t until_ms)
{
	struct pollfd p = { .fd = st.fd, .events = events };
	int64_t left = until_ms - loop_clock_ms();

	return st.fd >= 0 && poll(&p, 1, left > 0 ? (int)left : 0) != 0;
}

/* --- requests -------------------------------------------------------------------------------- */

static int post(struct starter_message *m, enum starter_type type, const int *fds, size_t n_fds)
{
	m->version = STARTER_VERSION;
	m->type = type;
	return handoff_send(st.fd, m, starter_size(type), fds, n_fds, MSG_DONTWAIT);
}

static int fail_silent(struct strbuf *error)
{
	if (st.fd < 0)
		return strbuf_fail(error, -EPIPE, "the broker's parent process %d has ended",
				   (int)st.parent);
	return strbuf_fail(error, -EBUSY,
			   "the broker's parent process %d does not answer: is it stopped?",
			   (int)st.parent);
}

/*
 * Sends request @m and waits for its answer, which replaces it. Its descriptor is the caller's.
 * 0 or -errno with @error.
 */
static int request(struct starter_message *m, enum starter_type type, const int *fds, size_t n_fds,
		   int *ret_fd, struct strbuf *error)
{
	int64_t until = loop_clock_ms() + ANSWER_MS;
	uint32_t number = ++st.number ? st.number : ++st.number;
	bool answered = false, more = true;
	int r = -EAGAIN;

	while (st.late && more && st.fd >= 0)
		(void)take(0, &(struct starter_message){ 0 }, ret_fd, &more);
	m->number = number;
	while (!st.late && r == -EAGAIN && wait_for(POLLOUT, until))
		r = post(m, type, fds, n_fds);
	if ((r == -EPIPE || r == -ECONNRESET) && is_lost(r))
		lose();
	else if (r < 0 && r != -EAGAIN)
		return strbuf_fail(error, r, "cannot ask the broker's parent process: %m");
	if (r == 0)
		st.late = number;
	while (r == 0 && !answered && wait_for(POLLIN, until))
		answered = take(number, m, ret_fd, &more);
	if (!answered)
		return fail_silent(error);
	if (m->type == STARTER_FAILED)
		return strbuf_fail(error, -m->failed.error, "%s", m->failed.text);
	return 0;
}

int starter_start(const struct spawn_request *req, pid_t *ret_pid, int *ret_status_fd,
		  struct strbuf *error)
{
	struct starter_message m = { 0 };
	_cleanup_fd_ int words_fd = -1, status_fd = -1;
	int fds[HANDOFF_FDS_MAX], r;
	size_t n = 0;

	if (!st.parent) {
		r = spawn_worker(req, ret_pid, ret_status_fd);
		return r < 0 ? strbuf_fail(error, r, "cannot start a process: %m") : 0;
	}
	r = starter_pack(req, &m.start, &words_fd);
	if (r < 0)
		return strbuf_fail(error, r, "cannot write down what to start: %m");
	if (req->ids)
		m.start.ids = *req->ids;
	fds[n++] = words_fd;
	if (req->output_fd >= 0)
		fds[n++] = req->output_fd;
	if (req->socket_fds)
		fds[n++] = req->socket_fd;
	r = request(&m, STARTER_START, fds, n, &status_fd, error);
	if (r < 0)
		return r;
	if (m.pid <= 1 || status_fd < 0) {
		end_late(m.pid, &status_fd);
		return strbuf_fail(error, -EMFILE, "cannot take the status pipe of a process: %m");
	}
	*ret_pid = m.pid;
	*ret_status_fd = fd_take(&status_fd);
	return 0;
}

/* What has come of the end of @pid, or NULL. */
static struct change *find_end(pid_t pid)
{
	for (struct change *c = st.changes; c < st.changes + st.n_changes; c++)
		if (c->pid == pid && (WIFEXITED(c->status) || WIFSIGNALED(c->status)))
			return c;
	return NULL;
}

/* Reads what the parent has said, but at most @n messages. */
static void take_some(size_t n)
{
	struct starter_message m;
	bool more = true;
	int none = -1;

	while (more && st.fd >= 0 && n--)
		(void)take(0, &m, &none, &more);
}

/* Waits for the end of @pid, which has ended or is about to. */
static void wait_end(pid_t pid, int *ret_status)
{
	int64_t until = loop_clock_ms() + ANSWER_MS;
	struct change *end;

	while (!st.parent && waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	while (st.parent && !(end = find_end(pid)) && wait_for(POLLIN, until))
		take_some(SIZE_MAX);
	if (st.parent && end) {
		*ret_status = end->status;
		end->pid = 0;
	}
}

int starter_ask(const struct spawn_request *req, int limit_ms, char *ret_text, size_t size,
		int *ret_status, struct strbuf *error)
{
	_cleanup_fd_ int fd = -1;
	struct pollfd p = { .events = POLLIN };
	size_t n = 0;
	ssize_t got = -1;
	pid_t pid = 0;
	int r = starter_start(req, &pid, &fd, error);

	if (r < 0)
		return r;
	p.fd = fd;
	while (got != 0 && n < size - 1 && poll(&p, 1, limit_ms) != 0) {
		got = read(fd, ret_text + n, size - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	ret_text[n] = '\0';
	if (got != 0)
		(void)starter_kill(pid, false, SIGKILL);
	*ret_status = SIGKILL;
	wait_end(pid, ret_status);
	return got == 0 || n == size - 1 ? 0 : -ETIMEDOUT;
}

int starter_kill(pid_t pid, bool group, int sig)
{
	struct starter_message m = { .pid = pid, .signal = { sig, group } };
	STRBUF(unsaid, 256);
	int none = -1, r;

	/* Once it was reaped, its number may be another's. */
	take_some(SIZE_MAX);
	if (find_end(pid))
		return -ESRCH;
	r = group ? spawn_kill_group(pid, sig) : spawn_kill(pid, sig);
	if (r != -EPERM || !st.parent)
		return r;
	return request(&m, STARTER_SIGNAL, NULL, 0, &none, &unsaid);
}

int starter_succeed(const struct kept_run *k, bool resumes)
{
	struct starter_message m = {
		.pid = getpid(),
		.here = { k->parent_number, k->parent_ended, resumes, (uint32_t)k->heard_ms },
	};
	STRBUF(unsaid, 256);
	int r, none = -1;

	st.number = k->parent_number + REQUESTS_UNKNOWN;
	st.late = 0;
	r = request(&m, STARTER_HERE, NULL, 0, &none, &unsaid);
	return r == -EBUSY ? 0 : r;
}

int starter_keep(pid_t pid, int sig, int64_t drain_ms, int64_t stop_ms, int output_fd)
{
	struct starter_message m = {
		.pid = pid, .keep = { .drain_ms = drain_ms, .stop_ms = stop_ms, .sig = sig }
	};

	return post(&m, STARTER_KEEP, &output_fd, output_fd >= 0);
}

int starter_limit(const struct starter_rights *rights, struct strbuf *error)
{
	struct starter_message m = { .rights = *rights };
	int none = -1, r = request(&m, STARTER_RIGHTS, NULL, 0, &none, error);

	st.stays_root = r == 0 && rights->stay;
	return r;
}

int starter_enter(void)
{
	_cleanup_fd_ int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct starter_message m = { 0 };
	STRBUF(unsaid, 256);
	int none = -1;

	return fd < 0 ? -errno : request(&m, STARTER_ENTER, &fd, 1, &none, &unsaid);
}

int starter_notify(const char *text, int fd)
{
	struct starter_message m = { .notify.socket = !text };
	STRBUF(unsaid, 256);
	int none = -1;

	if (text && strlen(text) >= sizeof(m.notify.text))
		return -E2BIG;
	strcpy(m.notify.text, text ? text : "");
	return request(&m, STARTER_NOTIFY, &fd, fd >= 0, &none, &unsaid);
}

int starter_children(struct pid_set *ret)
{
	if (st.fd < 0)
		return 0;
	if (st.children_fd < 0)
		return proc_add_children(st.parent, ret);
	return pid_set_add_listed(ret, st.children_fd);
}

/* --- in the loop ---------------------------------------------------------------------------- */

static void tell(struct loop_timer *timer)
{
	struct change *changes = st.changes;
	size_t n = st.n_changes;

	(void)timer;
	st.changes = NULL;
	st.n_changes = 0;
	st.n_ended += (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		if (changes[i].pid)
			st.events->changed(st.events, changes[i].pid, changes[i].status);
	free(changes);
	if (st.lost)
		st.events->gone(st.events);
	st.lost = false;
	if (st.fd >= 0 && !st.source.events)
		loop_modify(st.loop, &st.source, EPOLLIN);
}

static void ready(struct loop_source *source, uint32_t events)
{
	(void)source, (void)events;
	take_some(ENDS_MAX);
	tell(&st.due);
	/* What lasts is asked again, and not at once. */
	if (st.failed && st.fd >= 0) {
		loop_modify(st.loop, &st.source, 0);
		loop_timer_arm(st.loop, &st.due, AGAIN_MS);
	}
}

int starter_listen(struct loop *loop, struct starter_events *events)
{
	st.events = events;
	st.loop = loop;
	loop_timer_init(&st.due, tell);
	st.source = (struct loop_source){ .fd = -1, .ready = ready };
	return loop_add(loop, &st.source, st.fd, EPOLLIN);
}

void starter_close(void)
{
	loop_timer_disarm(&st.due);
	loop_remove(st.loop, &st.source);
	free(st.changes);
	fd_closep(&st.fd);
	fd_closep(&st.children_fd);
}
