#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control/client.h"
#include "control/names.h"
#include "report/status.h"
#include "service/survey.h"

/* Length of a slice: connections that arrive meanwhile wait for so long. */
#define SLICE_NS (300 * 1000)

/* A service that ends may have a namesake that begins. */
struct service_name {
	char name[HANDOFF_SERVICE_SIZE];
	bool stopping;
};

/*
 * With a thousand workers the answer has a thousand lines. It is written in slices, between which
 * the loop goes on accepting. Services and workers come and go between two slices, so that nothing
 * here points to one.
 */
struct status {
	struct task task;
	struct survey_waiter waiter;
	struct loop_timer step;
	struct service_name *names; /* owned */
	size_t n_names, next;	    /* whose turn it is */
	bool head_done;		    /* of that service */
	struct status_rows rows;    /* of that service */
	size_t row;
};

static void next_service(struct status *st)
{
	free(st->rows.v);
	st->rows = (struct status_rows){ 0 };
	st->row = 0;
	st->head_done = false;
	st->next++;
}

static const struct service *find_service(const struct broker *b, const struct service_name *name)
{
	const struct service *s;

	list_for_each (s, &b->services, link)
		if (s->dispatch.stopping == name->stopping && !strcmp(service_name(s), name->name))
			return s;
	return NULL;
}

/* One piece of the answer. */
static void write_piece(struct status *st)
{
	struct client *c = st->task.client;
	const struct service *s = find_service(client_broker(c), &st->names[st->next]);
	struct buf *out = client_out(c);

	if (s && !st->head_done) {
		status_write_head(s, out);
		if (status_list_rows(s, &st->rows) < 0)
			out->failed = true;
		st->head_done = true;
	} else if (s && st->row < st->rows.n) {
		status_write_row(s, &st->rows, st->row++, out);
	} else {
		if (s)
			status_write_pins(s, out);
		next_service(st);
	}
}

static void step_expired(struct loop_timer *timer)
{
	struct status *st = container_of(timer, struct status, step);
	uint64_t until = loop_clock_ns() + SLICE_NS;
	struct client *c = st->task.client;

	while (st->next < st->n_names && loop_clock_ns() < until)
		write_piece(st);
	if (st->next < st->n_names)
		loop_timer_arm(&client_broker(c)->loop, timer, 0);
	else
		client_end(c);
}

/* Begins the answer: for one service, or for all, the broker's own line first. */
static void surveyed(struct survey_waiter *waiter)
{
	struct status *st = container_of(waiter, struct status, waiter);
	struct client *c = st->task.client;
	const struct service *only = NULL, *s;

	if (client_argument(c)) {
		only = client_find_service(c, client_argument(c));
		if (!only)
			return;
	}
	st->names = client_alloc(c, (list_count(&client_broker(c)->services) + 1) *
					    sizeof(st->names[0]));
	if (!st->names)
		return;
	list_for_each (s, &client_broker(c)->services, link) {
		struct service_name *name = &st->names[st->n_names];

		if (only && s != only)
			continue;
		snprintf(name->name, sizeof(name->name), "%s", service_name(s));
		name->stopping = s->dispatch.stopping;
		st->n_names++;
	}
	if (!only)
		status_write_broker(client_control(c)->master, client_out(c));
	step_expired(&st->step);
}

static void status_drop(struct task *t)
{
	struct status *st = container_of(t, struct status, task);

	list_remove(&st->waiter.link);
	loop_timer_disarm(&st->step);
	free(st->rows.v);
	free(st->names);
	free(st);
}

static const struct task_ops status_ops = { .drop = status_drop };

/* Writes all workers in the slot of that name, which may be empty; or the one worker. */
static void write_worker(struct client *c, const char *name)
{
	unsigned slot = 0;
	const struct service *s = client_find_slot(c, name, &slot);
	struct status_rows rows = { 0 };
	const struct worker *w;

	if (!s) {
		w = client_find_worker(c, name);
		if (!w)
			return;
		status_write_worker(w, client_out(c));
		client_end(c);
		return;
	}
	if (status_list_rows(s, &rows) < 0) {
		client_error(c, "failed", "out of memory");
		return;
	}
	for (size_t i = 0; i < rows.n; i++)
		if (rows.v[i].slot == slot)
			status_write_row(s, &rows, i, client_out(c));
	free(rows.v);
	client_end(c);
}

/* Surveys the workers of that name now: they are few. */
static void survey_workers(struct client *c, const char *name)
{
	size_t n = strcspn(name, "@");
	struct service *s;
	struct worker *w;

	list_for_each (s, &client_broker(c)->services, link)
		list_for_each (w, &s->workers, link)
			if (!strncmp(w->name, name, n) && !w->name[n])
				survey_look(client_control(c)->survey, w);
}

void control_status(struct client *c)
{
	const char *target = client_argument(c);
	struct status *st;

	/* No service has a dot in its name, every worker has. */
	if (target && strchr(target, '.')) {
		survey_workers(c, target);
		write_worker(c, target);
		return;
	}
	st = client_alloc(c, sizeof(*st));
	if (!st)
		return;
	loop_timer_init(&st->step, step_expired);
	st->waiter.done = surveyed;
	client_begin(c, &st->task, &status_ops);
	survey_want(client_control(c)->survey, &st->waiter);
}
