#include "status_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/workers_table.h"

#define INDENT 2

static void add_age(struct text_line *line, const char *before, int64_t ms, const char *after)
{
	STRBUF(age, 32);

	text_add_age(&age, ms);
	text_addf(line, TEXT_PLAIN, "%s%s%s", before, age.text, after);
}

void status_add_broker(const struct view_broker *b, struct text_line *line)
{
	text_addf(line, TEXT_BOLD, "broker %s", b->version);
	text_add(line, TEXT_PLAIN, "  ");
	text_add(line, workers_state_style(b->state), b->state);
	text_addf(line, TEXT_PLAIN, "  pid %" PRId64, b->pid);
	add_age(line, "  up ", b->uptime_ms, "  ");
	text_add(line, TEXT_PLAIN, b->config ? b->config : "command line");
}

void status_add_service(const struct view_service *s, struct text_line *line)
{
	bool all = s->ready >= s->workers;

	text_add(line, TEXT_BOLD, s->name);
	text_add(line, TEXT_PLAIN, "  ");
	text_add(line, workers_state_style(s->state), s->state);
	text_add(line, TEXT_PLAIN, "  ");
	text_addf(line, all ? TEXT_PLAIN : TEXT_YELLOW, "%" PRId64 "/%" PRId64 " ready", s->ready,
		  s->workers);
	text_addf(line, TEXT_PLAIN, "  generation %" PRId64 "  %s", s->generation, s->balance);
}

void status_add_ledger(const struct view_ledger *l, struct text_line *line)
{
	int64_t sum = l->taken + l->waiting + l->client_gone + l->refused;

	text_addf(line, TEXT_PLAIN,
		  "accepted %" PRId64 " = taken %" PRId64 " + waiting %" PRId64
		  " + client gone %" PRId64 " + ",
		  l->accepted, l->taken, l->waiting, l->client_gone);
	text_addf(line, l->refused ? TEXT_YELLOW : TEXT_PLAIN, "refused %" PRId64, l->refused);
	if (l->reasons[0])
		text_addf(line, TEXT_YELLOW, " (%s)", l->reasons);
	if (!l->balanced || sum != l->accepted)
		text_addf(line, TEXT_RED, "  DOES NOT BALANCE: off by %" PRId64, l->accepted - sum);
	if (l->taken_back > 0)
		text_addf(line, TEXT_PLAIN, "; %" PRId64 " taken back and given again",
			  l->taken_back);
}

void status_add_reload(const struct view_reload *r, struct text_line *line)
{
	text_addf(line, TEXT_CYAN, "%s to generation %" PRId64 ": %" PRId64 " of %" PRId64,
		  r->kind[0] ? r->kind : "reload", r->generation, r->done, r->of);
	add_age(line, ", ", r->ms, "");
	if (r->waits_for[0])
		text_addf(line, TEXT_PLAIN, ", waits for %s", r->waits_for);
}

void status_add_pin(const struct view_pin *p, struct text_line *line)
{
	if (p->source)
		text_addf(line, TEXT_PLAIN, "pin %s to %s", p->source, p->worker);
	else
		text_addf(line, TEXT_PLAIN, "the next connection to %s", p->worker);
	if (p->kind[0] == 'd')
		text_add(line, TEXT_PLAIN, ", while it is debugged");
	if (p->expires_ms >= 0)
		add_age(line, ", for ", p->expires_ms, " more");
}

static void add_listener(const struct view_listener *l, struct text_line *line)
{
	const char *port = strrchr(l->address, ':');

	text_add(line, TEXT_PLAIN, l->address);
	if (!port || strtoll(port + 1, NULL, 10) != l->app_port)
		text_addf(line, TEXT_PLAIN, " for %" PRId64, l->app_port);
	text_addf(line, TEXT_PLAIN, "%s  ", l->is_automatic ? " (automatic)" : "");
	text_add(line, workers_state_style(l->state), l->state);
	text_add(line, TEXT_PLAIN, "  ");
	text_addf(line,
		  l->backlog_max > 0 && l->backlog * 2 > l->backlog_max ? TEXT_YELLOW : TEXT_PLAIN,
		  "backlog %" PRId64 "/%" PRId64, l->backlog, l->backlog_max);
	text_add(line, TEXT_PLAIN, "  ");
	text_addf(line, l->overflows > 0 ? TEXT_YELLOW : TEXT_PLAIN, "overflows %" PRId64,
		  l->overflows);
	text_addf(line, TEXT_PLAIN, "  accepted %" PRId64, l->accepted);
}

static struct text_line begin(const struct screen *screen, struct buf *out, unsigned indent)
{
	struct text_line line;

	text_begin(&line, out, screen->columns, screen->color);
	text_pad(&line, indent);
	return line;
}

static void add_head(const struct view *view, const struct view_service *s,
		     const struct screen *screen, struct buf *out)
{
	struct text_line line = begin(screen, out, 0);

	status_add_service(s, &line);
	text_end(&line);
	if (s->reload.is_under_way) {
		line = begin(screen, out, INDENT);
		status_add_reload(&s->reload, &line);
		text_end(&line);
	}
	if (s->rollback_ms >= 0) {
		line = begin(screen, out, INDENT);
		add_age(&line, "rollback is possible for ", s->rollback_ms, "");
		text_end(&line);
	}
	for (size_t i = 0; i < s->n_listeners; i++) {
		line = begin(screen, out, INDENT);
		add_listener(&view->listeners[s->first_listener + i], &line);
		text_end(&line);
	}
	line = begin(screen, out, INDENT);
	status_add_ledger(&s->ledger, &line);
	text_end(&line);
	for (size_t i = 0; i < s->n_pins; i++) {
		line = begin(screen, out, INDENT);
		status_add_pin(&view->pins[s->first_pin + i], &line);
		text_end(&line);
	}
}

static void add_workers(const struct view_service *s, const struct table *table,
			const struct table_layout *layout, const struct screen *screen,
			struct buf *out)
{
	const struct view_worker *workers = table->rows;
	struct text_line line = begin(screen, out, 0);

	table_add_titles(table, layout, &line);
	text_end(&line);
	for (size_t i = s->first_worker; i < s->first_worker + s->n_workers; i++) {
		STRBUF(why, 1024);

		line = begin(screen, out, 0);
		workers_add_why(&workers[i], &why);
		if (layout->last_at + text_width(why.text) <= screen->columns) {
			table_add_row(table, layout, i, &line);
			text_end(&line);
			continue;
		}
		/* The row without its last cell, and that below it, whole. */
		if (layout->last_at < line.width)
			line.width = layout->last_at;
		table_add_row(table, layout, i, &line);
		text_end(&line);
		text_wrap(out, screen->columns, 2 * INDENT, why.text);
	}
}

void status_text(const struct view *view, const struct screen *screen, struct buf *out)
{
	struct table table = workers_table(view->workers, view->n_workers);
	struct table_layout layout;

	/* Over all services, so that their columns are below each other. */
	table_measure(&table, screen->columns, &layout);
	if (view->has_broker) {
		struct text_line line = begin(screen, out, 0);

		status_add_broker(&view->broker, &line);
		text_end(&line);
	}
	for (size_t i = 0; i < view->n_services; i++) {
		const struct view_service *s = &view->services[i];

		if (i > 0 || view->has_broker)
			buf_add_str(out, "\n");
		if (!s->is_implied)
			add_head(view, s, screen, out);
		if (s->n_workers > 0)
			add_workers(s, &table, &layout, screen, out);
	}
}
