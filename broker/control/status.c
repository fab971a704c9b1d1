#include "status.h"

#include <string.h>
#include "control/control.h"
#include "control/names.h"
#include "report/status.h"
#include "report/workers.h"
#include "service/survey.h"

static void end(struct client *c, int r)
{
	if (r < 0)
		client_error(c, "failed", "out of memory");
	else
		client_end(c);
}

static void surveyed(struct task *t)
{
	struct client *c = t->client;
	const char *name = client_argument(c);
	const struct service *only = name ? client_find_service(c, name) : NULL;

	if (only || !name)
		end(c, status_write(c->control->master, only, &c->stream.out));
}

static const struct task_ops answer_ops = { .surveyed = surveyed };

/* All workers in the slot of that name, which may be empty; or the one worker. */
static void answer_workers(struct client *c, const char *name)
{
	unsigned slot = 0;
	struct service *s = client_find_slot(c, name, &slot);
	struct worker *only = s ? NULL : client_find_worker(c, name), *w;

	/* Surveyed now: they are few. */
	if (only) {
		survey_look(c->control->survey, only);
		worker_write(only, &c->stream.out);
		client_end(c);
	} else if (s) {
		list_for_each (w, &s->workers, link)
			if (w->slot == slot)
				survey_look(c->control->survey, w);
		end(c, workers_write(s, slot, slot, &c->stream.out));
	}
}

void control_status(struct client *c)
{
	const char *target = client_argument(c);
	struct task *task;

	/* No service has a dot in its name, every worker has. */
	if (target && strchr(target, '.')) {
		answer_workers(c, target);
		return;
	}
	task = client_alloc(c, sizeof(*task));
	if (task)
		client_begin(c, task, &answer_ops);
}
