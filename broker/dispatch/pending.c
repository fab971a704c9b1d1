#include "pending.h"

#include "base/fd.h"

void pending_free(struct endpoint *e, struct pending_conn *p)
{
	fd_closep(&p->fd);
	list_remove(&p->link);
	e->n_pending--;
	e->n_ahead -= p->ahead;
	free(p);
}

bool pending_is_gone(const struct pending_conn *p)
{
	char byte;

	return recv(p->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == ECONNRESET || errno == ETIMEDOUT || errno == EPIPE);
}

void pending_add(struct endpoint *e, const struct handoff_conn *conn, int fd, bool ahead)
{
	struct pending_conn *p = malloc(sizeof(*p));
	struct list *pos = &e->pending;

	if (!p) {
		e->dispatch->ledger.refused++;
		e->dispatch->ledger.no_memory++;
		(void)close(fd);
		return;
	}
	p->conn = *conn;
	p->fd = fd;
	p->ahead = ahead;
	e->n_ahead += ahead;
	list_for_each (struct pending_conn, at, &e->pending, link)
		if (at->conn.id > conn->id) {
			pos = &at->link;
			break;
		}
	list_append(pos, &p->link);
	e->n_pending++;
}

void pending_move_all(struct endpoint *e, struct endpoint *to)
{
	list_for_each_safe (struct pending_conn, p, tmp, &e->pending, link) {
		pending_add(to, &p->conn, fd_take(&p->fd), p->ahead);
		pending_free(e, p);
	}
}

void pending_refuse_all(struct endpoint *e)
{
	list_for_each_safe (struct pending_conn, p, tmp, &e->pending, link) {
		e->dispatch->ledger.refused++;
		pending_free(e, p);
	}
}
