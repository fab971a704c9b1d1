#include "requests.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "sys/rights.h"

bool requests_is_child(const struct requests *q, pid_t pid)
{
	siginfo_t info;

	return pid != q->broker &&
	       waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

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
static int limit_ids(const struct requests *q, struct spawn_ids *ids, struct strbuf *error)
{
	const struct starter_rights *all = &q->rights;

	if (!q->limited)
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

static int start(struct requests *q, struct starter_message *m, struct given *given, pid_t *ret_pid,
		 int *ret_fd, struct strbuf *error)
{
	struct starter_start *s = &m->start;
	struct started *new;
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

	if (fds[0] < 0 || (s->has_output && fds[1] < 0) || (s->socket_fds && req.socket_fd < 0))
		return strbuf_fail(error, -EMFILE,
				   "the broker's parent has no free descriptor: %m");
	r = limit_ids(q, &s->ids, error);
	if (r < 0)
		return r;
	r = spawn_worker(&req, ret_pid, ret_fd);
	if (r < 0)
		return strbuf_fail(error, r, "cannot make its process or pipes: %m%s",
				   r == -EAGAIN	  ? " (ulimit -u, TasksMax=)"
				   : r == -EMFILE ? " (ulimit -n, LimitNOFILE=)"
						  : "");
	new = started_add(&q->started, *ret_pid);
	if (new) {
		new->request = m->number;
		return 0;
	}
	(void)spawn_kill(*ret_pid, SIGKILL);
	return strbuf_fail(error, -ENOMEM, "%m");
}

static int send_signal(struct requests *q, const struct starter_message *m, struct strbuf *error)
{
	pid_t group = getpgid(m->pid);
	int r;

	if (m->signal.group ? !started_find(&q->started, m->pid)
			    : !requests_is_child(q, m->pid) && !started_find(&q->started, group))
		return strbuf_fail(error, -EPERM, "process %d is none of the broker's",
				   (int)m->pid);
	r = m->signal.group ? spawn_kill_group(m->pid, m->signal.sig)
			    : spawn_kill(m->pid, m->signal.sig);
	return r < 0 ? strbuf_fail(error, r, "%m") : 0;
}

/* Also of a process that a daemon has left: it was not started, but became a child. */
static void keep(struct requests *q, const struct starter_message *m, int *output_fd)
{
	struct started *s = started_find(&q->started, m->pid);

	if (!s && requests_is_child(q, m->pid))
		s = started_add(&q->started, m->pid);
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

static int limit(struct requests *q, const struct starter_rights *rights, struct strbuf *error)
{
	bool root = false;
	int r;

	if (q->limited)
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
	q->rights = *rights;
	q->limited = r == 0;
	return r < 0 && !error->len ? strbuf_fail(error, r, "cannot reduce the parent's rights: %m")
				    : r;
}

static int notify(struct requests *q, const struct starter_message *m, int *fd)
{
	if (!m->notify.socket)
		return handoff_send(q->manager_fd, m->notify.text, strlen(m->notify.text), fd,
				    *fd >= 0, MSG_DONTWAIT);
	if (q->manager_fd >= 0)
		return -EEXIST;
	if (q->limited || *fd < 0)
		return -EPERM;
	q->manager_fd = fd_take(fd);
	return 0;
}

int requests_do(struct requests *q, struct starter_message *m, struct handoff_received *got,
		pid_t *ret_pid, int *ret_fd, struct strbuf *error)
{
	struct given given = { .got = *got, .start = &m->start };

	*ret_pid = 0;
	*ret_fd = -1;
	if (!starter_check(m, (size_t)got->n))
		return strbuf_fail(error, -EBADMSG, "no request: %m");
	switch ((enum starter_type)m->type) {
	case STARTER_START:
		return start(q, m, &given, ret_pid, ret_fd, error);
	case STARTER_SIGNAL:
		return send_signal(q, m, error);
	case STARTER_RIGHTS:
		return limit(q, &m->rights, error);
	case STARTER_ENTER:
		return q->limited ? -EPERM : fchdir(got->fds[0]) < 0 ? -errno : 0;
	case STARTER_NOTIFY:
		return notify(q, m, &got->fds[0]);
	case STARTER_KEEP:
		keep(q, m, &got->fds[0]);
		return 0;
	default:
		return strbuf_fail(error, -EBADMSG, "no request: %m");
	}
}
