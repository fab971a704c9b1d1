#include "conf_read.h"

#include "config/ini.h"
#include "config/option.h"
#include "base/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reader {
	struct conf_errors *errors;
	struct conf_sections *sections; /* the last one takes the settings */
	unsigned line;
	bool in_section;  /* the file has had a header, good or bad */
	bool skipping;	  /* that header was bad: its settings cannot be judged */
	bool told_orphan; /* the settings before the first header got their one message */
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

static enum option_section section_options(enum section_kind kind)
{
	return kind == SECTION_BROKER ? OPTION_BROKER : OPTION_SERVICE;
}

/* "[service:web]", as the section's header has it. */
static void add_header(struct strbuf *out, const struct conf_section *section)
{
	strbuf_addf(out, "[%s%s%s]", kind_names[section->kind], *section->name ? ":" : "",
		    section->name);
}

/* --- sections ------------------------------------------------------------------------ */

static void unknown_section(struct reader *reader, const struct ini_item *item)
{
	const char *colon = memchr(item->name, ':', item->name_len);
	size_t len = colon ? (size_t)(colon - item->name) : item->name_len;
	const char *rest = colon ? colon + 1 : item->name;
	size_t rest_len = item->name_len - (size_t)(rest - item->name);
	const char *near = NULL;
	STRBUF(text, 300);
	char word[16] = "";

	if (len < sizeof(word)) {
		memcpy(word, item->name, len);
		near = nearest(word, kind_names, colon ? 3 : 2);
	}
	strbuf_add(&text, "unknown section ");
	strbuf_add_quoted_bytes(&text, item->name, item->name_len);
	/* [web], [servce:web]: somebody means a service of that name. */
	if (near && strcmp(near, "service") != 0)
		strbuf_addf(&text, "; did you mean [%s]? Allowed", near);
	else if ((near || !colon) && conf_name_ok(rest, rest_len))
		strbuf_addf(&text, "; did you mean [service:%.*s]? Allowed", (int)rest_len, rest);
	else
		strbuf_add(&text, "; allowed");
	conf_errors_add(reader->errors, reader->line, "%s: [broker], [defaults], [service:NAME]",
			text.text);
}

static bool is(const struct ini_item *item, const char *name)
{
	return item->name_len == strlen(name) && !memcmp(item->name, name, item->name_len);
}

/* Sets kind and name; false if the header is bad, which has then been said. */
static bool identify(struct reader *reader, const struct ini_item *item, struct conf_section *ret)
{
	static const char prefix[] = "service:";
	const char *name = item->name + strlen(prefix);
	size_t len = item->name_len - strlen(prefix);
	STRBUF(shown, 200);

	ret->kind = is(item, "broker")	   ? SECTION_BROKER
		    : is(item, "defaults") ? SECTION_DEFAULTS
					   : SECTION_SERVICE;
	if (ret->kind != SECTION_SERVICE)
		return true;
	if (item->name_len < strlen(prefix) || memcmp(item->name, prefix, strlen(prefix)) != 0) {
		unknown_section(reader, item);
		return false;
	}
	if (conf_name_ok(name, len)) {
		memcpy(ret->name, name, len);
		return true;
	}
	strbuf_add_quoted_bytes(&shown, name, len);
	conf_errors_add(reader->errors, reader->line,
			"%s is not a service name; allowed: 1 to %d letters, digits, \"_\" and "
			"\"-\"",
			shown.text, SERVICE_NAME_MAX);
	return false;
}

static size_t count_services(const struct conf_sections *sections)
{
	size_t n = 0;

	for (size_t i = 0; i < sections->n; i++)
		n += sections->section[i].kind == SECTION_SERVICE;
	return n;
}

static int open_section(struct reader *reader, const struct ini_item *item)
{
	struct conf_sections *sections = reader->sections;
	struct conf_section section = { .line = reader->line }, *bigger;
	const struct conf_section *twin;

	reader->in_section = true;
	reader->skipping = true;
	if (!identify(reader, item, &section))
		return 0;

	twin = conf_sections_find(sections, section.kind, section.name);
	if (twin) {
		STRBUF(header, 64);

		add_header(&header, &section);
		conf_errors_add(reader->errors, reader->line,
				"%s appears a second time; the first is in line %u", header.text,
				twin->line);
		return 0;
	}
	if (section.kind == SECTION_SERVICE && count_services(sections) == CONF_SERVICES_MAX) {
		conf_errors_add(reader->errors, reader->line, "more than %d services",
				CONF_SERVICES_MAX);
		return 0;
	}
	bigger = realloc(sections->section, (sections->n + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	sections->section = bigger;
	bigger[sections->n++] = section;
	reader->skipping = false;
	return 0;
}

/* --- settings ------------------------------------------------------------------------ */

static void unknown_key(struct reader *reader, const struct conf_section *section, const char *key)
{
	enum option_section options = section_options(section->kind);
	const char *keys[64], *near;
	STRBUF(text, 400);
	size_t n = 0;

	if (option_find(options == OPTION_BROKER ? OPTION_SERVICE : OPTION_BROKER, key)) {
		strbuf_addf(&text, "%s belongs in %s, not in ", key,
			    options == OPTION_BROKER ? "[service:NAME] or [defaults]" : "[broker]");
		add_header(&text, section);
	} else {
		assert(option_count <= ARRAY_SIZE(keys));
		for (size_t i = 0; i < option_count; i++)
			if (option_table[i].section == options)
				keys[n++] = option_table[i].key;
		near = nearest(key, keys, n);
		strbuf_add(&text, "unknown key ");
		strbuf_add_quoted(&text, key);
		strbuf_add(&text, " in ");
		add_header(&text, section);
		if (near)
			strbuf_addf(&text, "; did you mean \"%s\"?", near);
	}
	conf_errors_add(reader->errors, reader->line, "%s", text.text);
}

static int add_setting(struct reader *reader, const struct ini_item *item)
{
	struct conf_section *section;
	const struct conf_setting *twin;
	const struct option *option;
	struct conf_setting *bigger;
	const char *number;
	char key[128] = "";

	if (!reader->in_section) {
		if (!reader->told_orphan)
			conf_errors_add(reader->errors, reader->line,
					"a key before the first section; begin with "
					"[service:NAME]");
		reader->told_orphan = true;
		return 0;
	}
	if (reader->skipping)
		return 0;
	section = &reader->sections->section[reader->sections->n - 1];

	/* A longer one is cut: no key of ours is as long, and it is only shown. */
	memcpy(key, item->name, item->name_len < sizeof(key) ? item->name_len : sizeof(key) - 1);
	option = option_find_key(section_options(section->kind), key, &number);
	if (!option) {
		unknown_key(reader, section, key);
		return 0;
	}
	twin = option_is_list(option) ? NULL : conf_section_find(section, option);
	if (twin) {
		conf_errors_add(reader->errors, reader->line,
				"%s is given a second time; the first is in line %u", key,
				twin->line);
		return 0;
	}
	if (section->n == CONF_SETTINGS_MAX) {
		conf_errors_add(reader->errors, section->line, "more than %d lines in one section",
				CONF_SETTINGS_MAX);
		return 0;
	}
	bigger = realloc(section->settings, (section->n + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	bigger[section->n++] = (struct conf_setting){
		.option = option,
		.text = item->value,
		.len = item->value_len,
		.line = reader->line,
	};
	/* Cut if it is too long, which is no number of a slot either way. */
	if (number)
		(void)snprintf(bigger[section->n - 1].number, sizeof(bigger[section->n - 1].number),
			       "%s", *number ? number : "?");
	section->settings = bigger;
	return 0;
}

/* --- the file ------------------------------------------------------------------------ */

int conf_read(const char *text, size_t len, struct conf_errors *errors, struct conf_sections *ret)
{
	struct reader reader = { .errors = errors, .sections = ret };
	struct ini_item item;
	struct ini ini;
	int r = 0;

	*ret = (struct conf_sections){ 0 };
	ini_init(&ini, text, len);
	while (r == 0) {
		STRBUF(why, 512);
		enum ini_kind kind = ini_next(&ini, &item, &why);

		reader.line = ini.line;
		switch (kind) {
		case INI_END:
			return 0;
		case INI_SECTION:
			r = open_section(&reader, &item);
			break;
		case INI_SETTING:
			r = add_setting(&reader, &item);
			break;
		case INI_BAD_SECTION:
			reader.in_section = true;
			reader.skipping = true;
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
	for (size_t i = 0; i < sections->n; i++)
		free(sections->section[i].settings);
	free(sections->section);
	*sections = (struct conf_sections){ 0 };
}

const struct conf_section *conf_sections_find(const struct conf_sections *sections,
					      enum section_kind kind, const char *name)
{
	for (size_t i = 0; i < sections->n; i++) {
		const struct conf_section *section = &sections->section[i];

		if (section->kind == kind && (!name || !strcmp(section->name, name)))
			return section;
	}
	return NULL;
}

const struct conf_setting *conf_section_find(const struct conf_section *section,
					     const struct option *option)
{
	for (size_t i = 0; section && i < section->n; i++)
		if (section->settings[i].option == option)
			return &section->settings[i];
	return NULL;
}
