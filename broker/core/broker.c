#include "broker.h"

#include <unistd.h>
#include "base/fd.h"
#include "sys/loop.h"
#include "sys/proc.h"

/*
 * A stopped worker at which somebody waits is out of the round after three looks at the latest: one
 * that may still have seen its queue move, or has not read the state; one that sees the process
 * stopped; and one that sees the same again. That is promised within 100 ms.
 */
#define WATCH_MS 25

void broker_init(struct broker *b)
{
	list_init(&b->services);
	list_init(&b->observers);
	b->spare_fd = -1;
	b->max_starting = 2 * (unsigned)sysconf(_SC_NPROCESSORS_ONLN) + 2;
}

void broker_deinit(struct broker *b)
{
	fd_closep(&b->spare_fd);
	loop_timer_disarm(&b->watch);
	loop_timer_disarm(&b->tidy);
	pid_set_deinit(&b->started);
	free(b->launch.shim);
	free(b->launch.library);
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
