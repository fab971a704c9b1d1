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
static void add_state(struct text_line *line, struct view_object o)
{
	const char *state = view_text(o, "state");

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

void status_add_broker(struct frame *f, struct view_object broker)
{
	const char *config = view_text(broker, "config");
	struct text_line line;

	if (!status_begin_line(f, 0, &line))
		return;
	text_addf(&line, TEXT_BOLD, "broker %s", view_text(broker, "version"));
	add_state(&line, broker);
	text_addf(&line, TEXT_PLAIN, "  pid %" PRId64, view_number(broker, "pid"));
	add_age(&line, "  up ", view_number(broker, "uptime_ms"), "  ");
	text_add(&line, TEXT_PLAIN, *config ? config : "command line");
	text_end(&line);
}

void status_add_service(struct frame *f, struct view_object service, const char *accepted_rate)
{
	int64_t ready = view_number(service, "ready"), workers = view_number(service, "workers");
	struct text_line line;

	if (!status_begin_line(f, 0, &line))
		return;
	text_add(&line, TEXT_BOLD, view_text(service, "service"));
	add_state(&line, service);
	text_add(&line, TEXT_PLAIN, "  ");
	text_addf(&line, ready >= workers ? TEXT_PLAIN : TEXT_YELLOW,
		  "%" PRId64 "/%" PRId64 " ready", ready, workers);
	text_addf(&line, TEXT_PLAIN, "  generation %" PRId64 "  %s",
		  view_number(service, "generation"), view_text(service, "balance"));
	if (accepted_rate)
		text_addf(&line, TEXT_BOLD, "  %s accepted/s", accepted_rate);
	text_end(&line);
}

/* Adds "no-worker 2, no-memory 1" to @reasons. Returns their sum. */
static int64_t read_refused(struct view_object ledger, struct strbuf *reasons)
{
	struct view_object refused = view_member(ledger, "refused");
	int64_t sum = 0;

	for (const struct json_value *v = NULL; (v = view_next_member(refused, v));) {
		if (!v->is_integer || v->integer <= 0)
			continue;
		sum += v->integer;
		strbuf_addf(reasons, "%s%s %" PRId64, reasons->len ? ", " : "", v->key, v->integer);
	}
	return sum;
}

void status_add_ledger(struct frame *f, struct view_object ledger)
{
	int64_t accepted = view_number(ledger, "accepted"), taken = view_number(ledger, "taken");
	int64_t waiting = view_number(ledger, "waiting"), gone = view_number(ledger, "client_gone");
	int64_t taken_back = view_number(ledger, "taken_back"), refused, sum;
	STRBUF(reasons, 160);
	struct text_line line;

	if (!status_begin_line(f, STATUS_INDENT, &line))
		return;
	refused = read_refused(ledger, &reasons);
	sum = taken + waiting + gone + refused;
	text_addf(&line, TEXT_PLAIN,
		  "accepted %" PRId64 " = taken %" PRId64 " + waiting %" PRId64
		  " + client gone %" PRId64 " + ",
		  accepted, taken, waiting, gone);
	text_addf(&line, refused ? TEXT_YELLOW : TEXT_PLAIN, "refused %" PRId64, refused);
	if (reasons.len)
		text_addf(&line, TEXT_YELLOW, " (%s)", reasons.text);
	if (!view_truth(ledger, "balanced") || sum != accepted)
		text_addf(&line, TEXT_RED, "  DOES NOT BALANCE: off by %" PRId64, accepted - sum);
	if (taken_back > 0)
		text_addf(&line, TEXT_PLAIN, "; %" PRId64 " taken back and given again",
			  taken_back);
	text_end(&line);
}

void status_add_reload(struct frame *f, struct view_object reload, const char *slots)
{
	const char *kind = view_text(reload, "kind"), *waits_for = view_text(reload, "waits_for");
	struct text_line line;

	if (!reload.object || !status_begin_line(f, STATUS_INDENT, &line))
		return;
	text_add(&line, TEXT_CYAN, slots);
	text_addf(&line, TEXT_CYAN, "%s to generation %" PRId64 ": %" PRId64 " of %" PRId64,
		  *kind ? kind : "reload", view_number(reload, "generation"),
		  view_number(reload, "done"), view_number(reload, "of"));
	add_age(&line, ", ", view_number(reload, "ms"), "");
	if (*waits_for)
		text_addf(&line, TEXT_PLAIN, ", waits for %s", waits_for);
	text_end(&line);
}

void status_add_pin(struct frame *f, unsigned indent, struct view_object pin)
{
	const char *source = view_text(pin, "source"), *worker = view_text(pin, "worker");
	int64_t expires_ms = view_number(pin, "expires_ms");
	struct text_line line;

	if (!status_begin_line(f, indent, &line))
		return;
	if (*source)
		text_addf(&line, TEXT_PLAIN, "pin %s to %s", source, worker);
	else
		text_addf(&line, TEXT_PLAIN, "the next connection to %s", worker);
	if (strcmp(view_text(pin, "kind"), "debug") == 0)
		text_add(&line, TEXT_PLAIN, ", while it is debugged");
	if (expires_ms >= 0)
		add_age(&line, ", for ", expires_ms, " more");
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

static void add_listener(struct frame *f, struct view_object l)
{
	const char *address = view_text(l, "address"), *port = strrchr(address, ':');
	int64_t app_port = view_number(l, "app_port"), overflows = view_number(l, "overflows");
	int64_t backlog = view_number(l, "backlog"), max = view_number(l, "backlog_max");
	bool half_full = max > 0 && backlog * 2 > max;
	struct text_line line;

	if (!status_begin_line(f, STATUS_INDENT, &line))
		return;
	text_add(&line, TEXT_PLAIN, address);
	if (!port || strtoll(port + 1, NULL, 10) != app_port)
		text_addf(&line, TEXT_PLAIN, " for %" PRId64, app_port);
	if (view_truth(l, "automatic"))
		text_add(&line, TEXT_PLAIN, " (automatic)");
	add_state(&line, l);
	text_add(&line, TEXT_PLAIN, "  ");
	text_addf(&line, half_full ? TEXT_YELLOW : TEXT_PLAIN, "backlog %" PRId64 "/%" PRId64,
		  backlog, max);
	text_add(&line, TEXT_PLAIN, "  ");
	text_addf(&line, overflows > 0 ? TEXT_YELLOW : TEXT_PLAIN, "overflows %" PRId64, overflows);
	text_addf(&line, TEXT_PLAIN, "  accepted %" PRId64, view_number(l, "accepted"));
	text_end(&line);
}

static void add_head(struct frame *f, const struct view *view, const struct view_service *s)
{
	struct view_object service = view->rows[s->first].object;
	const struct view_row *row = NULL;

	status_add_service(f, service, NULL);
	status_add_reload(f, view_member(service, "reload"), "");
	add_rollback(f, view_number(service, "rollback_ms"));
	while ((row = view_next(view, s, VIEW_LISTENER, row)))
		add_listener(f, row->object);
	status_add_ledger(f, view_member(service, "ledger"));
	while ((row = view_next(view, s, VIEW_PIN, row)))
		status_add_pin(f, STATUS_INDENT, row->object);
}

/* @n rows of the table, from @rows on. */
static void add_workers(struct frame *f, const struct workers_table *table,
			const struct workers_row *rows, size_t n)
{
	struct text_line line;

	if (n == 0 || !status_begin_line(f, 0, &line))
		return;
	workers_table_add_row(table, NULL, &line);
	text_end(&line);
	for (size_t i = 0; i < n; i++) {
		STRBUF(why, 1024);
		bool fits;

		workers_add_why(rows[i].worker, &why);
		fits = table->why_at + text_width(why.text) <= f->screen.columns;
		if (!status_begin_line(f, 0, &line))
			return;
		/* A reason that does not fit stands below its row, whole. */
		if (!fits && table->why_at < line.width)
			line.width = table->why_at;
		workers_table_add_row(table, &rows[i], &line);
		text_end(&line);
		if (!fits)
			text_wrap(f->out, f->screen.columns, 2 * STATUS_INDENT, why.text);
	}
}

void status_text(const struct view *view, const struct screen *screen, struct buf *out)
{
	size_t n_rows, at = 0;
	_cleanup_free_ struct workers_row *rows =
		workers_rows_make(view, NULL, 0, SORT_BY_SLOT, &n_rows);
	struct frame f = { .screen = *screen, .out = out, .left = SIZE_MAX };
	const struct view_row *broker = view_next(view, NULL, VIEW_BROKER, NULL);
	struct workers_table table;

	if (!rows) {
		out->failed = true;
		return;
	}
	/* Over all services, so that their columns are below each other. */
	workers_table_status(rows, n_rows, screen->columns, &table);
	if (broker)
		status_add_broker(&f, broker->object);
	for (size_t i = 0; i < view->n_services; i++) {
		const struct view_service *s = &view->services[i];
		size_t n = view_count(view, s, VIEW_WORKER);

		if (i > 0 || broker)
			buf_add_str(out, "\n");
		if (view->rows[s->first].type == VIEW_SERVICE)
			add_head(&f, view, s);
		add_workers(&f, &table, rows + at, n);
		at += n;
	}
}
