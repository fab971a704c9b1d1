#include "steer.h"

#include <errno.h>
#include <string.h>
#include "control/client.h"
#include "service/fill.h"
#include "service/questions.h"
#include "sys/spawn.h"

void control_scale(struct client *c, struct service *s)
{
	int64_t n = client_request(c)->arguments[1].number;
	STRBUF(error, 512);

	if (n < 1 || n > ROLLOUT_MAX)
		client_error(c, "bad-request",
			     "a service has 1 to %d workers; `stop` stops them all", ROLLOUT_MAX);
	else if (service_set_workers(s, (unsigned)n, &error) < 0)
		client_error(c, "refused", "%s", error.text);
	else if (!service_has_round(s))
		client_end_saying(c,
				  "%s is to have %u worker%s until the next reload, and none of "
				  "them is in the round now: its clients wait",
				  service_name(s), s->want, s->want == 1 ? "" : "s");
	else
		client_end(c);
}

void control_signal(struct client *c, struct worker *w)
{
	int sig = (int)client_request(c)->arguments[1].number, r;

	if (!w->pid) {
		client_error(c, "refused", "the main process of %s has ended", w->name);
		return;
	}
	/* A child keeps its number until we have waited for it; a guest is somebody else's. */
	r = w->guest ? spawn_kill_pidfd(w->pidfd, sig) : spawn_kill(w->pid, sig);
	if (r == -ESRCH)
		client_error(c, "refused", "%s has just ended", w->name);
	else if (r < 0)
		client_error(c, "failed", "cannot send signal %d to process %d: %s", sig,
			     (int)w->pid, strerror(-r));
	else
		client_end(c);
}

void control_stop_broker(struct client *c)
{
	struct master *m = client_control(c)->master;
	bool now = request_has(client_request(c), "--now");

	/* First the answer: the end may be quick. */
	if (m->broker.stopping)
		client_end_saying(c, "the broker was already stopping: it now kills all workers");
	else
		client_end(c);
	master_stop(m, !now, 0);
}
