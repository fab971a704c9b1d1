#include "evidence.h"

int service_open_connections(const struct service *s, struct inode_set *ret)
{
	const struct endpoint *e;
	const struct listener *l;
	int r = 0;

	list_for_each (l, &s->dispatch.listeners, link)
		if (r == 0)
			r = sockdiag_add_connections(l->addr.port, ret);
	/* Listeners that are closed already, as at shutdown: their port is kept by the endpoint. */
	list_for_each (e, &s->dispatch.endpoints, link)
		for (size_t i = 0; r == 0 && i < e->n_ports; i++)
			r = sockdiag_add_connections(e->ports[i], ret);
	inode_set_sort(ret);
	return r;
}
