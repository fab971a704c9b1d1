#include "top_text.h"

#include <string.h>
#include "ctl/status_text.h"
#include "ctl/workers_table.h"

#define SLOTS_MAX 60 /* of a reload, shown one by one */

/* The counts of the service @name; absent if it is not there. */
static const struct json_value *ledger_of(const struct view *view, const char *name)
{
	const struct view_row *row = NULL;

	while (view && (row = view_next(view, NULL, VIEW_SERVICE, row)))
		if (strcmp(json_doc_text(row->object, "service"), name) == 0)
			return json_doc_member(row->object, "ledger");
	return NULL;
}

static void add_service(struct frame *f, const struct top *top, const struct json_value *s)
{
	const char *name = json_doc_text(s, "service");
	STRBUF(rate, 32);

	workers_add_rate(&rate, workers_rate(json_doc_member(s, "ledger"),
					     ledger_of(top->before, name), "accepted", top->ms));
	status_add_service(f, s, rate.text);
}

/* A character for each slot: # its new worker serves, > it starts, . the old one still serves. */
static void add_slots(const struct view *now, const struct view_service *s, int64_t generation,
		      struct strbuf *out)
{
	char slots[SLOTS_MAX + 1] = "";
	const struct view_row *row = NULL;
	int64_t n = 0;

	while ((row = view_next(now, s, VIEW_WORKER, row))) {
		int64_t slot = json_doc_number(row->object, "slot");

		if (slot < 0 || slot >= SLOTS_MAX)
			continue;
		for (; n <= slot; n++)
			slots[n] = '.';
		if (json_doc_number(row->object, "generation") == generation)
			slots[slot] =
				strcmp(json_doc_text(row->object, "state"), "ready") ? '>' : '#';
	}
	strbuf_addf(out, "[%s]  ", slots);
}

static void add_details(struct frame *f, const struct view *now, const struct view_service *s)
{
	const struct json_value *service = now->rows[s->first].object;
	const struct json_value *reload = json_doc_member(service, "reload");
	const struct view_row *row = NULL;
	STRBUF(slots, SLOTS_MAX + 8);

	add_slots(now, s, json_doc_number(reload, "generation"), &slots);
	status_add_reload(f, reload, slots.text);
	status_add_ledger(f, json_doc_member(service, "ledger"));
	while ((row = view_next(now, s, VIEW_PIN, row)))
		status_add_pin(f, STATUS_INDENT, row->object);
}

/* The lines that add_service() and add_details() take for all services. */
static size_t lines_of(const struct view *view)
{
	const struct view_row *row = NULL;
	size_t n = view_count(view, NULL, VIEW_PIN);

	while ((row = view_next(view, NULL, VIEW_SERVICE, row)))
		n += 2 + (json_doc_member(row->object, "reload") != NULL);
	return n;
}

/* At most half of the screen: people watch the workers. */
static void add_services(struct frame *f, const struct top *top)
{
	const struct view *now = top->now;
	size_t room = f->left / 2;
	bool details = lines_of(now) <= room;
	struct text_line line;

	for (size_t i = 0; i < now->n_services; i++) {
		if (!details && i + 1 >= room && i + 1 < now->n_services) {
			if (status_begin_line(f, 0, &line)) {
				text_addf(&line, TEXT_DIM, "and %zu more services",
					  now->n_services - i);
				text_end(&line);
			}
			return;
		}
		/* Without a line of its own, if only a worker was asked for. */
		if (now->rows[now->services[i].first].type != VIEW_SERVICE)
			continue;
		add_service(f, top, now->rows[now->services[i].first].object);
		if (details)
			add_details(f, now, &now->services[i]);
	}
}

/* Where WHY is narrow its words are cut. If there is room below the rows, they stand there whole.
 */
static void add_reason(struct frame *f, const struct json_value *w,
		       const struct workers_table *table)
{
	struct text_line line;
	STRBUF(why, 1024);

	workers_add_why(w, &why);
	/* One line stays free between them and the foot. */
	if (!why.len || table->why_at + text_width(why.text) <= f->screen.columns || f->left < 2 ||
	    !status_begin_line(f, STATUS_INDENT, &line))
		return;
	text_fill(&line, TEXT_PLAIN, "$worker@$generation: ", w);
	text_add(&line, TEXT_PLAIN, why.text);
	text_end(&line);
}

/* Parked workers come last: each says the same, that it is kept for a rollback. */
static void add_reasons(struct frame *f, const struct workers_table *table, size_t n)
{
	for (int parked = 0; parked <= 1; parked++)
		for (size_t i = 0; i < n; i++) {
			const struct json_value *w = table->rows[i].worker;

			if (parked == !strcmp(json_doc_text(w, "state"), "parked"))
				add_reason(f, w, table);
		}
}

static void add_workers(struct frame *f, const struct workers_row *rows, size_t n)
{
	struct workers_table table;
	struct text_line line;

	if (n == 0 || !status_begin_line(f, 0, &line))
		return;
	workers_table_top(rows, n, f->screen.columns, &table);
	workers_table_add_row(&table, NULL, &line);
	text_end(&line);
	for (size_t i = 0; i < n; i++) {
		bool last = f->left == 1 && i + 1 < n;

		if (!status_begin_line(f, 0, &line))
			return;
		if (last)
			text_addf(&line, TEXT_DIM, "and %zu more workers", n - i);
		else
			workers_table_add_row(&table, &rows[i], &line);
		text_end(&line);
	}
	add_reasons(f, &table, n);
}

static void add_foot(struct frame *f, const struct top *top)
{
	static const char *const sorts[] = {
		[SORT_BY_SLOT] = "slot",
		[SORT_BY_RATE] = "rate",
		[SORT_BY_CPU] = "CPU",
		[SORT_BY_OPEN] = "open connections",
	};
	struct text_line line;

	if (!status_begin_line(f, 0, &line))
		return;
	if (top->notice)
		text_add(&line, TEXT_RED, top->notice);
	else
		text_addf(&line, TEXT_DIM, "q quits  s sorts (by %s)", sorts[top->sort]);
	text_end(&line);
}

void top_text(const struct top *top, const struct screen *screen, struct buf *out)
{
	/* The foot always has its line. */
	struct frame f = { .screen = *screen, .out = out, .left = screen->rows - 1 };
	size_t n_rows;
	_cleanup_free_ struct workers_row *rows =
		workers_rows_make(top->now, top->before, top->ms, top->sort, &n_rows);
	const struct view_row *broker = view_next(top->now, NULL, VIEW_BROKER, NULL);

	if (!rows) {
		out->failed = true;
		return;
	}
	if (broker)
		status_add_broker(&f, broker->object);
	add_services(&f, top);
	add_workers(&f, rows, n_rows);
	/* The foot is at the bottom, where the eye finds it. */
	for (; f.left > 0; f.left--)
		buf_add_str(out, "\n");
	f.left = 1;
	add_foot(&f, top);
}
