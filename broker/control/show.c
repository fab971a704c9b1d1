#include "control.h"

#include "config/option.h"
#include "report/status.h"
#include "report/workers.h"
#include "sys/config_file.h"

/* --- status and pins ------------------------------------------------------------------- */

static void end(struct client *c, int r)
{
	if (r < 0)
		client_error(c, "failed", "out of memory");
	else
		client_end(c);
}

static void surveyed(struct survey_waiter *waiter)
{
	struct client *c = container_of(waiter, struct task, survey)->client;
	const char *name = client_argument(c);
	const struct service *only = name ? client_find_service(c, name) : NULL;

	if (only || !name)
		end(c, status_write(c->control->master, only, &c->stream.out));
}

static const struct task_ops status_ops = { .surveyed = surveyed };

/* All workers in the slot of that name, which may be empty; or the one worker. */
static void answer_workers(struct client *c, const char *name)
{
	unsigned slot = 0;
	struct service *s = client_find_slot(c, name, &slot);
	struct worker *only = s ? NULL : client_find_worker(c, name);

	/* Surveyed now: they are few. */
	if (only) {
		survey_look(c->control->survey, only);
		worker_write(only, &c->stream.out);
		client_end(c);
	} else if (s) {
		list_for_each (struct worker, w, &s->workers, link)
			if (w->slot == slot)
				survey_look(c->control->survey, w);
		end(c, workers_write(s, slot, slot, &c->stream.out));
	}
}

void control_status(struct client *c)
{
	const char *target = client_argument(c);

	/* No service has a dot in its name, every worker has. */
	if (target && strchr(target, '.'))
		answer_workers(c, target);
	else
		(void)client_begin(c, sizeof(struct task), &status_ops);
}

void control_pins(struct client *c)
{
	list_for_each (const struct service, s, &client_broker(c)->services, link)
		status_write_pins(s, &c->stream.out);
	client_end(c);
}

/* --- events ---------------------------------------------------------------------------- */

/* Bytes of waiting output from which on events stay in the ring. */
#define EVENTS_WAITING_MAX (64 * 1024)

struct reading {
	struct task task;
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
	struct client *c = t->client;
	bool all;

	do
		all = write_some(container_of(t, struct reading, task));
	while (client_flush(c) && !all);
	if (all && !request_has(&c->request, "--follow"))
		client_end(c);
}

static void events_added(struct event_follower *f)
{
	struct task *t = container_of(f, struct task, follower);

	/* A client that reads slowly gets them when it has read. */
	if (!t->client->stream.out.len)
		write_events(t);
}

static void reading_keep(struct task *t, struct strbuf *out)
{
	const struct reading *reading = container_of(t, struct reading, task);

	kept_add_text(out, KEPT_EVENTS, &reading->next, sizeof(reading->next));
}

static const struct task_ops reading_ops = { .drained = write_events,
					     .events_added = events_added,
					     .keep = reading_keep };

static uint64_t first_event(const struct client *c)
{
	const struct request_value *since = request_option(&c->request, "--since");
	const struct event_ring *ring = &c->control->events->ring;
	uint64_t oldest = event_ring_since(ring, 0);

	if (!since->text)
		return request_has(&c->request, "--follow") ? ring->next : oldest;
	if (!since->is_id)
		return event_ring_since(ring, loop_now(&client_broker(c)->loop) - since->number);
	/* The id comes from an earlier broker: all events are new. */
	if ((uint64_t)since->number >= ring->next)
		return oldest;
	return (uint64_t)since->number + 1;
}

static struct reading *begin_reading(struct client *c, uint64_t next)
{
	struct reading *reading = client_begin(c, sizeof(*reading), &reading_ops);

	if (reading)
		reading->next = next;
	return reading;
}

int events_resume(struct client *c, uint64_t next)
{
	return begin_reading(c, next) ? 0 : -ENOMEM;
}

void control_events(struct client *c)
{
	const char *target = client_argument(c);
	struct reading *reading;

	/* A worker may be gone, and its events still there; an unknown service is a mistake. */
	if (target && !strchr(target, '.') && !client_find_service(c, target))
		return;
	reading = begin_reading(c, first_event(c));
	if (reading)
		write_events(&reading->task);
}

/* --- config ---------------------------------------------------------------------------- */

/* A section of the configuration. Each pointer is to a struct broker_conf or service_conf. */
struct section {
	const char *name;
	enum option_section kind;
	const void *running;
	const void *started; /* what holds of options that take a restart of the broker */
	const void *file;    /* as the file has it now; NULL: not there, or not readable */
	bool is_scaled;	     /* the number of workers was set by hand */
};

/*
 * One key: entry @i of @now, and entry @j of @file, what the file has now. An environment often
 * holds passwords: clients that may only look see the names of variables.
 */
static void write_key(struct client *c, const struct section *section, const struct option *opt,
		      const void *now, size_t i, const void *file, size_t j)
{
	bool names_only = !client_may_steer(c), in_now = i < option_entries(opt, now);
	bool by_hand = section->is_scaled && !strcmp(opt->key, "workers");
	bool differs = !option_equal(opt, now, file);
	struct strbuf *out = client_line(c, "option");
	STRBUF(key, 64);
	STRBUF(value, 4096);
	STRBUF(in_file, 4096);
	STRBUF(origin, 512);

	option_add_key(opt, in_now ? now : file, in_now ? i : j, &key);
	option_format_key(opt, now, i, names_only, &value);
	option_format_key(opt, file, j, names_only, &in_file);
	if (by_hand)
		strbuf_add(&origin, "by hand");
	else
		option_add_origin(opt, now, i, c->control->master->conf->file, &origin);
	/* The others of its numbers may be the same. */
	if (opt->type->numbered)
		differs = strcmp(value.text, in_file.text) != 0;
	json_str(out, "section", section->name);
	json_str(out, "key", key.text);
	json_str(out, "value", value.text);
	json_str(out, "origin", origin.text);
	json_str(out, "file", differs ? in_file.text : NULL);
	json_end(out);
}

static void write_section(struct client *c, const struct section *section)
{
	size_t i, j;

	for_each_option (opt, section->kind) {
		const void *now = opt->apply == APPLY_RESTART ? section->started : section->running;
		const void *file = section->file ? section->file : now;

		for (size_t n = 0; option_pair(opt, now, file, n, &i, &j); n++)
			write_key(c, section, opt, now, i, file, j);
	}
}

/* The file is read as a reload would read it; what is wrong with it is part of the answer. */
void control_config(struct client *c)
{
	const struct master *m = c->control->master;
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf *file = NULL;

	if (m->config_file &&
	    config_file_load(m->config_file, !m->trusting, m->names.known, &file, &error) < 0) {
		struct strbuf *out = client_line(c, "file-error");

		json_str(out, "message", error.text);
		json_end(out);
	}
	write_section(c, &(struct section){ .name = "broker",
					    .kind = OPTION_BROKER,
					    .running = &m->conf->broker,
					    .started = &m->conf_start->broker,
					    .file = file ? &file->broker : NULL });
	list_for_each (const struct service, s, &m->broker.services, link) {
		struct service_conf now = *s->conf;
		STRBUF(name, 128);

		if (!s->rollout.active)
			now.workers = s->want;
		strbuf_addf(&name, "service:%s", service_name(s));
		write_section(c, &(struct section){
					 .name = name.text,
					 .kind = OPTION_SERVICE,
					 .running = &now,
					 .started = &now,
					 .file = file ? conf_find_service(file, service_name(s))
						      : NULL,
					 .is_scaled = now.workers != s->conf->workers });
	}
	conf_free(file);
	client_end(c);
}
