#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "control/commands.h"
#include "sys/unix_socket.h"
#include "sys/user.h"

#define CONTROL_NAME "control"
#define GROUPS_MAX   256
#define ACCEPT_BATCH 16

/* --- clients -------------------------------------------------------------------------- */

static bool is_member(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (group == UNIX_NO_GROUP)
		return false;
	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* A client that may not ask, or for which there is no room, is told so. */
static void control_accepted(struct acceptor *a, int fd)
{
	struct control *ctl = container_of(a, struct control, acceptor);
	bool room = list_count(&ctl->clients) < CONTROL_CLIENTS_MAX || client_free_idle(ctl);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct client *c = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		c = client_new(ctl, fd, &peer);
	if (!c) {
		(void)close(fd);
	} else if (!client_may_steer(c) && !is_member(fd, &peer, ctl->group)) {
		c->stream.finishing = true;
		client_error(c, "not-allowed",
			     "only root, the user of the broker (%u) and members of control_group "
			     "may ask",
			     (unsigned)geteuid());
	} else if (!room) {
		c->stream.finishing = true;
		client_error(c, "busy",
			     "%d clients are connected, and all of them wait for answers",
			     CONTROL_CLIENTS_MAX);
	}
}

/* --- begin and end ------------------------------------------------------------------- */

int control_open(struct control *ctl, struct strbuf *error)
{
	struct master *m = ctl->master;
	const struct broker_conf *bc = &m->conf->broker;
	int r;

	if (bc->control == CONTROL_OFF)
		return 0;
	if (bc->control == CONTROL_PATH)
		ctl->path = strdup(bc->control_path);
	else if (asprintf(&ctl->path, "%s/" CONTROL_NAME, m->rundir.path) < 0)
		ctl->path = NULL;
	if (!ctl->path)
		return -ENOMEM;
	if (bc->control_group) {
		r = user_find_group(bc->control_group, &ctl->group, error);
		if (r < 0)
			return r;
		r = rundir_let_group_through(&m->rundir, ctl->group, error);
		if (r < 0)
			return r;
	}
	r = unix_listen(ctl->path, ctl->group, &ctl->fd, error);
	if (r < 0)
		strbuf_add(error, "; set control in [broker]");
	return r;
}

int control_chown(struct control *ctl, uid_t uid)
{
	if (ctl->fd < 0 || lchown(ctl->path, uid, (gid_t)-1) == 0)
		return 0;
	return -errno;
}

void control_init(struct control *ctl, struct master *m, struct events *events,
		  struct survey *survey)
{
	*ctl = (struct control){
		.master = m,
		.events = events,
		.survey = survey,
		.answer = commands_answer,
		.fd = -1,
		.group = UNIX_NO_GROUP,
	};
	list_init(&ctl->clients);
}

int control_start(struct control *ctl)
{
	return ctl->fd < 0 ? 0
			   : acceptor_start(&ctl->acceptor, &ctl->master->broker.loop, ctl->fd,
					    ACCEPT_BATCH, control_accepted);
}

void control_stop(struct control *ctl)
{
	acceptor_stop(&ctl->acceptor);
	client_free_all(ctl);
	if (ctl->fd >= 0)
		(void)unlink(ctl->path);
	fd_closep(&ctl->fd);
	free(ctl->path);
	ctl->path = NULL;
}
