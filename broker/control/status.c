#include "status.h"

#include <stdlib.h>
#include <string.h>
#include "control/client.h"
#include "control/names.h"
#include "report/status.h"
#include "service/survey.h"

/* Length of a slice: connections that arrive meanwhile wait for so long. */
#define SLICE_NS (300 * 1000)

/* With a thousand workers the answer has a thousand lines, so it is formatted in slices. */
struct answer {
	struct task task;
	struct loop_timer step;
	struct status status;
};

static void step_expired(struct loop_timer *timer)
{
	struct answer *a = container_of(timer, struct answer, step);
	uint64_t until = loop_clock_ns() + SLICE_NS;
	struct client *c = a->task.client;
	bool more;

	do
		more = status_write(&a->status, client_out(c));
	while (more && loop_clock_ns() < until);
	if (more)
		loop_timer_arm(&client_broker(c)->loop, timer, 0);
	else
		client_end(c);
}

static void surveyed(struct task *t)
{
	struct answer *a = container_of(t, struct answer, task);
	struct client *c = t->client;
	const char *name = client_argument(c);
	const struct service *only = name ? client_find_service(c, name) : NULL;

	if (name && !only)
		return;
	if (status_take(&a->status, client_control(c)->master, only) < 0)
		client_error(c, "failed", "out of memory");
	else
		step_expired(&a->step);
}

static void answer_drop(struct task *t)
{
	struct answer *a = container_of(t, struct answer, task);

	loop_timer_disarm(&a->step);
	status_deinit(&a->status);
	free(a);
}

static const struct task_ops answer_ops = { .surveyed = surveyed, .drop = answer_drop };

/* All workers in the slot of that name, which may be empty; or the one worker. */
static void answer_workers(struct client *c, const char *name)
{
	unsigned slot = 0;
	struct service *s = client_find_slot(c, name, &slot);
	struct worker *only = s ? NULL : client_find_worker(c, name), *w;
	struct worker_rows rows = { 0 };

	if (only)
		s = service_of(only);
	if (!s)
		return;
	/* Surveyed now: they are few. */
	list_for_each (w, &s->workers, link)
		if (only ? w == only : w->slot == slot)
			survey_look(client_control(c)->survey, w);
	if (worker_rows_add(&rows, s) < 0) {
		client_error(c, "failed", "out of memory");
		return;
	}
	for (const struct worker_row *row = rows.v; row < rows.v + rows.n; row++)
		if (only ? row->id == only->id : row->slot == slot)
			worker_row_write(row, client_out(c));
	free(rows.v);
	client_end(c);
}

void control_status(struct client *c)
{
	const char *target = client_argument(c);
	struct answer *a;

	/* No service has a dot in its name, every worker has. */
	if (target && strchr(target, '.')) {
		answer_workers(c, target);
		return;
	}
	a = client_alloc(c, sizeof(*a));
	if (!a)
		return;
	a->status.lines.max = CONTROL_ANSWER_MAX;
	loop_timer_init(&a->step, step_expired);
	client_begin(c, &a->task, &answer_ops);
}
