#include "top_text.h"

#include "base/words.h"
#include "ctl/status_text.h"

#define SLOTS_MAX 60 /* of a reload, shown one by one */

/* The counts of the service @name; absent if it is not there. */
static const struct json_value *ledger_of(const struct view *view, const char *name)
{
	const struct view_row *row = NULL;

	while (view && (row = view_next(view, NULL, "service", row)))
		if (json_doc_is(row->object, "service", name))
			return json_doc_member(row->object, "ledger");
	return NULL;
}

/* A character for each slot: # its new worker serves, > it starts, . the old one still serves. */
static void add_slots(const struct view *now, const struct view_service *s, int64_t generation,
		      struct strbuf *out)
{
	char slots[SLOTS_MAX + 1] = "";
	const struct view_row *row = NULL;
	int64_t n = 0;

	while ((row = view_next(now, s, "worker", row))) {
		int64_t slot = json_doc_number(row->object, "slot");

		if (slot < 0 || slot >= SLOTS_MAX)
			continue;
		for (; n <= slot; n++)
			slots[n] = '.';
		if (json_doc_number(row->object, "generation") == generation)
			slots[slot] = json_doc_is(row->object, "state", "ready") ? '#' : '>';
	}
	strbuf_addf(out, "[%s]  ", slots);
}

static void add_service(struct screen *s, const struct top *top, const struct view_service *of,
			bool details)
{
	const struct json_value *service = top->now->rows[of->first].object;
	const struct json_value *before =
		ledger_of(top->live.before, json_doc_text(service, "service"));
	STRBUF(slots, SLOTS_MAX + 8);
	STRBUF(rate, 32);

	workers_add_rate(&rate, workers_rate(json_doc_member(service, "ledger"), before, "accepted",
					     top->live.ms));
	add_slots(top->now, of, json_doc_number(json_doc_member(service, "reload"), "generation"),
		  &slots);
	status_add_service(s, top->now, of, details ? STATUS_SOME : STATUS_LINE, rate.text,
			   slots.text);
}

/* The lines that all services take with details. */
static size_t lines_of(const struct view *view)
{
	const struct view_row *row = NULL;
	size_t n = view_count(view, NULL, "pin");

	while ((row = view_next(view, NULL, "service", row)))
		n += 2 + (json_doc_member(row->object, "reload") != NULL);
	return n;
}

/* With one of its workers a service is found, too. */
static bool finds(const struct top *top, const struct view_service *s)
{
	for (const struct view_row *row = &top->now->rows[s->first]; row < &top->now->rows[s->end];
	     row++)
		if (words_have("service worker", json_doc_text(row->object, "type")) &&
		    workers_match(row->object, top->live.search))
			return true;
	return false;
}

/* How many of @n lines are above the @room for them. */
static size_t scrolled(size_t scroll, size_t n, size_t room)
{
	size_t most = n > room ? n - room : 0;

	return scroll < most ? scroll : most;
}

/* At most half of the screen: people watch the workers. Returns how far it was scrolled. */
static size_t add_services(struct screen *s, const struct top *top, const struct view *view)
{
	size_t room = s->left / 2, n = view->n_services;
	bool details = lines_of(view) <= room;
	size_t above = details ? 0 : scrolled(top->scroll, n, room);

	for (size_t i = above; i < n; i++) {
		const struct view_service *of = &view->services[i];

		if (!details && i + 1 - above >= room && i + 1 < n) {
			status_add_more(s, "and ", view, n - i);
			break;
		}
		add_service(s, top, of, details);
	}
	return above;
}

/*
 * Where WHY is narrow its words are cut. If there is room below the rows, they stand there whole.
 * Parked workers come last: each says the same, that it is kept for a rollback.
 */
static void add_reasons(struct screen *s, const struct workers_table *table)
{
	for (size_t i = 0; i < 2 * table->n; i++) {
		const struct json_value *w = table->rows[i % table->n].worker;
		bool parked = json_doc_is(w, "state", "parked");
		struct text_line line;
		STRBUF(why, 1024);

		/* One line stays free between them and the foot. */
		if (parked != (i >= table->n) || s->left < 2 ||
		    workers_why_fits(table, w, s->columns, &why))
			continue;
		line = text_begin(s, STATUS_INDENT);
		text_fill(&line, TEXT_PLAIN, "$worker@$generation: ", w);
		text_add(&line, TEXT_PLAIN, why.text);
		text_end(&line);
	}
}

/* Scrolled by @scroll rows, or as far as it goes: that is returned. */
static size_t add_workers(struct screen *s, const struct workers_table *table, size_t scroll)
{
	const struct workers_row *rows = table->rows;
	size_t n = table->n, above, kept = 0;
	struct text_line line;
	STRBUF(why, 1024);

	if (n == 0 || s->left == 0)
		return 0;
	workers_table_add(table, NULL, true, s);
	/* Room for the words about the first one that fails, however many follow. */
	if (s->left > 4 && view_trouble(rows[0].worker) == TROUBLE_FAULT &&
	    !workers_why_fits(table, rows[0].worker, s->columns, &why))
		kept = 2;
	s->left -= kept;
	above = scrolled(scroll, n, s->left);
	for (size_t i = above; i < n && s->left > 0; i++) {
		if (s->left > 1 || i + 1 == n) {
			workers_table_add(table, &rows[i], true, s);
			continue;
		}
		line = text_begin(s, 0);
		text_addf(&line, TEXT_DIM, "and %zu more workers", n - i);
		text_end(&line);
	}
	s->left += kept;
	add_reasons(s, table);
	return above;
}

static void add_foot(struct screen *s, const struct top *top)
{
	static const char *const sorts[] = {
		[SORT_BY_TROUBLE] = "trouble",
		[SORT_BY_SLOT] = "slot",
		[SORT_BY_RATE] = "rate",
		[SORT_BY_CPU] = "CPU",
		[SORT_BY_OPEN] = "open connections",
	};
	const char *search = top->live.search;
	struct text_line line = text_begin(s, 0);

	if (top->typing) {
		text_addf(&line, TEXT_BOLD, "/%s_", search);
	} else if (top->notice) {
		text_add(&line, TEXT_RED, top->notice);
	} else {
		text_addf(&line, TEXT_DIM, "q quits  s sorts (by %s)  ", sorts[top->live.sort]);
		if (*search)
			text_addf(&line, TEXT_BOLD, "only /%s (Esc: all)  ", search);
		else
			text_add(&line, TEXT_DIM, "/ searches  ");
		text_addf(&line, TEXT_DIM, "arrows, PgDn scroll (%zu above)", top->scroll);
	}
	text_end(&line);
}

void top_text(struct top *top, struct screen *s)
{
	struct view_service *services;
	struct view found;
	struct workers_table table;
	size_t above;

	if (!view_rank(top->now) || !workers_table_make(top->now, &top->live, s->columns, &table)) {
		s->out->cut = true;
		return;
	}
	/* Those that the search finds come first, in their order; the others are left out. */
	found = *top->now;
	found.n_services = 0;
	services = found.services;
	for (size_t i = 0; i < top->now->n_services; i++) {
		struct view_service of = services[i];

		if (!finds(top, &of))
			continue;
		services[i] = services[found.n_services];
		services[found.n_services++] = of;
	}
	/* The foot always has its line. */
	s->left = s->rows - 1;
	status_add_broker(s, top->now);
	above = add_services(s, top, &found);
	top->scroll = above + add_workers(s, &table, top->scroll - above);
	/* The foot is at the bottom, where the eye finds it. */
	while (s->left > 0)
		text_add_lines(s, "", "\n");
	s->left = 1;
	add_foot(s, top);
	free(table.rows);
}
