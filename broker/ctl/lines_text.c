#include "lines_text.h"

#include <stdio.h>
#include <time.h>
#include "base/words.h"

#define KEY_COLUMNS   20
#define VALUE_COLUMNS 48
#define BAR_MAX	      40

/* --- events -------------------------------------------------------------------------------- */

/* Members that have a place of their own in the line, or below it. */
#define SHOWN "type id time level event service worker message output last_output"

static void add_rest(const struct json_value *event, struct text_line *line)
{
	const struct json_value *v = json_doc_first(event);
	const char *before = " (", *text;

	for (; v; v = json_doc_next(v)) {
		text = v->kind != JSON_BOOL ? v->text : v->is_true ? "yes" : "no";
		/* Null and empty, as the core dump of an exit that left none, say nothing. */
		if (!text || !*text || words_have(SHOWN, v->key))
			continue;
		text_addf(line, TEXT_DIM, "%s%s %.*s", before, v->key,
			  (int)(v->kind == JSON_NUMBER ? v->len : strlen(text)), text);
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

static void add_event(const struct json_value *event, struct screen *s)
{
	const char *level = json_doc_text(event, "level");
	enum text_style style = text_state_style(level);
	struct text_line line = text_begin(s, 0);

	add_time(json_doc_text(event, "time"), &line);
	text_addf(&line, style, "%-5s ", level);
	text_fill(&line, style, "<bold>{$worker |$service |}<>$event{: $message}", event);
	add_rest(event, &line);
	text_end(&line);
	/* What a worker wrote last before it ended, or why it did not start. */
	text_add_lines(s, "  | ", json_doc_text(event, "output"));
	text_add_lines(s, "  | ", json_doc_text(event, "last_output"));
}

/* --- settings ------------------------------------------------------------------------------ */

static void add_change(const struct json_value *change, struct screen *s)
{
	/* An empty value would be invisible. */
	text_print(s, 0,
		   *json_doc_text(change, "key")
			   ? "<bold>[$section]<> $key: {$from|(none)} -> {$to|(none)}"
			   : "<bold>[$section]",
		   change);
	text_print(s, 4,
		   *json_doc_text(change, "applies") ? "<cyan>$applies<>{: $action}" : "$action",
		   change);
}

static void add_option(const struct json_value *option, struct screen *s,
		       char section[LINES_SECTION])
{
	struct text_line line;

	if (strcmp(section, json_doc_text(option, "section")) != 0) {
		text_add_lines(s, "", *section ? "\n" : "");
		snprintf(section, LINES_SECTION, "%s", json_doc_text(option, "section"));
		text_print(s, 0, "<bold>[$section]", option);
	}
	line = text_begin(s, 0);
	text_fill(&line, TEXT_PLAIN, "$key", option);
	text_pad(&line, KEY_COLUMNS);
	text_fill(&line, TEXT_PLAIN, " = $value", option);
	text_pad(&line, VALUE_COLUMNS);
	text_fill(&line, TEXT_DIM, "  # $origin", option);
	/* Not in braces: what is empty in the file differs, too. */
	if (json_doc_member(option, "file"))
		text_fill(&line, TEXT_YELLOW, "; in the file: $file", option);
	text_end(&line);
}

/* --- a reload, a restart --------------------------------------------------------------------- */

/*
 * The phases on the way, and the last one. Of all others, as "aborted" or those of a newer broker,
 * the name is shown.
 */
static const struct step {
	const char *phase, *words;
} steps[] = {
	{ "wait", "" }, /* no step, but a sign of life, for the bar */
	{ "begin", "generation $generation begins, workers to replace: $of" },
	{ "start", "$worker of generation $generation starts" },
	{ "ready", "$worker of generation $generation is ready ($done of $of)" },
	{ "retire", "the old $worker drains" },
	{ "probation", "all workers of generation $generation serve" },
	{ "done", "<green>generation $generation serves" },
};

static const struct step *step_of(const struct json_value *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (json_doc_is(line, "phase", steps[i].phase))
			return &steps[i];
	return NULL;
}

static void add_step(const struct json_value *line, struct screen *s)
{
	const struct step *step = step_of(line);
	/* The broker's own words come first. */
	bool has_words = *json_doc_text(line, "message");
	struct text_line text;

	if (step == &steps[0])
		return;
	text = text_begin(s, 0);
	text_fill(&text, TEXT_BOLD, "$service: ", line);
	text_fill(&text, TEXT_PLAIN,
		  has_words ? "$message"
		  : step    ? step->words
			    : "<yellow>$phase",
		  line);
	text_fill(&text, TEXT_PLAIN, has_words ? "" : "{, waits for $waits_for}", line);
	text_end(&text);
}

bool lines_add(const struct json_value *line, struct screen *s, char section[LINES_SECTION])
{
	/* Never cut to the width of the screen: what matters may be at the end. */
	s->columns = TEXT_UNLIMITED;
	if (json_doc_is(line, "type", "event"))
		add_event(line, s);
	else if (json_doc_is(line, "type", "lost"))
		text_print(s, 0,
			   "<yellow>$count events were lost: newer ones have taken their place",
			   line);
	else if (json_doc_is(line, "type", "change"))
		add_change(line, s);
	else if (json_doc_is(line, "type", "option"))
		add_option(line, s, section);
	else if (json_doc_is(line, "type", "progress"))
		add_step(line, s);
	else
		return false;
	return true;
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

bool lines_add_bar(const struct json_value *step, int64_t ms, struct screen *s)
{
	const struct step *at = step_of(step);
	struct text_line line;
	STRBUF(age, 32);

	if (!at || at == &steps[ARRAY_SIZE(steps) - 1] || !json_doc_is(step, "type", "progress"))
		return false;
	line = text_begin(s, 0);
	/* The last column stays free: some terminals would wrap the line. */
	line.width--;
	text_fill(&line, TEXT_PLAIN, "<bold>$service generation $generation<>  ", step);
	add_slots(&line, json_doc_number(step, "done"), json_doc_number(step, "of"),
		  s->columns / 4);
	text_add_age(&age, ms);
	text_fill(&line, TEXT_PLAIN, "  $done/$of", step);
	text_addf(&line, TEXT_PLAIN, "  %s", age.text);
	text_fill(&line, TEXT_PLAIN, "{  waits for $waits_for}", step);
	return true;
}
