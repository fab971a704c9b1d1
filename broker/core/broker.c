#include "broker.h"

#include "base/fd.h"
#include "sys/confine.h"
#include "sys/log.h"

/*
 * A stopped worker at which somebody waits is out of the round after three looks at the latest: one
 * that may still have seen its queue move, or has not read the state; one that sees the process
 * stopped; and one that sees the same again. That is promised within 100 ms.
 */
#define WATCH_MS 25

static struct kept_hand no_hand;

void broker_init(struct broker *b)
{
	list_init(&b->services);
	list_init(&b->observers);
	b->evidence.sockets = SOCKDIAG_WALK();
	b->hand = &no_hand;
	b->spare_fd = -1;
	b->max_starting = 2 * (unsigned)sysconf(_SC_NPROCESSORS_ONLN) + 2;
}

void broker_deinit(struct broker *b)
{
	fd_closep(&b->spare_fd);
	loop_timer_disarm(&b->watch);
	loop_timer_disarm(&b->tidy);
	loop_timer_disarm(&b->evidence.step);
	evidence_end(&b->evidence);
	pid_set_deinit(&b->started);
	free(b->launch.shim);
	free(b->launch.library);
}

void evidence_end(struct evidence *e)
{
	sockdiag_end(&e->sockets);
	tree_end(&e->tree);
	e->complete = false;
	e->worker = 0;
}

void broker_watch(struct broker *b)
{
	if (!loop_timer_armed(&b->watch))
		loop_timer_arm(&b->loop, &b->watch, WATCH_MS);
}

void broker_tidy(struct broker *b)
{
	if (!loop_timer_armed(&b->tidy))
		loop_timer_arm(&b->loop, &b->tidy, 0);
}

bool broker_schedule(struct broker *b)
{
	struct scheduling_sample now = { .ms = loop_now(&b->loop), .connections = b->given.conn };
	const bool automatic = b->conf->scheduling == SCHEDULING_AUTO;
	bool batch = automatic ? b->scheduling.batch : b->conf->scheduling == SCHEDULING_BATCH;
	int r;

	/* Who cannot see that it is late does not risk it. */
	if (automatic && scheduling_is_due(&b->scheduling, now.ms))
		batch = scheduler_read_delay(&now.runs, &now.delay_ns) &&
			scheduling_next(&b->scheduling, &now);
	r = scheduler_set_batch(batch);
	if (r < 0 && !automatic && batch && !b->scheduling_said) {
		b->scheduling_said = true;
		log_event(LEVEL_WARN, "limit",
			  LOG_MSG("scheduling = batch: %s; the broker was started with a policy of "
				  "its own (chrt -m lists them), and keeps it",
				  strerror(-r)));
	}
	return automatic && batch;
}

const char *const roll_phase_names[] = {
	[ROLL_BEGIN] = "begin",	    [ROLL_START] = "start",	    [ROLL_READY] = "ready",
	[ROLL_RETIRE] = "retire",   [ROLL_PROBATION] = "probation", [ROLL_DONE] = "done",
	[ROLL_ABORTED] = "aborted",
};

void notice_process_started(struct broker *b, const struct worker *w, pid_t pid)
{
	/* Without memory it may be taken for a stranger while it has not executed its program. */
	(void)pid_set_add(&b->started, pid);
	notice(b, process, w);
}
