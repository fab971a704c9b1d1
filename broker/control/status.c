/*
 * The command status. With a thousand workers the answer has a thousand lines: so it is written
 * in slices, between which the loop goes on accepting.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control/client.h"
#include "report/status.h"
#include "service/questions.h"
#include "service/survey.h"

/* A slice: connections that arrive meanwhile wait for so long. */
#define SLICE_NS (300 * 1000)

/* One that ends may have a namesake that begins. */
struct service_name {
	char name[HANDOFF_SERVICE_SIZE];
	bool stopping;
};

/* Nothing in it points to a service or worker: they come and go between two slices. */
struct control_status {
	struct client *client;
	struct loop_timer step;
	size_t n_services, service; /* whose turn it is */
	bool head_done;		    /* of that service */
	struct status_rows rows;    /* of that service */
	size_t row;
	struct service_name names[];
};

void control_status_free(struct client *c)
{
	if (!c->status)
		return;
	loop_timer_disarm(&c->status->step);
	free(c->status->rows.v);
	free(c->status);
	c->status = NULL;
}

static void next_service(struct control_status *st)
{
	free(st->rows.v);
	st->rows = (struct status_rows){ 0 };
	st->row = 0;
	st->head_done = false;
	st->service++;
}

static const struct service *find_service(const struct master *m, const struct service_name *name)
{
	const struct service *s;

	list_for_each (s, &m->broker.services, link)
		if (s->dispatch.stopping == name->stopping && !strcmp(service_name(s), name->name))
			return s;
	return NULL;
}

/* One piece of the answer. */
static void write_piece(struct control_status *st)
{
	struct buf *out = &st->client->stream.out;
	const struct service *s = find_service(st->client->master, &st->names[st->service]);

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
	struct control_status *st = container_of(timer, struct control_status, step);
	uint64_t until = loop_clock_ns() + SLICE_NS;
	struct client *c = st->client;

	while (st->service < st->n_services && loop_clock_ns() < until)
		write_piece(st);
	if (st->service < st->n_services) {
		loop_timer_arm(&c->master->broker.loop, timer, 0);
		return;
	}
	control_status_free(c);
	client_end(c);
}

/* @only: NULL for all, the broker's own line first. */
static void begin(struct client *c, const struct service *only)
{
	size_t n = only ? 1 : list_count(&c->master->broker.services);
	struct control_status *st = calloc(1, sizeof(*st) + n * sizeof(st->names[0]));
	const struct service *s;

	if (!st) {
		client_error(c, "failed", "out of memory");
		return;
	}
	st->client = c;
	loop_timer_init(&st->step, step_expired);
	list_for_each (s, &c->master->broker.services, link) {
		struct service_name *name = &st->names[st->n_services];

		if (only && s != only)
			continue;
		snprintf(name->name, sizeof(name->name), "%s", service_name(s));
		name->stopping = s->dispatch.stopping;
		st->n_services++;
	}
	c->status = st;
	if (!only)
		status_write_broker(c->master, &c->stream.out);
	step_expired(&st->step);
}

/* "web.3": the service and the number of the slot, which may have no worker now. */
static const struct service *find_slot(const struct client *c, const char *name, unsigned *ret_slot)
{
	char service[HANDOFF_SERVICE_SIZE];
	const struct service *s;
	const char *dot = strrchr(name, '.');
	size_t n = (size_t)(dot - name);
	char rest;

	if (n >= sizeof(service) || sscanf(dot + 1, "%u%c", ret_slot, &rest) != 1)
		return NULL;
	memcpy(service, name, n);
	service[n] = '\0';
	s = service_find(&c->master->broker, service);
	return s && *ret_slot < s->want ? s : NULL;
}

/* All that is in the slot of that name, also while it is empty; else the one worker. */
static void write_worker(struct client *c, const char *name)
{
	unsigned slot = 0;
	const struct service *s = find_slot(c, name, &slot);
	struct status_rows rows = { 0 };
	const struct worker *w;

	if (!s) {
		w = client_find_worker(c, name);
		if (!w)
			return;
		status_write_worker(w, &c->stream.out);
		client_end(c);
		return;
	}
	if (status_list_rows(s, &rows) < 0) {
		client_error(c, "failed", "out of memory");
		return;
	}
	for (size_t i = 0; i < rows.n; i++)
		if (rows.v[i].slot == slot)
			status_write_row(s, &rows, i, &c->stream.out);
	free(rows.v);
	client_end(c);
}

/* One worker is no trouble: it is looked at now. */
static void look_at(struct client *c, const char *name)
{
	size_t n = strcspn(name, "@");
	struct service *s;
	struct worker *w;

	list_for_each (s, &c->master->broker.services, link)
		list_for_each (w, &s->workers, link)
			if (!strncmp(w->name, name, n) && !w->name[n])
				survey_look(c->control->survey, w);
}

static void surveyed(struct survey_waiter *waiter)
{
	struct client *c = container_of(waiter, struct client, survey);
	const char *target = c->request.arguments[0].text;
	const struct service *s = target ? client_find_service(c, target) : NULL;

	if (s || !target)
		begin(c, s);
}

void control_status(struct client *c)
{
	const char *target = c->request.arguments[0].text;

	/* No service has a dot in its name, every worker has. */
	if (target && strchr(target, '.')) {
		look_at(c, target);
		write_worker(c, target);
		return;
	}
	c->state = CLIENT_SURVEY;
	c->survey.done = surveyed;
	survey_want(c->control->survey, &c->survey);
}
