#include "events.h"

#include <stdlib.h>
#include <string.h>
#include "control/control.h"
#include "control/names.h"
#include "report/events.h"

/* Bytes of waiting output from which on events stay in the ring. */
#define EVENTS_WAITING_MAX (64 * 1024)

struct reading {
	struct task task;
	struct event_follower follower;
	bool follow;
	uint64_t next; /* id */
};

/* @target: a service or a worker; NULL: all. The name of a worker begins with its service's. */
static bool is_wanted(const struct event *e, const char *target)
{
	size_t len = target ? strlen(target) : 0;

	if (!target || !strcmp(e->name, target))
		return true;
	return !strchr(target, '.') && !strncmp(e->name, target, len) && e->name[len] == '.';
}

/* Returns whether none is left to write. */
static bool write_some(struct reading *reading)
{
	struct client *c = reading->task.client;
	struct strbuf *out = &c->stream.out;
	const struct event *e;

	while (out->len < EVENTS_WAITING_MAX) {
		e = event_ring_from(&c->control->events->ring, reading->next);
		if (!e)
			return true;
		if (e->id > reading->next) {
			client_line(c, "lost");
			json_uint(out, "count", e->id - reading->next);
			json_end(out);
		}
		reading->next = e->id + 1;
		if (is_wanted(e, client_argument(c)))
			strbuf_add_bytes(out, e->text, e->len);
	}
	return false;
}

static void write_events(struct task *t)
{
	struct reading *reading = container_of(t, struct reading, task);
	struct client *c = t->client;
	bool all;

	do
		all = write_some(reading);
	while (client_flush(c) && !all);
	if (all && !reading->follow)
		client_end(c);
}

static void events_added(struct event_follower *f)
{
	struct reading *reading = container_of(f, struct reading, follower);

	/* A client that reads slowly gets them when it has read. */
	if (!reading->task.client->stream.out.len)
		write_events(&reading->task);
}

static void reading_drop(struct task *t)
{
	struct reading *reading = container_of(t, struct reading, task);

	list_remove(&reading->follower.link);
	free(reading);
}

static const struct task_ops reading_ops = { .drained = write_events, .drop = reading_drop };

static uint64_t first_event(const struct client *c, bool follow)
{
	const struct request_value *since = request_option(&c->request, "--since");
	const struct event_ring *ring = &c->control->events->ring;

	if (!since->text)
		return follow ? ring->next : ring->first;
	if (!since->is_id)
		return event_ring_since(ring, loop_now(&client_broker(c)->loop) - since->number);
	/* The id comes from an earlier broker: all events are new. */
	if ((uint64_t)since->number >= ring->next)
		return ring->first;
	return (uint64_t)since->number + 1;
}

void control_events(struct client *c)
{
	const char *target = client_argument(c);
	struct reading *reading;

	/* A worker may be gone while its events are still there; an unknown service is a mistake.
	 */
	if (target && !strchr(target, '.') && !client_find_service(c, target))
		return;
	reading = client_alloc(c, sizeof(*reading));
	if (!reading)
		return;
	reading->follow = request_has(&c->request, "--follow");
	reading->next = first_event(c, reading->follow);
	reading->follower.added = events_added;
	list_init(&reading->follower.link);
	if (reading->follow)
		list_append(&c->control->events->followers, &reading->follower.link);
	client_begin(c, &reading->task, &reading_ops);
	write_events(&reading->task);
}
