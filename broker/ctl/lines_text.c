#include "lines_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define KEY_COLUMNS   20
#define VALUE_COLUMNS 48
#define BAR_MAX	      40

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

/* Null and empty, as the core dump of an exit that left none, say nothing. */
static void add_value(const struct json_value *v, struct strbuf *out)
{
	switch (v->kind) {
	case JSON_STRING:
	case JSON_NUMBER:
		strbuf_add_bytes(out, v->text, v->len);
		break;
	case JSON_BOOL:
		strbuf_add(out, v->is_true ? "yes" : "no");
		break;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
}

static void add_rest(const struct json_value *event, struct text_line *line)
{
	const struct json_value *v = json_doc_first(event);
	const char *before = " (";

	for (; v; v = json_doc_next(v)) {
		STRBUF(text, 4096);

		add_value(v, &text);
		if (!text.len || is_shown(v->key))
			continue;
		text_addf(line, TEXT_DIM, "%s%s %s", before, v->key, text.text);
		before = ", ";
	}
	text_add(line, TEXT_DIM, *before == ',' ? ")" : "");
}

/* In local time, as the log has it. The broker's form is UTC: 2026-11-22T15:37:44.123Z. */
static void add_time(const char *time, struct text_line *line)
{
	struct tm utc = { 0 }, local;
	const char *rest = strptime(time, "%Y-%m-%dT%H:%M:%S", &utc);
	time_t at = timegm(&utc);
	char text[64];

	if (!rest || !localtime_r(&at, &local) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local))
		text_addf(line, TEXT_DIM, "%s ", time);
	else
		text_addf(line, TEXT_DIM, "%s%.*s ", text, (int)strcspn(rest, "Z"), rest);
}

bool lines_add_event(const struct json_value *event, const struct screen *screen, struct buf *out)
{
	const char *type = json_doc_text(event, "type"), *level = json_doc_text(event, "level");
	bool has_worker = *json_doc_text(event, "worker");
	enum text_style style = style_of(level);
	struct text_line line;

	/* Never cut to the width of the screen: what matters may be at the end. */
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	if (!strcmp(type, "lost")) {
		text_fill(&line, TEXT_YELLOW, "$count events were lost: they came too fast", event);
		text_end(&line);
		return true;
	}
	if (strcmp(type, "event") != 0)
		return false;
	add_time(json_doc_text(event, "time"), &line);
	text_addf(&line, style, "%-5s ", level);
	text_fill(&line, TEXT_BOLD, has_worker ? "$worker " : "{$service }", event);
	text_fill(&line, style, "$event{: $message}", event);
	add_rest(event, &line);
	text_end(&line);
	/* What a worker wrote last before it ended, or why it did not start. */
	text_add_lines(out, screen->color, "  | ", json_doc_text(event, "output"));
	text_add_lines(out, screen->color, "  | ", json_doc_text(event, "last_output"));
	return true;
}

/* --- settings ------------------------------------------------------------------------------ */

/* An empty value would be invisible. */
static const char *shown(const char *value)
{
	return *value ? value : "(none)";
}

bool lines_add_change(const struct json_value *change, const struct screen *screen, struct buf *out)
{
	const char *key = json_doc_text(change, "key"), *applies = json_doc_text(change, "applies");
	struct text_line line;

	if (strcmp(json_doc_text(change, "type"), "change") != 0)
		return false;
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_fill(&line, TEXT_BOLD, "[$section]", change);
	if (*key)
		text_addf(&line, TEXT_PLAIN, " %s: %s -> %s", key,
			  shown(json_doc_text(change, "from")), shown(json_doc_text(change, "to")));
	text_end(&line);
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_pad(&line, 4);
	text_add(&line, TEXT_CYAN, applies);
	text_fill(&line, TEXT_PLAIN, *applies ? "{: $action}" : "$action", change);
	text_end(&line);
	return true;
}

bool lines_add_option(const struct json_value *option, const struct screen *screen, char *section,
		      size_t size, struct buf *out)
{
	struct text_line line;

	if (strcmp(json_doc_text(option, "type"), "option") != 0)
		return false;
	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	if (strcmp(section, json_doc_text(option, "section")) != 0) {
		if (*section)
			text_end(&line);
		snprintf(section, size, "%s", json_doc_text(option, "section"));
		text_addf(&line, TEXT_BOLD, "[%s]", section);
		text_end(&line);
		text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	}
	text_fill(&line, TEXT_PLAIN, "$key", option);
	text_pad(&line, KEY_COLUMNS);
	text_fill(&line, TEXT_PLAIN, " = $value", option);
	text_pad(&line, VALUE_COLUMNS);
	text_fill(&line, TEXT_DIM, "  # $origin", option);
	/* Not in braces: what is empty in the file differs, too. */
	if (json_doc_member(option, "file"))
		text_fill(&line, TEXT_YELLOW, "; in the file: $file", option);
	text_end(&line);
	return true;
}

/* --- a reload, a restart --------------------------------------------------------------------- */

/* Steps. Of all other phases, as "aborted" or those of a newer broker, the name is shown. */
static const struct {
	const char *phase;
	enum text_style style;
	const char *words;
} steps[] = {
	{ "begin", TEXT_PLAIN, "generation $generation begins, workers to replace: $of" },
	{ "start", TEXT_PLAIN, "$worker of generation $generation starts" },
	{ "ready", TEXT_PLAIN, "$worker of generation $generation is ready ($done of $of)" },
	{ "retire", TEXT_PLAIN, "the old $worker drains" },
	{ "probation", TEXT_PLAIN, "all workers of generation $generation serve" },
	{ "done", TEXT_GREEN, "generation $generation serves" },
};

void lines_add_step(const struct json_value *step, const struct screen *screen, struct buf *out)
{
	const char *phase = json_doc_text(step, "phase");
	struct text_line line;
	size_t i = 0;

	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_fill(&line, TEXT_BOLD, "$service: ", step);
	/* The broker's own words come first. */
	if (*json_doc_text(step, "message")) {
		text_fill(&line, TEXT_PLAIN, "$message", step);
		text_end(&line);
		return;
	}
	while (i < ARRAY_SIZE(steps) && strcmp(steps[i].phase, phase) != 0)
		i++;
	if (i < ARRAY_SIZE(steps))
		text_fill(&line, steps[i].style, steps[i].words, step);
	else
		text_add(&line, TEXT_YELLOW, phase);
	text_fill(&line, TEXT_PLAIN, "{, waits for $waits_for}", step);
	text_end(&line);
}

void lines_bar_read(const struct json_value *step, struct lines_bar *ret)
{
	snprintf(ret->service, sizeof(ret->service), "%s", json_doc_text(step, "service"));
	snprintf(ret->waits_for, sizeof(ret->waits_for), "%s", json_doc_text(step, "waits_for"));
	ret->generation = json_doc_number(step, "generation");
	ret->done = json_doc_number(step, "done");
	ret->of = json_doc_number(step, "of");
}

/* Slots as a bar of at most @room characters: # is new, > on the way, . still old. */
static void add_slots(struct text_line *line, int64_t done, int64_t of, unsigned room)
{
	char bar[BAR_MAX + 1];
	unsigned n, filled;

	room = room > BAR_MAX ? BAR_MAX : room;
	if (of <= 0 || room == 0)
		return;
	done = done > of ? of : done < 0 ? 0 : done;
	n = of < room ? (unsigned)of : room;
	/* Full only when all are done. */
	filled = of <= room ? (unsigned)done : (unsigned)((double)done * room / (double)of);
	memset(bar, '.', n);
	memset(bar, '#', filled);
	if (filled < n)
		bar[filled] = '>';
	bar[n] = '\0';
	text_add(line, TEXT_PLAIN, "[");
	text_add(line, TEXT_GREEN, bar);
	text_add(line, TEXT_PLAIN, "]");
}

void lines_add_bar(const struct lines_bar *bar, int64_t ms, const struct screen *screen,
		   struct buf *out)
{
	struct text_line line;
	STRBUF(age, 32);

	/* The last column stays free: some terminals would wrap the line. */
	text_begin(&line, out, screen->columns - 1, screen->color);
	text_addf(&line, TEXT_BOLD, "%s generation %" PRId64, bar->service, bar->generation);
	text_add(&line, TEXT_PLAIN, "  ");
	add_slots(&line, bar->done, bar->of, screen->columns / 4);
	text_add_age(&age, ms);
	text_addf(&line, TEXT_PLAIN, "  %" PRId64 "/%" PRId64 "  %s", bar->done, bar->of, age.text);
	if (bar->waits_for[0])
		text_addf(&line, TEXT_PLAIN, "  waits for %s", bar->waits_for);
}
