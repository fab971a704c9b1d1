#include "plan_text.h"

#include <stdio.h>
#include <string.h>

#define KEY_COLUMNS   20
#define VALUE_COLUMNS 48

/* An empty value would be invisible. */
static const char *shown(const char *value)
{
	return *value ? value : "(none)";
}

bool plan_text(const struct json_doc *doc, const struct screen *screen, struct buf *out)
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

bool option_text(const struct json_doc *doc, const struct screen *screen, char *section,
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
