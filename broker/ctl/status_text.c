#include "status_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/workers_table.h"

static void add_age(struct text_line *line, const char *before, int64_t ms, const char *after)
{
	STRBUF(age, 32);

	text_add_age(&age, ms);
	text_addf(line, TEXT_PLAIN, "%s%s%s", before, age.text, after);
}

/* Behind a name. */
static void add_state(struct text_line *line, const char *state)
{
	text_add(line, TEXT_PLAIN, "  ");
	text_add(line, workers_state_style(state), state);
}

bool status_begin_line(struct frame *f, unsigned indent, struct text_line *ret)
{
	if (f->left == 0)
		return false;
	f->left--;
	text_begin(ret, f->out, f->screen.columns, f->screen.color);
	text_pad(ret, indent);
	return true;
}

void status_add_broker(struct frame *f, const struct view_broker *b)
{
	struct text_line line;

	if (!status_begin_line(f, 0, &line))
		return;
	text_addf(&line, TEXT_BOLD, "broker %s", b->version);
	add_state(&line, b->state);
	text_addf(&line, TEXT_PLAIN, "  pid %" PRId64, b->pid);
	add_age(&line, "  up ", b->uptime_ms, "  ");
	text_add(&line, TEXT_PLAIN, b->config ? b->config : "command line");
	text_end(&line);
}

void status_add_service(struct frame *f, const struct view_service *s, const char *accepted_rate)
{
	bool all = s->ready >= s->workers;
	struct text_line line;

	if (!status_begin_line(f, 0, &line))
		return;
	text_add(&line, TEXT_BOLD, s->name);
	add_state(&line, s->state);
	text_add(&line, TEXT_PLAIN, "  ");
	text_addf(&line, all ? TEXT_PLAIN : TEXT_YELLOW, "%" PRId64 "/%" PRId64 " ready", s->ready,
		  s->workers);
	text_addf(&line, TEXT_PLAIN, "  generation %" PRId64 "  %s", s->generation, s->balance);
	if (accepted_rate)
		text_addf(&line, TEXT_BOLD, "  %s accepted/s", accepted_rate);
	text_end(&line);
}

void status_add_ledger(struct frame *f, const struct view_ledger *l)
{
	int64_t sum = l->taken + l->waiting + l->client_gone + l->refused;
	struct text_line line;

	if (!status_begin_line(f, STATUS_INDENT, &line))
		return;
	text_addf(&line, TEXT_PLAIN,
		  "accepted %" PRId64 " = taken %" PRId64 " + waiting %" PRId64
		  " + client gone %" PRId64 " + ",
		  l->accepted, l->taken, l->waiting, l->client_gone);
	text_addf(&line, l->refused ? TEXT_YELLOW : TEXT_PLAIN, "refused %" PRId64, l->refused);
	if (l->reasons[0])
		text_addf(&line, TEXT_YELLOW, " (%s)", l->reasons);
	if (!l->balanced || sum != l->accepted)
		text_addf(&line, TEXT_RED, "  DOES NOT BALANCE: off by %" PRId64,
			  l->accepted - sum);
	if (l->taken_back > 0)
		text_addf(&line, TEXT_PLAIN, "; %" PRId64 " taken back and given again",
			  l->taken_back);
	text_end(&line);
}

void status_add_reload(struct frame *f, const struct view_reload *r, const char *slots)
{
	struct text_line line;

	if (!r->is_under_way || !status_begin_line(f, STATUS_INDENT, &line))
		return;
	text_add(&line, TEXT_CYAN, slots);
	text_addf(&line, TEXT_CYAN, "%s to generation %" PRId64 ": %" PRId64 " of %" PRId64,
		  r->kind[0] ? r->kind : "reload", r->generation, r->done, r->of);
	add_age(&line, ", ", r->ms, "");
	if (r->waits_for[0])
		text_addf(&line, TEXT_PLAIN, ", waits for %s", r->waits_for);
	text_end(&line);
}

void status_add_pin(struct frame *f, unsigned indent, const struct view_pin *p)
{
	struct text_line line;

	if (!status_begin_line(f, indent, &line))
		return;
	if (p->source)
		text_addf(&line, TEXT_PLAIN, "pin %s to %s", p->source, p->worker);
	else
		text_addf(&line, TEXT_PLAIN, "the next connection to %s", p->worker);
	if (p->kind[0] == 'd')
		text_add(&line, TEXT_PLAIN, ", while it is debugged");
	if (p->expires_ms >= 0)
		add_age(&line, ", for ", p->expires_ms, " more");
	text_end(&line);
}

/* --- of status alone ----------------------------------------------------------------------- */

static void add_rollback(struct frame *f, int64_t ms)
{
	struct text_line line;

	if (ms < 0 || !status_begin_line(f, STATUS_INDENT, &line))
		return;
	add_age(&line, "rollback is possible for ", ms, "");
	text_end(&line);
}

static void add_listener(struct frame *f, const struct view_listener *l)
{
	const char *port = strrchr(l->address, ':');
	bool half_full = l->backlog_max > 0 && l->backlog * 2 > l->backlog_max;
	struct text_line line;

	if (!status_begin_line(f, STATUS_INDENT, &line))
		return;
	text_add(&line, TEXT_PLAIN, l->address);
	if (!port || strtoll(port + 1, NULL, 10) != l->app_port)
		text_addf(&line, TEXT_PLAIN, " for %" PRId64, l->app_port);
	if (l->is_automatic)
		text_add(&line, TEXT_PLAIN, " (automatic)");
	add_state(&line, l->state);
	text_add(&line, TEXT_PLAIN, "  ");
	text_addf(&line, half_full ? TEXT_YELLOW : TEXT_PLAIN, "backlog %" PRId64 "/%" PRId64,
		  l->backlog, l->backlog_max);
	text_add(&line, TEXT_PLAIN, "  ");
	text_addf(&line, l->overflows > 0 ? TEXT_YELLOW : TEXT_PLAIN, "overflows %" PRId64,
		  l->overflows);
	text_addf(&line, TEXT_PLAIN, "  accepted %" PRId64, l->accepted);
	text_end(&line);
}

static void add_head(struct frame *f, const struct view *view, const struct view_service *s)
{
	status_add_service(f, s, NULL);
	status_add_reload(f, &s->reload, "");
	add_rollback(f, s->rollback_ms);
	for (size_t i = 0; i < s->n_listeners; i++)
		add_listener(f, &view->listeners[s->first_listener + i]);
	status_add_ledger(f, &s->ledger);
	for (size_t i = 0; i < s->n_pins; i++)
		status_add_pin(f, STATUS_INDENT, &view->pins[s->first_pin + i]);
}

static void add_workers(struct frame *f, const struct view_service *s,
			const struct workers_table *table)
{
	struct text_line line;

	if (s->n_workers == 0 || !status_begin_line(f, 0, &line))
		return;
	workers_table_add_row(table, NULL, &line);
	text_end(&line);
	for (size_t i = s->first_worker; i < s->first_worker + s->n_workers; i++) {
		STRBUF(why, 1024);
		bool fits;

		workers_add_why(table->rows[i].worker, &why);
		fits = table->why_at + text_width(why.text) <= f->screen.columns;
		if (!status_begin_line(f, 0, &line))
			return;
		/* A reason that does not fit stands below its row, whole. */
		if (!fits && table->why_at < line.width)
			line.width = table->why_at;
		workers_table_add_row(table, &table->rows[i], &line);
		text_end(&line);
		if (!fits)
			text_wrap(f->out, f->screen.columns, 2 * STATUS_INDENT, why.text);
	}
}

void status_text(const struct view *view, const struct screen *screen, struct buf *out)
{
	_cleanup_free_ struct workers_row *rows = workers_rows_make(view, NULL, 0, SORT_BY_SLOT);
	struct frame f = { .screen = *screen, .out = out, .left = SIZE_MAX };
	struct workers_table table;

	if (!rows) {
		out->failed = true;
		return;
	}
	/* Over all services, so that their columns are below each other. */
	workers_table_status(rows, view->n_workers, screen->columns, &table);
	if (view->has_broker)
		status_add_broker(&f, &view->broker);
	for (size_t i = 0; i < view->n_services; i++) {
		const struct view_service *s = &view->services[i];

		if (i > 0 || view->has_broker)
			buf_add_str(out, "\n");
		if (!s->is_implied)
			add_head(&f, view, s);
		add_workers(&f, s, &table);
	}
}
