#include "config.h"

#include <string.h>
#include "config/option.h"
#include "control/control.h"
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
	const struct option *opt;
	size_t i, j;

	for_each_option (opt, section->kind) {
		const void *now = opt->apply == APPLY_RESTART ? section->started : section->running;
		const void *file = section->file ? section->file : now;

		for (size_t n = 0; option_pair(opt, now, file, n, &i, &j); n++)
			write_key(c, section, opt, now, i, file, j);
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
	const struct master *m = c->control->master;
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf *file = NULL;
	const struct service *s;

	if (m->config_file && config_file_load(m->config_file, &file, &error) < 0) {
		struct strbuf *out = client_line(c, "file-error");

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
