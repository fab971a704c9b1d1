#include "notice.h"

const char *roll_phase_name(enum roll_phase phase)
{
	static const char *const names[] = {
		[ROLL_BEGIN] = "begin",	    [ROLL_START] = "start",	    [ROLL_READY] = "ready",
		[ROLL_RETIRE] = "retire",   [ROLL_PROBATION] = "probation", [ROLL_DONE] = "done",
		[ROLL_ABORTED] = "aborted",
	};

	return names[phase];
}

void notice_observe(struct broker *b, struct observer *o)
{
	list_append(&b->observers, &o->link);
}

void notice_worker(struct broker *b, const struct worker *w, enum worker_state from,
		   enum worker_event ev)
{
	list_for_each (struct observer, o, &b->observers, link)
		if (o->worker)
			o->worker(o, w, from, ev);
}

void notice_process_started(struct broker *b, const struct worker *w, pid_t pid)
{
	/* Without memory it may be taken for a stranger while it has not executed its program. */
	(void)pid_set_add(&b->started, pid);
	list_for_each (struct observer, o, &b->observers, link)
		if (o->process)
			o->process(o, w);
}

void notice_rollout(struct broker *b, const struct service *s, enum roll_phase phase,
		    const struct worker *w)
{
	list_for_each (struct observer, o, &b->observers, link)
		if (o->rollout)
			o->rollout(o, s, phase, w);
}

void notice_asked(struct broker *b)
{
	list_for_each (struct observer, o, &b->observers, link)
		if (o->asked)
			o->asked(o);
}
