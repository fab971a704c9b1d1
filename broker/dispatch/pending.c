/*
 * The connections that wait in the broker itself: taken back, or accepted when nobody had room.
 */
#include <stdlib.h>
#include <unistd.h>
#include "base/fd.h"
#include "dispatch/endpoint.h"
#include "service/service.h"

void endpoint_pending_free(struct endpoint *e, struct pending_conn *p)
{
	fd_closep(&p->fd);
	list_remove(&p->link);
	e->n_pending--;
	e->n_sipped -= p->sipped;
	free(p);
}

/* In the order of acceptance. Owns @fd. */
void endpoint_put_pending(struct endpoint *e, const struct handoff_conn *conn, int fd, bool sipped)
{
	struct pending_conn *p = malloc(sizeof(*p)), *at;
	struct list *pos = &e->pending;

	if (!p) {
		e->service->ledger.refused++;
		e->service->ledger.no_memory++;
		(void)close(fd);
		return;
	}
	p->conn = *conn;
	p->fd = fd;
	p->sipped = sipped;
	e->n_sipped += sipped;
	list_for_each (at, &e->pending, link)
		if (at->conn.id > conn->id) {
			pos = &at->link;
			break;
		}
	list_add_before(pos, &p->link);
	e->n_pending++;
}

void endpoint_put_back(struct endpoint *e, const struct handoff_conn *conn, int fd)
{
	endpoint_put_pending(e, conn, fd, false);
}

void endpoint_refuse_pending(struct endpoint *e)
{
	struct pending_conn *p, *tmp;

	list_for_each_safe (p, tmp, &e->pending, link) {
		e->service->ledger.refused++;
		endpoint_pending_free(e, p);
	}
}
