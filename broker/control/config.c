#include "config.h"

#include <string.h>
#include "config/option.h"
#include "config/origin.h"
#include "control/client.h"
#include "service/service.h"
#include "sys/config_file.h"

/* An environment often holds passwords: clients that may only look see the names. */
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

static void format_origin(const struct conf *conf, const struct conf_origin *o, struct strbuf *out)
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
		strbuf_addf(out, "$%s", o->option->variable);
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
	const struct conf_origin *origins;
	size_t n_origins;
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
	return (struct values){ conf, &conf->broker, conf->broker.origins, conf->broker.n_origins };
}

static struct values service_values(const struct conf *conf, const struct service_conf *sc)
{
	return (struct values){ conf, sc, sc->origins, sc->n_origins };
}

/* @file: NULL if it says the same. */
static void write_option(struct client *c, const struct section *section, const char *key,
			 const char *value, const char *origin, const char *file)
{
	struct buf *out = client_line(c, "option");

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
		format_origin(now->conf, origin_find(now->origins, now->n_origins, opt, i),
			      &origin);
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
		format_value(opt, now->section, client_may_steer(c), &value);
		if (section->is_scaled && !strcmp(opt->key, "workers"))
			strbuf_add(&origin, "by hand");
		else
			format_origin(now->conf, origin_find(now->origins, now->n_origins, opt, 0),
				      &origin);
		differs = section->file && !option_equal(opt, now->section, section->file);
		if (differs)
			format_value(opt, section->file, client_may_steer(c), &file);
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
	write_section(c, &(struct section){
				 .name = name.text,
				 .kind = OPTION_SERVICE,
				 .running = service_values(client_control(c)->master->conf, &now),
				 .started = service_values(client_control(c)->master->conf, &now),
				 .file = file ? conf_find_service(file, service_name(s)) : NULL,
				 .is_scaled = now.workers != s->conf->workers });
}

/* The file is read as a reload would read it; what is wrong with it is part of the answer. */
void control_config(struct client *c)
{
	const struct master *m = client_control(c)->master;
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf *file = NULL;
	const struct service *s;

	if (m->config_file && config_file_load(m->config_file, &file, &error) < 0) {
		struct buf *out = client_line(c, "file-error");

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
