#include "wake.h"

#include "base/fd.h"
#include "dispatch/channel.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "worker/processes.h"

/* Most end by themselves. Of many threads one is woken at a time. */
#define FIRST_MS 100
#define NEXT_MS	 10

static bool blocks(const struct worker *w, const struct channel *c)
{
	_cleanup_pids_ struct pid_set all = { 0 };

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		if (proc_receives(all.pids[i], c->rx_inode))
			return true;
	return false;
}

/* Whether it was woken. If not, for want of descriptors or an address, a later try may do it. */
static bool wake(struct worker *w, struct channel *c)
{
	_cleanup_fd_ int listener = -1, client = -1, fd = -1;
	struct handoff_addr peer;
	struct handoff_conn conn = { .accept_ns = loop_clock_ns() };
	int error;

	if (channel_check_waits(c, pair_waiting(c->rx)) || !blocks(w, c) ||
	    tcp_connect_to_self(c->endpoint->app_addr.family, &listener, &client, &peer) < 0 ||
	    tcp_accept(listener, &fd, &conn.peer, &error) != ACCEPT_DONE ||
	    conn.peer.port != peer.port)
		return false;
	handoff_header_init(&conn.h, HANDOFF_CONN);
	if (channel_give_check(c, &conn, fd) != PAIR_SENT)
		return false;
	log_event(LEVEL_DEBUG, "worker-woken", LOG_WORKER(w),
		  LOG_MSG("waits for a connection although it was told to end: it gets one that "
			  "is closed"));
	return true;
}

void worker_wake_soon(struct worker *w)
{
	loop_timer_arm(worker_loop(w), &w->wake, FIRST_MS);
}

void worker_wake_expired(struct loop_timer *timer)
{
	struct worker *w = container_of(timer, struct worker, wake);
	struct channel *c;
	bool woken = false;

	if (w->state != WORKER_STOPPING)
		return;
	/* A debugged worker is told later. */
	list_for_each (c, &w->taker.channels, link)
		woken = (!w->signal_due && wake(w, c)) || woken;
	loop_timer_arm(worker_loop(w), &w->wake, woken ? NEXT_MS : FIRST_MS);
}
