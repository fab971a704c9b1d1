#include "top_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "ctl/status_text.h"
#include "ctl/workers_table.h"

#define SLOTS_MAX 60 /* of a reload, shown one by one */

static const struct view_service *service_before(const struct view *before, const char *name)
{
	for (size_t i = 0; before && i < before->n_services; i++)
		if (strcmp(before->services[i].name, name) == 0)
			return &before->services[i];
	return NULL;
}

static void add_service(struct frame *f, const struct top *top, const struct view_service *s)
{
	const struct view_service *before = service_before(top->before, s->name);
	STRBUF(rate, 32);

	workers_add_rate(&rate,
			 before ? workers_rate(s->ledger.accepted, before->ledger.accepted, top->ms)
				: -1);
	status_add_service(f, s, rate.text);
}

/* A character for each slot: # its new worker serves, > it starts, . the old one still serves. */
static void add_slots(const struct view *now, const struct view_service *s, struct strbuf *out)
{
	char slots[SLOTS_MAX + 1] = "";
	int64_t n = 0;

	for (size_t i = 0; i < s->n_workers; i++) {
		const struct view_worker *w = &now->workers[s->first_worker + i];

		if (w->slot < 0 || w->slot >= SLOTS_MAX)
			continue;
		for (; n <= w->slot; n++)
			slots[n] = '.';
		if (w->generation == s->reload.generation)
			slots[w->slot] = strcmp(w->state, "ready") == 0 ? '#' : '>';
	}
	strbuf_addf(out, "[%s]  ", slots);
}

static void add_details(struct frame *f, const struct view *now, const struct view_service *s)
{
	STRBUF(slots, SLOTS_MAX + 8);

	add_slots(now, s, &slots);
	status_add_reload(f, &s->reload, slots.text);
	status_add_ledger(f, &s->ledger);
	for (size_t i = 0; i < s->n_pins; i++)
		status_add_pin(f, STATUS_INDENT, &now->pins[s->first_pin + i]);
}

/* The lines that add_service() and add_details() take for all services. */
static size_t lines_of(const struct view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_services; i++)
		n += 2 + view->services[i].reload.is_under_way + view->services[i].n_pins;
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
		add_service(f, top, &now->services[i]);
		if (details)
			add_details(f, now, &now->services[i]);
	}
}

/* Where WHY is narrow its words are cut. If there is room below the rows, they stand there whole.
 */
static void add_reason(struct frame *f, const struct view_worker *w,
		       const struct workers_table *table)
{
	struct text_line line;
	STRBUF(why, 1024);

	workers_add_why(w, &why);
	/* One line stays free between them and the foot. */
	if (!why.len || table->why_at + text_width(why.text) <= f->screen.columns || f->left < 2 ||
	    !status_begin_line(f, STATUS_INDENT, &line))
		return;
	text_addf(&line, TEXT_PLAIN, "%s@%" PRId64 ": %s", w->name, w->generation, why.text);
	text_end(&line);
}

static bool is_parked(const struct view_worker *w)
{
	return strcmp(w->state, "parked") == 0;
}

/* Parked workers come last: each says the same, that it is kept for a rollback. */
static void add_reasons(struct frame *f, const struct workers_table *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_parked(table->rows[i].worker))
			add_reason(f, table->rows[i].worker, table);
	for (size_t i = 0; i < n; i++)
		if (is_parked(table->rows[i].worker))
			add_reason(f, table->rows[i].worker, table);
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
	_cleanup_free_ struct workers_row *rows =
		workers_rows_make(top->now, top->before, top->ms, top->sort);

	if (!rows) {
		out->failed = true;
		return;
	}
	if (top->now->has_broker)
		status_add_broker(&f, &top->now->broker);
	add_services(&f, top);
	add_workers(&f, rows, top->now->n_workers);
	/* The foot is at the bottom, where the eye finds it. */
	for (; f.left > 0; f.left--)
		buf_add_str(out, "\n");
	f.left = 1;
	add_foot(&f, top);
}
