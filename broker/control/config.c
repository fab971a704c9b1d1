#include "config.h"

#include <string.h>
#include "config/option.h"
#include "config/origin.h"
#include "control/client.h"
#include "sys/config_file.h"

/* A section of the configuration. Each pointer is to a struct broker_conf or service_conf. */
struct section {
	const char *name;
	enum option_section kind;
	const void *running;
	const void *started; /* what holds of options that take a restart of the broker */
	const void *file;    /* as the file has it now; NULL: not there, or not readable */
	bool is_scaled;	     /* the number of workers was set by hand */
};

/* An entry of a list that the other side alone has. */
#define ABSENT SIZE_MAX

/*
 * A list as one text; only @entry of it, or nothing, where each entry has a key of its own. An
 * environment often holds passwords: clients that may only look see the names of variables.
 */
static void format_value(const struct option *opt, const void *conf, size_t entry, bool secrets,
			 struct strbuf *out)
{
	bool hide = !secrets && !strcmp(opt->key, "environment"), one = option_is_numbered(opt);

	for (size_t i = one ? entry : 0; i < option_entries(opt, conf); i++) {
		STRBUF(text, 4096);
		size_t n;

		option_format(opt, conf, i, &text);
		n = hide ? strcspn(text.text, "=") : text.len;
		strbuf_addf(out, "%s%.*s%s", one || !i ? "" : ", ", (int)n, text.text,
			    n < text.len ? "=..." : "");
		if (one)
			return;
	}
}

static void format_origin(const struct conf *conf, const struct option *opt, const void *section,
			  size_t entry, struct strbuf *out)
{
	const struct conf_origin *o = origin_find(opt, section, entry);

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

/* A line: of the entry that is @entry in @now and @other in the file, where each has a key. */
static void write_option(struct client *c, const struct section *section, const struct option *opt,
			 const void *now, size_t entry, size_t other)
{
	const void *file = section->file;
	bool secrets = client_may_steer(c), differs = false;
	struct buf *out = client_line(c, "option");
	STRBUF(key, 64);
	STRBUF(value, 4096);
	STRBUF(origin, 512);
	STRBUF(in_file, 4096);

	option_add_key(opt, entry == ABSENT ? file : now, entry == ABSENT ? other : entry, &key);
	format_value(opt, now, entry, secrets, &value);
	if (section->is_scaled && !strcmp(opt->key, "workers"))
		strbuf_add(&origin, "by hand");
	else
		format_origin(client_control(c)->master->conf, opt, now, entry, &origin);
	if (file) {
		format_value(opt, file, other, secrets, &in_file);
		differs = option_is_numbered(opt) ? strcmp(value.text, in_file.text) != 0
						  : !option_equal(opt, now, file);
	}
	json_str(out, "section", section->name);
	json_str(out, "key", key.text);
	json_str(out, "value", value.text);
	json_str(out, "origin", origin.text);
	json_str(out, "file", differs ? in_file.text : NULL);
	json_end(out);
}

/* Each number is a key of its own; without any the option has its line all the same. */
static void write_numbered(struct client *c, const struct section *section,
			   const struct option *opt, const void *now)
{
	const void *file = section->file;
	size_t n = option_entries(opt, now), n_file = file ? option_entries(opt, file) : 0;

	for (size_t i = 0; i < n || (i == 0 && !n_file); i++)
		write_option(c, section, opt, now, i,
			     i < n && file ? option_find_same(opt, now, i, file) : ABSENT);
	for (size_t i = 0; i < n_file; i++)
		if (option_find_same(opt, file, i, now) == n)
			write_option(c, section, opt, now, ABSENT, i);
}

static void write_section(struct client *c, const struct section *section)
{
	for (const struct option *opt = option_table; opt < option_table + option_count; opt++) {
		const void *now = opt->apply == APPLY_RESTART ? section->started : section->running;

		if (opt->section != section->kind)
			continue;
		if (option_is_numbered(opt))
			write_numbered(c, section, opt, now);
		else
			write_option(c, section, opt, now, 0, 0);
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
					    .running = &now,
					    .started = &now,
					    .file = file ? conf_find_service(file, service_name(s))
							 : NULL,
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
					    .running = &m->conf->broker,
					    .started = &m->conf_start->broker,
					    .file = file ? &file->broker : NULL });
	list_for_each (s, &m->broker.services, link)
		write_service_section(c, s, file);
	conf_free(file);
	client_end(c);
}
