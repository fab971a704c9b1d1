#include "progress.h"

static void add_left(struct strbuf *out, const struct progress_wait *wait)
{
	if (wait->debugged && wait->tracer)
		strbuf_addf(out, ", debugged by %s %d: no deadline runs", wait->tracer_name,
			    wait->tracer);
	else if (wait->debugged)
		strbuf_add(out, ", held for a debugger: no deadline runs");
	else if (wait->left_ms >= 0)
		/* Rounded up: "0 s left" would be read as over. */
		strbuf_addf(out, ", %lld s left",
			    (long long)((wait->left_ms + MSEC_PER_SEC - 1) / MSEC_PER_SEC));
}

void progress_add(struct progress *p, const struct progress_wait *wait)
{
	if (!progress_has_room(p)) {
		p->n++;
		return;
	}
	p->n++;
	if (p->n > 1)
		strbuf_add(p->out, ", ");
	strbuf_add(p->out, wait->worker);
	switch (wait->state) {
	case WORKER_STARTING:
		strbuf_addf(p->out, " to listen (%lld s", (long long)(wait->for_ms / MSEC_PER_SEC));
		break;
	case WORKER_DRAINING:
		strbuf_addf(p->out, " to end (draining, %u connection%s open", wait->open,
			    wait->open == 1 ? "" : "s");
		break;
	case WORKER_STOPPING:
		strbuf_add(p->out, " to end (told to");
		break;
	case WORKER_READY:
		strbuf_addf(p->out, " to take a connection (%lld s",
			    (long long)(wait->for_ms / MSEC_PER_SEC));
		break;
	case WORKER_HELD:
	case WORKER_CLOSED:
	case WORKER_PARKED:
	case WORKER_DEAD:
	case WORKER_STATE_N:
		strbuf_addf(p->out, " to end (%s", worker_state_names[wait->state]);
		break;
	}
	add_left(p->out, wait);
	strbuf_add(p->out, ")");
}

void progress_finish(struct progress *p)
{
	if (p->n > PROGRESS_SHOWN)
		strbuf_addf(p->out, ", %u more", p->n - PROGRESS_SHOWN);
}
