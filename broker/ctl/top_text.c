#include "top_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "ctl/status_text.h"
#include "ctl/top_rows.h"
#include "ctl/workers_table.h"

#define INDENT	  2
#define SLOTS_MAX 60 /* shown of a reload one by one */

/* The lines of a frame, of which there are no more than rows. */
struct frame {
	const struct screen *screen;
	struct buf *out;
	unsigned left; /* lines that still fit */
};

/* False: no line fits any more. */
static bool begin(struct frame *f, unsigned indent, struct text_line *ret)
{
	if (f->left == 0)
		return false;
	f->left--;
	text_begin(ret, f->out, f->screen->columns, f->screen->color);
	text_pad(ret, indent);
	return true;
}

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
	struct text_line line;
	STRBUF(rate, 32);

	if (!begin(f, 0, &line))
		return;
	top_add_rate(&rate,
		     before ? top_rate(s->ledger.accepted, before->ledger.accepted, top->ms) : -1);
	status_add_service(s, &line);
	text_addf(&line, TEXT_BOLD, "  %s accepted/s", rate.text);
	text_end(&line);
}

/* A character for each slot: # a new worker serves, > it starts, . the old one serves still. */
static void add_slots(const struct top *top, const struct view_service *s, struct text_line *line)
{
	const struct view_worker *workers = &top->now->workers[s->first_worker];
	char slots[SLOTS_MAX + 1] = "";
	int64_t n = 0;

	for (size_t i = 0; i < s->n_workers; i++) {
		const struct view_worker *w = &workers[i];

		if (w->slot < 0 || w->slot >= SLOTS_MAX)
			continue;
		for (; n <= w->slot; n++)
			slots[n] = '.';
		if (w->generation != s->reload.generation)
			continue;
		slots[w->slot] = strcmp(w->state, "ready") == 0 ? '#' : '>';
	}
	text_addf(line, TEXT_CYAN, "[%s]  ", slots);
}

static void add_details(struct frame *f, const struct top *top, const struct view_service *s)
{
	struct text_line line;

	if (s->reload.is_under_way && begin(f, INDENT, &line)) {
		add_slots(top, s, &line);
		status_add_reload(&s->reload, &line);
		text_end(&line);
	}
	if (begin(f, INDENT, &line)) {
		status_add_ledger(&s->ledger, &line);
		text_end(&line);
	}
	for (size_t i = 0; i < s->n_pins; i++) {
		if (!begin(f, INDENT, &line))
			return;
		status_add_pin(&top->now->pins[s->first_pin + i], &line);
		text_end(&line);
	}
}

/* How many lines add_service and add_details of all services would take. */
static size_t lines_of(const struct view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_services; i++)
		n += 2 + view->services[i].reload.is_under_way + view->services[i].n_pins;
	return n;
}

/* At most half of the screen: the workers are what one watches. */
static void add_services(struct frame *f, const struct top *top)
{
	const struct view *now = top->now;
	size_t room = f->left / 2;
	bool details = lines_of(now) <= room;
	struct text_line line;

	for (size_t i = 0; i < now->n_services; i++) {
		if (!details && i + 1 >= room && i + 1 < now->n_services) {
			if (begin(f, 0, &line)) {
				text_addf(&line, TEXT_DIM, "and %zu more services",
					  now->n_services - i);
				text_end(&line);
			}
			return;
		}
		add_service(f, top, &now->services[i]);
		if (details)
			add_details(f, top, &now->services[i]);
	}
}

/* Where the last column is narrow its words are cut: below, if there is room, they stand whole. */
static void add_reason(struct frame *f, const struct view_worker *w,
		       const struct table_layout *layout)
{
	struct text_line line;
	STRBUF(why, 1024);

	workers_add_why(w, &why);
	/* One line stays free between them and the foot. */
	if (!why.len || layout->last_at + text_width(why.text) <= f->screen->columns ||
	    f->left < 2 || !begin(f, INDENT, &line))
		return;
	text_addf(&line, TEXT_PLAIN, "%s@%" PRId64 ": %s", w->name, w->generation, why.text);
	text_end(&line);
}

static bool is_parked(const struct view_worker *w)
{
	return strcmp(w->state, "parked") == 0;
}

/* All who wait for a rollback say the same, so they come last. */
static void add_reasons(struct frame *f, const struct top_row *rows, size_t n,
			const struct table_layout *layout)
{
	for (size_t i = 0; i < n; i++)
		if (!is_parked(rows[i].worker))
			add_reason(f, rows[i].worker, layout);
	for (size_t i = 0; i < n; i++)
		if (is_parked(rows[i].worker))
			add_reason(f, rows[i].worker, layout);
}

static void add_workers(struct frame *f, const struct top_row *rows, size_t n)
{
	struct table table = top_rows_table(rows, n);
	struct table_layout layout;
	struct text_line line;

	if (n == 0)
		return;
	table_measure(&table, f->screen->columns, &layout);
	if (!begin(f, 0, &line))
		return;
	table_add_titles(&table, &layout, &line);
	text_end(&line);
	for (size_t i = 0; i < n; i++) {
		bool last = f->left == 1 && i + 1 < n;

		if (!begin(f, 0, &line))
			return;
		if (last)
			text_addf(&line, TEXT_DIM, "and %zu more workers", n - i);
		else
			table_add_row(&table, &layout, i, &line);
		text_end(&line);
	}
	add_reasons(f, rows, n, &layout);
}

static void add_foot(struct frame *f, const struct top *top)
{
	static const char *const sorts[] = {
		[TOP_BY_SLOT] = "slot",
		[TOP_BY_RATE] = "rate",
		[TOP_BY_CPU] = "CPU",
		[TOP_BY_OPEN] = "open connections",
	};
	struct text_line line;

	if (!begin(f, 0, &line))
		return;
	if (top->notice)
		text_add(&line, TEXT_RED, top->notice);
	else
		text_addf(&line, TEXT_DIM, "q quits  s sorts (by %s)", sorts[top->sort]);
	text_end(&line);
}

int top_text(const struct top *top, const struct screen *screen, struct buf *out)
{
	/* The foot has its line whatever else does not fit. */
	struct frame f = { .screen = screen, .out = out, .left = screen->rows - 1 };
	_cleanup_free_ struct top_row *rows = NULL;
	struct text_line line;
	int r = top_rows_make(top, &rows);

	if (r < 0)
		return r;
	if (top->now->has_broker && begin(&f, 0, &line)) {
		status_add_broker(&top->now->broker, &line);
		text_end(&line);
	}
	add_services(&f, top);
	add_workers(&f, rows, top->now->n_workers);
	/* At the bottom, where the eye finds it. */
	while (begin(&f, 0, &line))
		text_end(&line);
	f.left = 1;
	add_foot(&f, top);
	return 0;
}
