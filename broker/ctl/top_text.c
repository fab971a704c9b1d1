#include "top_text.h"

#include <string.h>
#include "ctl/status_text.h"
#include "ctl/trouble.h"
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

/* Whether the search finds @text. */
static bool finds(const struct top *top, const char *text)
{
	return !*top->search || strcasestr(text, top->search);
}

static bool finds_worker(const struct top *top, const struct json_value *w)
{
	STRBUF(why, 1024);

	workers_add_why(w, &why);
	return finds(top, json_doc_text(w, "worker")) || finds(top, json_doc_text(w, "state")) ||
	       finds(top, why.text);
}

/* With one of its workers a service is found, too. */
static bool finds_service(const struct top *top, const struct view_service *s)
{
	const struct json_value *o = top->now->rows[s->first].object;
	const struct view_row *row = NULL;

	if (finds(top, json_doc_text(o, "service")) || finds(top, json_doc_text(o, "state")))
		return true;
	while ((row = view_next(top->now, s, VIEW_WORKER, row)))
		if (finds_worker(top, row->object))
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
static size_t add_services(struct frame *f, const struct top *top, const struct view *view)
{
	size_t room = f->left / 2, n = view->n_services;
	bool details = lines_of(view) <= room;
	size_t above = details ? 0 : scrolled(top->scroll, n, room);
	STRBUF(more, 64);

	strbuf_add(&more, "and ");
	for (size_t i = above; i < n; i++) {
		const struct view_service *s = &view->services[i];

		if (!details && i + 1 - above >= room && i + 1 < n) {
			trouble_add_more(view, n - i, &more);
			status_add_dim(f, 0, more.text);
			break;
		}
		/* Without a line of its own, if only a worker was asked for. */
		if (view->rows[s->first].type != VIEW_SERVICE)
			continue;
		add_service(f, top, view->rows[s->first].object);
		if (details)
			add_details(f, view, s);
	}
	return above;
}

/* Where WHY is narrow its words are cut. If there is room below the rows, they stand there whole.
 */
static void add_reason(struct frame *f, const struct json_value *w,
		       const struct workers_table *table)
{
	struct text_line line;
	STRBUF(why, 1024);

	/* One line stays free between them and the foot. */
	if (workers_why_fits(table, w, f->screen.columns, &why) || f->left < 2)
		return;
	(void)status_begin_line(f, STATUS_INDENT, &line);
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

/* Scrolled by @scroll rows, or as far as it goes: that is returned. */
static size_t add_workers(struct frame *f, const struct workers_row *rows, size_t n, size_t scroll)
{
	struct workers_table table;
	struct text_line line;
	STRBUF(more, 64);
	STRBUF(why, 1024);
	size_t above, kept = 0;

	if (n == 0 || !status_begin_line(f, 0, &line))
		return 0;
	workers_table_make(rows, n, true, f->screen.columns, &table);
	workers_table_add_row(&table, NULL, &line);
	text_end(&line);
	/* Room for the words about the first one that fails, however many follow. */
	if (f->left > 4 && trouble_of_worker(rows[0].worker) == TROUBLE_FAULT &&
	    !workers_why_fits(&table, rows[0].worker, f->screen.columns, &why))
		kept = 2;
	f->left -= kept;
	above = scrolled(scroll, n, f->left);
	for (size_t i = above; i < n; i++) {
		if (f->left == 1 && i + 1 < n) {
			strbuf_addf(&more, "and %zu more workers", n - i);
			status_add_dim(f, 0, more.text);
			break;
		}
		if (!status_begin_line(f, 0, &line))
			break;
		workers_table_add_row(&table, &rows[i], &line);
		text_end(&line);
	}
	f->left += kept;
	add_reasons(f, &table, n);
	return above;
}

static void add_foot(struct frame *f, const struct top *top)
{
	static const char *const sorts[] = {
		[SORT_BY_TROUBLE] = "trouble",
		[SORT_BY_SLOT] = "slot",
		[SORT_BY_RATE] = "rate",
		[SORT_BY_CPU] = "CPU",
		[SORT_BY_OPEN] = "open connections",
	};
	struct text_line line;

	if (!status_begin_line(f, 0, &line))
		return;
	if (top->typing) {
		text_addf(&line, TEXT_BOLD, "/%s_", top->search);
	} else if (top->notice) {
		text_add(&line, TEXT_RED, top->notice);
	} else {
		text_addf(&line, TEXT_DIM, "q quits  s sorts (by %s)  ", sorts[top->sort]);
		if (*top->search)
			text_addf(&line, TEXT_BOLD, "only /%s (Esc: all)  ", top->search);
		else
			text_add(&line, TEXT_DIM, "/ searches  ");
		text_addf(&line, TEXT_DIM, "arrows, PgDn scroll (%zu above)", top->scroll);
	}
	text_end(&line);
}

/* Leaves out what the search does not find. @services has room for all of @top. */
static void search(const struct top *top, struct view_service *services, struct view *ret,
		   struct workers_row *rows, size_t *n_rows)
{
	size_t n = 0;

	*ret = *top->now;
	ret->services = services;
	ret->n_services = 0;
	for (size_t i = 0; i < top->now->n_services; i++)
		if (finds_service(top, &top->now->services[i]))
			services[ret->n_services++] = top->now->services[i];
	for (size_t i = 0; i < *n_rows; i++)
		if (finds_worker(top, rows[i].worker))
			rows[n++] = rows[i];
	*n_rows = n;
}

void top_text(struct top *top, const struct screen *screen, struct buf *out)
{
	/* The foot always has its line. */
	struct frame f = { .screen = *screen, .out = out, .left = screen->rows - 1 };
	size_t n_rows, above;
	_cleanup_free_ struct workers_row *rows = NULL;
	_cleanup_free_ struct view_service *services =
		calloc(top->now->n_services + 1, sizeof(*services));
	const struct view_row *broker = view_next(top->now, NULL, VIEW_BROKER, NULL);
	struct view found;

	trouble_rank(top->now);
	rows = workers_rows_make(top->now, top->before, top->ms, top->sort, &n_rows);
	if (!rows || !services) {
		out->failed = true;
		return;
	}
	search(top, services, &found, rows, &n_rows);
	if (broker)
		status_add_broker(&f, broker->object);
	above = add_services(&f, top, &found);
	top->scroll = above + add_workers(&f, rows, n_rows, top->scroll - above);
	/* The foot is at the bottom, where the eye finds it. */
	for (; f.left > 0; f.left--)
		buf_add_str(out, "\n");
	f.left = 1;
	add_foot(&f, top);
}
