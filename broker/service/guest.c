#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "base/fd.h"
#include "dispatch/holder.h"
#include "sys/log.h"
#include "sys/peercred.h"
#include "worker/guest.h"
#include "worker/start.h"
#include "worker/step.h"

/* --- joining --------------------------------------------------------------------------- */

static unsigned count_guests(const struct service *s)
{
	const struct worker *w;
	unsigned n = 0;

	list_for_each (w, &s->workers, link)
		n += w->guest;
	return n;
}

static bool may_join(const struct service *s, struct strbuf *error)
{
	if (s->dispatch.stopping)
		strbuf_addf(error, "[service:%s] is stopping", service_name(s));
	else if (s->dispatch.paused)
		strbuf_addf(error, "[service:%s] is paused; a reload brings it back",
			    service_name(s));
	else if (list_empty(&s->dispatch.endpoints))
		strbuf_addf(error,
			    "[service:%s] has no address to join yet: it is known once one of its "
			    "own workers has listened",
			    service_name(s));
	else if (count_guests(s) >= GUESTS_MAX)
		strbuf_addf(error, "[service:%s] already has %d guests", service_name(s),
			    GUESTS_MAX);
	else
		return true;
	return false;
}

static void process_ended(struct loop_source *source, uint32_t events);

/* Takes over @cred's pidfd. 0 or -errno. */
static int watch_process(struct worker *w, struct peercred *cred)
{
	w->pid = cred->pid;
	w->pidfd = fd_take(&cred->pidfd);
	w->process_source.ready = process_ended;
	return loop_add(worker_loop(w), &w->process_source, w->pidfd, EPOLLIN);
}

/*
 * The process has ended, but others have the socket still: the app of a tracer that was killed, or
 * a daemon. One of them that has said HELLO is the guest from now on; if none of those lives, it
 * is over when the last has closed the socket.
 */
static void find_heir(struct worker *w)
{
	const struct channel_holder *h;
	const struct channel *c;
	struct peercred cred;

	list_for_each (c, &w->taker.channels, link)
		list_for_each (h, &c->holders, link) {
			if (proc_is_ending(h->pid) || peercred_get(h->fd, &cred) < 0)
				continue;
			if (watch_process(w, &cred) == 0) {
				log_event(LEVEL_INFO, "worker-daemonised", LOG_WORKER(w),
					  LOG_MSG("process %d has ended, and its child %d keeps "
						  "serving",
						  (int)w->main_was, (int)w->pid));
				return;
			}
			guest_deinit(w);
			w->pid = 0;
		}
}

static void process_ended(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, process_source);
	struct channel *c;
	bool held = false;

	(void)events;
	guest_deinit(w);
	w->main_was = w->pid;
	w->pid = 0;
	/* The kernel closes the descriptors of a process before it reports its end. */
	list_for_each (c, &w->taker.channels, link)
		held |= channel_has_holder(c);
	if (held)
		find_heir(w);
	else
		worker_event(w, EV_EXIT);
}

int guest_join(struct service *s, int peer, bool pinned_only, struct worker **ret,
	       struct strbuf *error)
{
	struct peercred cred = { .pidfd = -1 };
	unsigned number = s->broker->given.guest + 1;
	struct worker *w;
	int r;

	if (!may_join(s, error))
		return -EBUSY;
	r = peercred_get(peer, &cred);
	if (r < 0) {
		strbuf_addf(error, "the broker cannot see the process that wants to join: %s",
			    strerror(-r));
		return r;
	}
	w = worker_new(&s->terms, s->conf, ROLLOUT_MAX + number, s->generation);
	if (!w) {
		fd_closep(&cred.pidfd);
		strbuf_add(error, "the broker is out of memory");
		return -ENOMEM;
	}
	snprintf(w->name, sizeof(w->name), "%s.guest.%u", service_name(s), number);
	w->guest = true;
	w->proven = true; /* somebody looks at it: it has its time */
	w->taker.stall_timeout_ms = w->conf->stall_timeout_ms;
	w->pinned_only = pinned_only;
	w->uid = cred.uid;
	r = watch_process(w, &cred);
	if (r == 0 && getrandom(w->token, sizeof(w->token), 0) != (ssize_t)sizeof(w->token))
		r = -EIO;
	if (r < 0) {
		worker_free(w);
		strbuf_addf(error, "the broker cannot watch the guest: %s", strerror(-r));
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

uint16_t guest_ports(const struct service *s, uint16_t ret[HANDOFF_PORTS_MAX])
{
	const struct endpoint *e;
	uint16_t n = 0;

	list_for_each (e, &s->dispatch.endpoints, link)
		if (n < HANDOFF_PORTS_MAX)
			ret[n++] = e->app_addr.port;
	qsort(ret, n, sizeof(ret[0]), compare_ports);
	return n;
}

int guest_endpoint_for(const struct worker *w, const struct handoff_addr *addr,
		       struct endpoint **ret, struct strbuf *reason)
{
	struct endpoint *e, *best = NULL;

	list_for_each (e, &service_of(w)->dispatch.endpoints, link)
		if (e->app_addr.port == addr->port && (!best || e->app_addr.family == addr->family))
			best = e;
	if (!best) {
		strbuf_addf(reason, "[service:%s] does not listen on port %u, so a guest cannot",
			    service_name(service_of(w)), addr->port);
		return -EADDRNOTAVAIL;
	}
	*ret = best;
	return 0;
}
