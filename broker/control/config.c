/*
 * The commands that look: events, config, help.
 */
#include <string.h>
#include "base/json.h"
#include "control/client.h"
#include "config/option.h"
#include "config/origin.h"
#include "sys/config_file.h"

/* --- events -------------------------------------------------------------------------- */

/* Output that waits before no more events are added: the ring keeps them meanwhile. */
#define EVENTS_WAITING_MAX (64 * 1024)

/* A worker's name begins with that of its service; not every event names both. */
static bool is_wanted(const struct event *e, const char *target)
{
	size_t len = target ? strlen(target) : 0;

	if (!target)
		return true;
	if (strchr(target, '.'))
		return !strcmp(e->worker, target);
	return !strcmp(e->service, target) ||
	       (!strncmp(e->worker, target, len) && e->worker[len] == '.');
}

static void write_lost(struct buf *out, uint64_t count)
{
	json_begin(out);
	json_str(out, "type", "lost");
	json_uint(out, "count", count);
	json_end(out);
}

/* Returns whether all there are were written. */
static bool write_events(struct client *c)
{
	const struct event_ring *ring = &c->control->events->ring;
	const char *target = c->request.arguments[0].text;
	struct buf *out = &c->stream.out;
	const struct event *e;

	while (out->len < EVENTS_WAITING_MAX) {
		e = event_ring_from(ring, c->next_event);
		if (!e)
			return true;
		if (e->id > c->next_event)
			write_lost(out, e->id - c->next_event);
		c->next_event = e->id + 1;
		if (is_wanted(e, target))
			buf_add(out, e->text, e->len);
	}
	return false;
}

void control_events_go_on(struct client *c)
{
	bool all;

	do {
		all = write_events(c);
		stream_flush(&c->stream);
	} while (!all && stream_is_open(&c->stream) && !c->stream.out.len);
	if (all && !request_has(&c->request, "--follow"))
		client_end(c);
}

static void news(struct event_follower *f)
{
	struct client *c = container_of(f, struct client, follower);

	/* One that reads slowly goes on when it has read. */
	if (!c->stream.out.len)
		control_events_go_on(c);
}

static uint64_t first_event(const struct client *c, bool follow)
{
	const struct request_value *since = request_option(&c->request, "--since");
	const struct event_ring *ring = &c->control->events->ring;
	int64_t ms, id;

	if (!since->text)
		return follow ? event_ring_next_id(ring) : ring->first;
	(void)command_parse_since(since->text, &ms, &id);
	if (ms >= 0)
		return event_ring_since(ring, loop_now(&c->master->broker.loop) - ms);
	/* An id of an earlier broker says nothing here: all there is. */
	if ((uint64_t)id >= event_ring_next_id(ring))
		return ring->first;
	return (uint64_t)id + 1;
}

void control_events(struct client *c)
{
	const char *target = c->request.arguments[0].text;
	bool follow = request_has(&c->request, "--follow");

	/* A worker may be gone and its events still be there; a service that is not is a mistake.
	 */
	if (target && !strchr(target, '.') && !client_find_service(c, target))
		return;
	c->next_event = first_event(c, follow);
	c->state = CLIENT_FOLLOWS;
	if (follow) {
		c->follower.news = news;
		events_follow(c->control->events, &c->follower);
	}
	control_events_go_on(c);
}

/* --- config -------------------------------------------------------------------------- */

/* An environment often holds passwords: who may only look sees the names. */
static void cut_secret(const struct option *opt, size_t from, struct strbuf *text)
{
	char *equals;

	if (strcmp(opt->key, "environment") != 0)
		return;
	equals = strchr(text->text + from, '=');
	if (!equals)
		return;
	text->len = (size_t)(equals - text->text) + 1;
	text->text[text->len] = '\0';
	strbuf_add(text, "...");
}

/* A list as one text. */
static void format_value(const struct option *opt, const void *conf, bool secrets,
			 struct strbuf *out)
{
	for (size_t i = 0; i < option_entries(opt, conf); i++) {
		size_t start;

		if (i)
			strbuf_add(out, ", ");
		start = out->len;
		option_format(opt, conf, i, out);
		if (!secrets)
			cut_secret(opt, start, out);
	}
}

static void format_origin(const struct conf *conf, const struct option *opt,
			  const struct conf_origin *o, struct strbuf *out)
{
	switch (o ? o->kind : ORIGIN_DEFAULT) {
	case ORIGIN_DEFAULT:
		strbuf_add(out, "default");
		return;
	case ORIGIN_FILE:
	case ORIGIN_DEFAULTS:
		strbuf_addf(out, "%s:%u", conf->file ? conf->file : "?", o->line);
		return;
	case ORIGIN_ENVIRONMENT:
		strbuf_addf(out, "$%s", opt->variable);
		return;
	case ORIGIN_COMMAND_LINE:
		strbuf_add(out, "command line");
		return;
	}
}

/* A section as it was read, and where each of its values came from. */
struct values {
	const struct conf *conf; /* that it is of */
	const void *section;	 /* a struct broker_conf or service_conf */
};

struct section {
	const char *name;
	enum option_section kind;
	struct values running, started; /* the second: of options that take a restart */
	const void *file; /* as the file has it now; NULL: not there, or not readable */
	bool is_scaled;	  /* the number of workers was set by hand */
};

static struct values broker_values(const struct conf *conf)
{
	return (struct values){ conf, &conf->broker };
}

static struct values service_values(const struct conf *conf, const struct service_conf *sc)
{
	return (struct values){ conf, sc };
}

/* @file: NULL if it says the same. */
static void write_option(struct client *c, const struct section *section, const char *key,
			 const char *value, const char *origin, const char *file)
{
	struct buf *out = &c->stream.out;

	json_begin(out);
	json_str(out, "type", "option");
	json_str(out, "section", section->name);
	json_str(out, "key", key);
	json_str(out, "value", value);
	json_str(out, "origin", origin);
	json_str(out, "file", file);
	json_end(out);
}

/* Each number is a key of its own; without any the option has its line all the same. */
static void write_numbered(struct client *c, const struct section *section,
			   const struct option *opt, const struct values *now)
{
	size_t n = option_entries(opt, now->section);
	size_t n_file = section->file ? option_entries(opt, section->file) : 0;

	for (size_t i = 0; i < n || (i == 0 && !n_file); i++) {
		STRBUF(key, 64);
		STRBUF(value, 4096);
		STRBUF(origin, 512);
		STRBUF(file, 4096);
		bool differs = false;

		option_add_key(opt, now->section, i, &key);
		format_origin(now->conf, opt, origin_find(opt, now->section, i), &origin);
		if (i < n)
			option_format(opt, now->section, i, &value);
		if (i < n && section->file) {
			size_t same = option_find_same(opt, now->section, i, section->file);

			if (same < n_file)
				option_format(opt, section->file, same, &file);
			differs = strcmp(value.text, file.text) != 0;
		}
		write_option(c, section, key.text, value.text, origin.text,
			     differs ? file.text : NULL);
	}
	for (size_t i = 0; i < n_file; i++) {
		STRBUF(key, 64);
		STRBUF(file, 4096);

		if (option_find_same(opt, section->file, i, now->section) < n)
			continue;
		option_add_key(opt, section->file, i, &key);
		option_format(opt, section->file, i, &file);
		write_option(c, section, key.text, "", "default", file.text);
	}
}

static void write_section(struct client *c, const struct section *section)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];
		const struct values *now =
			opt->apply == APPLY_RESTART ? &section->started : &section->running;
		STRBUF(value, 4096);
		STRBUF(file, 4096);
		STRBUF(origin, 512);
		bool differs;

		if (opt->section != section->kind)
			continue;
		if (option_is_numbered(opt)) {
			write_numbered(c, section, opt, now);
			continue;
		}
		format_value(opt, now->section, c->may_steer, &value);
		if (section->is_scaled && !strcmp(opt->key, "workers"))
			strbuf_add(&origin, "by hand");
		else
			format_origin(now->conf, opt, origin_find(opt, now->section, 0), &origin);
		differs = section->file && !option_equal(opt, now->section, section->file);
		if (differs)
			format_value(opt, section->file, c->may_steer, &file);
		write_option(c, section, opt->key, value.text, origin.text,
			     differs ? file.text : NULL);
	}
}

static void write_service_section(struct client *c, const struct service *s,
				  const struct conf *file)
{
	struct service_conf now = *s->conf;
	STRBUF(name, 128);

	if (!s->rollout.active)
		now.workers = s->want;
	strbuf_addf(&name, "service:%s", service_name(s));
	write_section(c, &(struct section){ .name = name.text,
					    .kind = OPTION_SERVICE,
					    .running = service_values(c->master->conf, &now),
					    .started = service_values(c->master->conf, &now),
					    .file = file ? conf_find_service(file, service_name(s))
							 : NULL,
					    .is_scaled = now.workers != s->conf->workers });
}

/* The file is read as a reload would read it; what is wrong with it is part of the answer. */
void control_config(struct client *c)
{
	const struct master *m = c->master;
	struct buf *out = &c->stream.out;
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf *file = NULL;
	const struct service *s;

	if (m->config_file && config_file_load(m->config_file, &file, &error) < 0) {
		json_begin(out);
		json_str(out, "type", "file-error");
		json_str(out, "message", error.text);
		json_end(out);
	}
	write_section(c, &(struct section){ .name = "broker",
					    .kind = OPTION_BROKER,
					    .running = broker_values(m->conf),
					    .started = broker_values(m->conf_start),
					    .file = file ? &file->broker : NULL });
	list_for_each (s, &m->broker.services, link)
		write_service_section(c, s, file);
	conf_free(file);
	client_end(c);
}

/* --- help ---------------------------------------------------------------------------- */

void control_help(struct client *c)
{
	const char *only = c->request.arguments[0].text;
	struct buf *out = &c->stream.out;

	if (only && !command_find(only)) {
		client_error(c, "unknown-command", "there is no command %s; help shows all", only);
		return;
	}
	for (size_t i = 0; i < command_count; i++) {
		const struct command *cmd = &command_table[i];
		STRBUF(usage, 256);

		if (cmd->right == RIGHT_LOCAL ||
		    (only ? strcmp(only, cmd->name) != 0 : cmd->hidden))
			continue;
		command_usage(cmd, &usage);
		json_begin(out);
		json_str(out, "type", "command");
		json_str(out, "command", cmd->name);
		json_str(out, "usage", usage.text);
		json_str(out, "help", cmd->help);
		json_end(out);
	}
	client_end(c);
}
