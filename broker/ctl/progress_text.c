#include "progress_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_MAX 40

static void copy(char *to, size_t size, const struct json_doc *doc, const char *key)
{
	snprintf(to, size, "%s", json_doc_text(doc, key));
}

static enum progress_phase phase_of(const char *name)
{
	static const char *const names[] = {
		[PROGRESS_BEGIN] = "begin",   [PROGRESS_WAIT] = "wait",
		[PROGRESS_START] = "start",   [PROGRESS_READY] = "ready",
		[PROGRESS_RETIRE] = "retire", [PROGRESS_DONE] = "done",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return (enum progress_phase)i;
	return PROGRESS_OTHER;
}

bool progress_read(const struct json_doc *doc, struct progress *ret)
{
	if (strcmp(json_doc_text(doc, "type"), "progress") != 0)
		return false;
	copy(ret->service, sizeof(ret->service), doc, "service");
	copy(ret->worker, sizeof(ret->worker), doc, "worker");
	copy(ret->waits_for, sizeof(ret->waits_for), doc, "waits_for");
	copy(ret->message, sizeof(ret->message), doc, "message");
	copy(ret->phase_name, sizeof(ret->phase_name), doc, "phase");
	ret->phase = phase_of(ret->phase_name);
	ret->generation = json_doc_integer(doc, doc->value, "generation", 0);
	ret->done = json_doc_integer(doc, doc->value, "done", 0);
	ret->of = json_doc_integer(doc, doc->value, "of", 0);
	return true;
}

/* Slots as a bar of at most @room characters: # is new, > on the way, . still old. */
static void add_slots(struct text_line *line, int64_t done, int64_t of, unsigned room)
{
	char bar[BAR_MAX + 1];
	unsigned n, filled;

	if (room > BAR_MAX)
		room = BAR_MAX;
	if (of <= 0 || room == 0)
		return;
	if (done > of)
		done = of;
	if (done < 0)
		done = 0;
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

void progress_bar_text(const struct progress *p, int64_t ms, const struct screen *screen,
		       struct buf *out)
{
	struct text_line line;
	STRBUF(age, 32);

	/* The last column stays free: some terminals would wrap the line. */
	text_begin(&line, out, screen->columns - 1, screen->color);
	text_addf(&line, TEXT_BOLD, "%s generation %" PRId64, p->service, p->generation);
	text_add(&line, TEXT_PLAIN, "  ");
	add_slots(&line, p->done, p->of, screen->columns / 4);
	text_add_age(&age, ms);
	text_addf(&line, TEXT_PLAIN, "  %" PRId64 "/%" PRId64 "  %s", p->done, p->of, age.text);
	if (p->waits_for[0])
		text_addf(&line, TEXT_PLAIN, "  waits for %s", p->waits_for);
}

void progress_line_text(const struct progress *p, const struct screen *screen, struct buf *out)
{
	struct text_line line;

	text_begin(&line, out, TEXT_UNLIMITED, screen->color);
	text_addf(&line, TEXT_BOLD, "%s: ", p->service);
	/* The broker's own words come first. */
	if (p->message[0]) {
		text_add(&line, TEXT_PLAIN, p->message);
		text_end(&line);
		return;
	}
	switch (p->phase) {
	case PROGRESS_BEGIN:
		text_addf(&line, TEXT_PLAIN,
			  "generation %" PRId64 " begins, workers to replace: %" PRId64,
			  p->generation, p->of);
		break;
	case PROGRESS_START:
		text_addf(&line, TEXT_PLAIN, "%s of generation %" PRId64 " starts", p->worker,
			  p->generation);
		break;
	case PROGRESS_READY:
		text_addf(&line, TEXT_PLAIN,
			  "%s of generation %" PRId64 " is ready (%" PRId64 " of %" PRId64 ")",
			  p->worker, p->generation, p->done, p->of);
		break;
	case PROGRESS_RETIRE:
		text_addf(&line, TEXT_PLAIN, "the old %s drains", p->worker);
		break;
	case PROGRESS_DONE:
		text_addf(&line, TEXT_GREEN, "generation %" PRId64 " serves", p->generation);
		break;
	case PROGRESS_WAIT:
	case PROGRESS_OTHER:
		text_add(&line, TEXT_YELLOW, p->phase_name);
		break;
	}
	if (p->waits_for[0])
		text_addf(&line, TEXT_PLAIN, ", waits for %s", p->waits_for);
	text_end(&line);
}
