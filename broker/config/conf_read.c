#include "conf_read.h"

#include "config/ini.h"
#include "base/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reader {
	struct conf_errors *errors;
	struct conf_sections *sections;
	struct conf_section *section; /* takes the settings; NULL: they cannot be judged */
	unsigned line;
	bool begun; /* the file has had a header, good or bad, or a message that it has none */
};

bool conf_name_ok(const char *name, size_t len)
{
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

	for (size_t i = 0; i < len; i++)
		if (!memchr(good, name[i], sizeof(good) - 1))
			return false;
	return len >= 1 && len <= SERVICE_NAME_MAX;
}

/* As a header has them. */
static const char *const kind_names[] = {
	[SECTION_BROKER] = "broker",
	[SECTION_DEFAULTS] = "defaults",
	[SECTION_SERVICE] = "service",
};

/* "[service:web]", as the section's header has it. */
static void add_header(struct strbuf *out, const struct conf_section *section)
{
	strbuf_addf(out, "[%s%s%s]", kind_names[section->kind], *section->name ? ":" : "",
		    section->name);
}

/* --- sections ------------------------------------------------------------------------ */

static void unknown_section(struct reader *reader, const char *name)
{
	const char *colon = strchr(name, ':'), *rest = colon ? colon + 1 : name;
	const char *near = NULL;
	STRBUF(text, 300);
	STRBUF(word, 16);

	strbuf_add_bytes(&word, name, strcspn(name, ":"));
	if (!word.cut)
		near = nearest(word.text, kind_names, colon ? 3 : 2);
	strbuf_add(&text, "unknown section ");
	strbuf_add_quoted(&text, name);
	/* [web], [servce:web]: somebody means a service of that name. */
	if (near && strcmp(near, "service") != 0)
		strbuf_addf(&text, "; did you mean [%s]? Allowed", near);
	else if ((near || !colon) && conf_name_ok(rest, strlen(rest)))
		strbuf_addf(&text, "; did you mean [service:%s]? Allowed", rest);
	else
		strbuf_add(&text, "; allowed");
	conf_errors_add(reader->errors, reader->line, "%s: [broker], [defaults], [service:NAME]",
			text.text);
}

/* Sets kind and name; false if the header is bad, which has then been said. */
static bool identify(struct reader *reader, const char *name, struct conf_section *ret)
{
	static const char prefix[] = "service:";
	STRBUF(shown, 200);

	for (ret->kind = SECTION_BROKER; ret->kind < SECTION_SERVICE; ret->kind++)
		if (!strcmp(name, kind_names[ret->kind]))
			return true;
	if (strncmp(name, prefix, strlen(prefix)) != 0) {
		unknown_section(reader, name);
		return false;
	}
	name += strlen(prefix);
	if (conf_name_ok(name, strlen(name))) {
		strcpy(ret->name, name);
		return true;
	}
	strbuf_add_quoted(&shown, name);
	conf_errors_add(reader->errors, reader->line,
			"%s is not a service name; allowed: 1 to %d letters, digits, \"_\" and "
			"\"-\"",
			shown.text, SERVICE_NAME_MAX);
	return false;
}

/* Where a section like @like has its place; NULL: it is a service, and new. */
static struct conf_section *find_place(struct conf_sections *sections,
				       const struct conf_section *like)
{
	if (like->kind != SECTION_SERVICE)
		return like->kind == SECTION_BROKER ? &sections->broker : &sections->defaults;
	for (size_t i = 0; i < sections->n_services; i++)
		if (!strcmp(sections->services[i].name, like->name))
			return &sections->services[i];
	return NULL;
}

static int open_section(struct reader *reader, const char *name)
{
	struct conf_section section = { .line = reader->line }, *place, *bigger;
	struct conf_sections *sections = reader->sections;

	reader->begun = true;
	reader->section = NULL;
	if (!identify(reader, name, &section))
		return 0;

	place = find_place(sections, &section);
	if (place && place->line) {
		STRBUF(header, 64);

		add_header(&header, &section);
		conf_errors_add(reader->errors, reader->line,
				"%s appears a second time; the first is in line %u", header.text,
				place->line);
		return 0;
	}
	if (!place && sections->n_services == CONF_SERVICES_MAX) {
		conf_errors_add(reader->errors, reader->line, "more than %d services",
				CONF_SERVICES_MAX);
		return 0;
	}
	if (!place) {
		bigger = realloc(sections->services, (sections->n_services + 1) * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		sections->services = bigger;
		place = &bigger[sections->n_services++];
	}
	*place = section;
	reader->section = place;
	return 0;
}

/* --- settings ------------------------------------------------------------------------ */

static void unknown_key(struct reader *reader, enum option_section options, const char *key)
{
	bool broker = options == OPTION_BROKER;
	const char *keys[CONF_OPTIONS_MAX], *near;
	const struct option *opt;
	STRBUF(text, 400);
	size_t n = 0;

	if (option_find(broker ? OPTION_SERVICE : OPTION_BROKER, key)) {
		strbuf_addf(&text, "%s belongs in %s, not in ", key,
			    broker ? "[service:NAME] or [defaults]" : "[broker]");
		add_header(&text, reader->section);
	} else {
		for_each_option (opt, options)
			keys[n++] = opt->key;
		near = nearest(key, keys, n);
		strbuf_add(&text, "unknown key ");
		strbuf_add_quoted(&text, key);
		strbuf_add(&text, " in ");
		add_header(&text, reader->section);
		if (near)
			strbuf_addf(&text, "; did you mean \"%s\"?", near);
	}
	conf_errors_add(reader->errors, reader->line, "%s", text.text);
}

static int add_setting(struct reader *reader, const struct ini_item *item)
{
	struct conf_section *section = reader->section;
	enum option_section options;
	const struct option_setting *twin;
	struct option_setting *added;
	const struct option *option;
	const char *number;

	if (!reader->begun)
		conf_errors_add(reader->errors, reader->line,
				"a key before the first section; begin with [service:NAME]");
	reader->begun = true;
	if (!section)
		return 0;
	options = section->kind == SECTION_BROKER ? OPTION_BROKER : OPTION_SERVICE;
	option = option_find_key(options, item->name, &number);
	if (!option) {
		unknown_key(reader, options, item->name);
		return 0;
	}
	twin = option->type->list ? NULL : conf_section_find(section, option);
	if (twin) {
		conf_errors_add(reader->errors, reader->line,
				"%s is given a second time; the first is in line %u", item->name,
				twin->origin.line);
		return 0;
	}
	if (section->n == CONF_SETTINGS_MAX) {
		conf_errors_add(reader->errors, section->line, "more than %d lines in one section",
				CONF_SETTINGS_MAX);
		return 0;
	}
	added = realloc(section->settings, (section->n + 1) * sizeof(*added));
	if (!added)
		return -ENOMEM;
	section->settings = added;
	added += section->n++;
	*added = (struct option_setting){
		.option = option,
		.text = item->value,
		.len = item->value_len,
		.origin.kind = section->kind == SECTION_DEFAULTS ? ORIGIN_DEFAULTS : ORIGIN_FILE,
		.origin.line = reader->line,
	};
	/* Cut if it is too long, which is no number of a slot either way. */
	if (number)
		(void)snprintf(added->number, sizeof(added->number), "%s", *number ? number : "?");
	return 0;
}

/* --- the file ------------------------------------------------------------------------ */

int conf_read(const char *text, size_t len, struct conf_errors *errors, struct conf_sections *ret)
{
	struct reader reader = { .errors = errors, .sections = ret };
	struct ini_item item;
	struct ini ini;
	int r = 0;

	*ret = (struct conf_sections){ .defaults.kind = SECTION_DEFAULTS };
	ini_init(&ini, text, len);
	while (r == 0) {
		STRBUF(why, 512);
		enum ini_kind kind = ini_next(&ini, &item, &why);

		reader.line = ini.line;
		switch (kind) {
		case INI_END:
			return 0;
		case INI_SECTION:
			r = open_section(&reader, item.name);
			break;
		case INI_SETTING:
			r = add_setting(&reader, &item);
			break;
		case INI_BAD_SECTION:
			reader.begun = true;
			reader.section = NULL;
			conf_errors_add(errors, ini.line, "%s", why.text);
			break;
		case INI_BAD:
			conf_errors_add(errors, ini.line, "%s", why.text);
			break;
		}
	}
	return r;
}

void conf_sections_free(struct conf_sections *sections)
{
	free(sections->broker.settings);
	free(sections->defaults.settings);
	for (size_t i = 0; i < sections->n_services; i++)
		free(sections->services[i].settings);
	free(sections->services);
	*sections = (struct conf_sections){ 0 };
}

const struct option_setting *conf_section_find(const struct conf_section *section,
					       const struct option *option)
{
	for (size_t i = 0; i < section->n; i++)
		if (section->settings[i].option == option)
			return &section->settings[i];
	return NULL;
}
