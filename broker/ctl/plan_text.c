#include "plan_text.h"

#include <stdio.h>
#include <string.h>

#define KEY_COLUMNS   20
#define VALUE_COLUMNS 48

static const char *string(const struct json_doc *doc, const char *key)
{
	const char *text = json_doc_string(doc, doc->value, key);

	return text ? text : "";
}

/* An empty value would be invisible. */
static const char *shown(const char *value)
{
	return *value ? value : "(none)";
}

bool plan_text(const struct json_doc *doc, const struct screen *screen, struct buf *out)
{
	const char *key = string(doc, "key"), *action = string(doc, "action");
	const char *applies = string(doc, "applies");
	struct text_line line;

	if (strcmp(string(doc, "type"), "change") != 0)
		return false;
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_addf(&line, TEXT_BOLD, "[%s]", string(doc, "section"));
	if (*key)
		text_addf(&line, TEXT_PLAIN, " %s: %s -> %s", key, shown(string(doc, "from")),
			  shown(string(doc, "to")));
	text_end(&line);
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_pad(&line, 4);
	text_add(&line, TEXT_CYAN, applies);
	text_addf(&line, TEXT_PLAIN, "%s%s", *applies && *action ? ": " : "", action);
	text_end(&line);
	return true;
}

bool option_text(const struct json_doc *doc, const struct screen *screen, char *section,
		 size_t size, struct buf *out)
{
	const char *file = json_doc_string(doc, doc->value, "file");
	struct text_line line;

	if (strcmp(string(doc, "type"), "option") != 0)
		return false;
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	if (strcmp(section, string(doc, "section")) != 0) {
		if (*section)
			text_end(&line);
		snprintf(section, size, "%s", string(doc, "section"));
		text_addf(&line, TEXT_BOLD, "[%s]", section);
		text_end(&line);
		text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	}
	text_add(&line, TEXT_PLAIN, string(doc, "key"));
	text_pad(&line, KEY_COLUMNS);
	text_addf(&line, TEXT_PLAIN, " = %s", string(doc, "value"));
	text_pad(&line, VALUE_COLUMNS);
	text_addf(&line, TEXT_DIM, "  # %s", string(doc, "origin"));
	if (file)
		text_addf(&line, TEXT_YELLOW, "; in the file: %s", file);
	text_end(&line);
	return true;
}
