#include "lines_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY_COLUMNS   20
#define VALUE_COLUMNS 48

/* --- events -------------------------------------------------------------------------------- */

static enum text_style style_of(const char *level)
{
	if (!strcmp(level, "error"))
		return TEXT_RED;
	if (!strcmp(level, "warn"))
		return TEXT_YELLOW;
	return !strcmp(level, "debug") ? TEXT_DIM : TEXT_PLAIN;
}

/* Members that have a place of their own in the line, or below it. */
static bool is_shown(const char *key)
{
	static const char *const shown[] = {
		"type",	   "id",     "time",	"level",  "event",
		"service", "worker", "message", "output", "last_output"
	};

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (!strcmp(key, shown[i]))
			return true;
	return false;
}

/* Null or empty, as the core dump of an exit that left none. */
static bool says_nothing(const struct json_value *v)
{
	return v->kind == JSON_NULL || (v->kind == JSON_STRING && !v->text[0]);
}

static void add_value(const struct json_value *v, struct text_line *line)
{
	switch (v->kind) {
	case JSON_STRING:
		text_add(line, TEXT_DIM, v->text);
		break;
	case JSON_NUMBER:
		text_addf(line, TEXT_DIM, "%.*s", (int)v->len, v->text);
		break;
	case JSON_BOOL:
		text_add(line, TEXT_DIM, v->is_true ? "yes" : "no");
		break;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
}

static void add_rest(const struct json_doc *doc, struct text_line *line)
{
	const struct json_value *v = json_doc_first(doc, doc->value);
	bool any = false;

	for (; v; v = json_doc_next(doc, v)) {
		if (says_nothing(v) || v->kind == JSON_ARRAY || v->kind == JSON_OBJECT ||
		    is_shown(v->key))
			continue;
		text_addf(line, TEXT_DIM, "%s%s ", any ? ", " : " (", v->key);
		add_value(v, line);
		any = true;
	}
	if (any)
		text_add(line, TEXT_DIM, ")");
}

/* 2026-11-22T15:37:44.123Z, with a blank instead of the T. */
static void add_time(const char *time, struct text_line *line)
{
	const char *t = strchr(time, 'T');

	if (t)
		text_addf(line, TEXT_DIM, "%.*s %s ", (int)(t - time), time, t + 1);
	else
		text_addf(line, TEXT_DIM, "%s ", time);
}

bool lines_add_event(const struct json_doc *doc, const struct screen *screen, struct buf *out)
{
	const char *type = json_doc_text(doc, "type"), *level = json_doc_text(doc, "level");
	const char *name = json_doc_text(doc, "worker"), *message = json_doc_text(doc, "message");
	enum text_style style = style_of(level);
	struct text_line line;

	/* Never cut to the width of the screen: what matters may be at the end. */
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	if (!strcmp(type, "lost")) {
		text_addf(&line, TEXT_YELLOW, "%" PRId64 " events were lost: they came too fast",
			  json_doc_integer(doc, doc->value, "count", 0));
		text_end(&line);
		return true;
	}
	if (strcmp(type, "event") != 0)
		return false;
	add_time(json_doc_text(doc, "time"), &line);
	text_addf(&line, style, "%-5s ", level);
	if (!*name)
		name = json_doc_text(doc, "service");
	text_add(&line, TEXT_BOLD, name);
	text_addf(&line, style, "%s%s", *name ? " " : "", json_doc_text(doc, "event"));
	text_addf(&line, style, "%s%s", *message ? ": " : "", message);
	add_rest(doc, &line);
	text_end(&line);
	/* What a worker wrote last before it ended, or why it did not start. */
	text_add_lines(out, screen->color, "  | ", json_doc_text(doc, "output"));
	text_add_lines(out, screen->color, "  | ", json_doc_text(doc, "last_output"));
	return true;
}

/* --- settings ------------------------------------------------------------------------------ */

/* An empty value would be invisible. */
static const char *shown(const char *value)
{
	return *value ? value : "(none)";
}

bool lines_add_change(const struct json_doc *doc, const struct screen *screen, struct buf *out)
{
	const char *key = json_doc_text(doc, "key"), *action = json_doc_text(doc, "action");
	const char *applies = json_doc_text(doc, "applies");
	struct text_line line;

	if (strcmp(json_doc_text(doc, "type"), "change") != 0)
		return false;
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_addf(&line, TEXT_BOLD, "[%s]", json_doc_text(doc, "section"));
	if (*key)
		text_addf(&line, TEXT_PLAIN, " %s: %s -> %s", key,
			  shown(json_doc_text(doc, "from")), shown(json_doc_text(doc, "to")));
	text_end(&line);
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_pad(&line, 4);
	text_add(&line, TEXT_CYAN, applies);
	text_addf(&line, TEXT_PLAIN, "%s%s", *applies && *action ? ": " : "", action);
	text_end(&line);
	return true;
}

bool lines_add_option(const struct json_doc *doc, const struct screen *screen, char *section,
		      size_t size, struct buf *out)
{
	const char *file = json_doc_string(doc, doc->value, "file");
	struct text_line line;

	if (strcmp(json_doc_text(doc, "type"), "option") != 0)
		return false;
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	if (strcmp(section, json_doc_text(doc, "section")) != 0) {
		if (*section)
			text_end(&line);
		snprintf(section, size, "%s", json_doc_text(doc, "section"));
		text_addf(&line, TEXT_BOLD, "[%s]", section);
		text_end(&line);
		text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	}
	text_add(&line, TEXT_PLAIN, json_doc_text(doc, "key"));
	text_pad(&line, KEY_COLUMNS);
	text_addf(&line, TEXT_PLAIN, " = %s", json_doc_text(doc, "value"));
	text_pad(&line, VALUE_COLUMNS);
	text_addf(&line, TEXT_DIM, "  # %s", json_doc_text(doc, "origin"));
	if (file)
		text_addf(&line, TEXT_YELLOW, "; in the file: %s", file);
	text_end(&line);
	return true;
}
