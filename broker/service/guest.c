#include "guest.h"

#include <stdio.h>
#include "base/fd.h"
#include "sys/log.h"
#include "worker/ends.h"
#include "worker/start.h"

static int check_join(const struct service *s, struct strbuf *error)
{
	unsigned guests = 0;

	list_for_each (const struct worker, w, &s->workers, link)
		guests += w->guest;
	if (service_leaves(s))
		return strbuf_fail(error, -EBUSY, "[service:%s] is %s", s->name,
				   s->dispatch.stopping ? "stopping"
							: "paused; brokerctl start brings it back");
	if (list_empty(&s->dispatch.endpoints))
		return strbuf_fail(error, -EBUSY,
				   "[service:%s] has no address to join yet: it is known once one "
				   "of its own workers has listened",
				   s->name);
	if (guests >= GUESTS_MAX)
		return strbuf_fail(error, -EBUSY, "[service:%s] already has %d guests", s->name,
				   GUESTS_MAX);
	return 0;
}

int guest_join(struct service *s, int peer, bool pinned_only, struct worker **ret,
	       struct strbuf *error)
{
	struct unix_peer cred = { .pidfd = -1 };
	unsigned number = s->broker->given.guest + 1;
	struct worker *w;
	int r = check_join(s, error);

	if (r < 0)
		return r;
	r = unix_peer_get(peer, &cred);
	if (r < 0)
		return strbuf_fail(error, r,
				   "the broker cannot see the process that wants to join: %m");
	w = worker_new(&s->terms, s->conf, ROLLOUT_MAX + number, s->generation);
	if (!w) {
		fd_closep(&cred.pidfd);
		return strbuf_fail(error, -ENOMEM, "the broker is out of memory");
	}
	snprintf(w->name, sizeof(w->name), "%s.guest.%u", s->name, number);
	w->guest = true;
	w->proven = true; /* somebody looks at it: it has its time */
	w->pinned_only = pinned_only;
	w->uid = cred.uid;
	r = worker_watch_process(w, &cred);
	if (r < 0)
		(void)strbuf_fail(error, r, "the broker cannot watch the guest: %m");
	else
		r = worker_make_token(w, error);
	if (r < 0) {
		worker_free(w);
		return r;
	}
	s->broker->given.guest = number;
	list_append(&s->workers, &w->link);
	log_event(LEVEL_INFO, "guest-join", LOG_WORKER(w), LOG_INT("uid", w->uid),
		  LOG_INT("generation", w->generation), LOG_BOOL("pinned_only", pinned_only),
		  LOG_MSG("joins; it was started by hand%s",
			  pinned_only ? "; it gets connections from pinned sources only" : ""));
	*ret = w;
	return 0;
}

static int compare_ports(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

void guest_places(const struct service *s, struct handoff_joined *ret)
{
	list_for_each (const struct endpoint, e, &s->dispatch.endpoints, link)
		if (address_unix(&e->app_addr))
			strcpy(ret->path, address_unix(&e->app_addr));
		else if (ret->n_ports < HANDOFF_PORTS_MAX)
			ret->ports[ret->n_ports++] = e->app_addr.port;
	qsort(ret->ports, ret->n_ports, sizeof(ret->ports[0]), compare_ports);
}
