#include "status_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/workers_table.h"

/* Behind a name. */
static void add_state(struct text_line *line, const struct json_value *o)
{
	const char *state = json_doc_text(o, "state");

	text_add(line, TEXT_PLAIN, "  ");
	text_add(line, workers_state_style(state), state);
}

bool status_begin_line(struct frame *f, unsigned indent, struct text_line *ret)
{
	text_begin(ret, f->out, f->screen.columns, f->screen.color);
	text_pad(ret, indent);
	ret->full = ret->hidden = f->left == 0;
	f->left -= !ret->hidden;
	return !ret->hidden;
}

void status_add_broker(struct frame *f, const struct json_value *broker)
{
	const char *config = json_doc_text(broker, "config");
	struct text_line line;

	(void)status_begin_line(f, 0, &line);
	text_fill(&line, TEXT_BOLD, "broker $version", broker);
	add_state(&line, broker);
	text_fill(&line, TEXT_PLAIN, "  pid $pid  up $uptime_ms  ", broker);
	text_add(&line, TEXT_PLAIN, *config ? config : "command line");
	text_end(&line);
}

void status_add_service(struct frame *f, const struct json_value *service,
			const char *accepted_rate)
{
	bool all_ready = json_doc_number(service, "ready") >= json_doc_number(service, "workers");
	struct text_line line;

	(void)status_begin_line(f, 0, &line);
	text_fill(&line, TEXT_BOLD, "$service", service);
	add_state(&line, service);
	text_add(&line, TEXT_PLAIN, "  ");
	text_fill(&line, all_ready ? TEXT_PLAIN : TEXT_YELLOW, "$ready/$workers ready", service);
	text_fill(&line, TEXT_PLAIN, "  generation $generation  $balance", service);
	if (accepted_rate)
		text_addf(&line, TEXT_BOLD, "  %s accepted/s", accepted_rate);
	text_end(&line);
}

/* Adds "no-worker 2, no-memory 1" to @reasons. Returns their sum. */
static int64_t read_refused(const struct json_value *ledger, struct strbuf *reasons)
{
	const struct json_value *v = json_doc_first(json_doc_member(ledger, "refused"));
	int64_t sum = 0;

	for (; v; v = json_doc_next(v)) {
		if (!v->key || !v->is_integer || v->integer <= 0)
			continue;
		sum += v->integer;
		strbuf_addf(reasons, "%s%s %" PRId64, reasons->len ? ", " : "", v->key, v->integer);
	}
	return sum;
}

void status_add_ledger(struct frame *f, const struct json_value *ledger)
{
	STRBUF(reasons, 160);
	int64_t refused = read_refused(ledger, &reasons);
	int64_t off = json_doc_number(ledger, "accepted") - json_doc_number(ledger, "taken") -
		      json_doc_number(ledger, "waiting") - json_doc_number(ledger, "client_gone") -
		      refused;
	struct text_line line;

	(void)status_begin_line(f, STATUS_INDENT, &line);
	text_fill(&line, TEXT_PLAIN,
		  "accepted $accepted = taken $taken + waiting $waiting + client gone $client_gone "
		  "+ ",
		  ledger);
	text_addf(&line, refused ? TEXT_YELLOW : TEXT_PLAIN, "refused %" PRId64, refused);
	if (reasons.len)
		text_addf(&line, TEXT_YELLOW, " (%s)", reasons.text);
	if (!json_doc_truth(ledger, "balanced") || off != 0)
		text_addf(&line, TEXT_RED, "  DOES NOT BALANCE: off by %" PRId64, off);
	text_fill(&line, TEXT_PLAIN, "{; $taken_back taken back and given again}", ledger);
	text_end(&line);
}

void status_add_reload(struct frame *f, const struct json_value *reload, const char *slots)
{
	const char *kind = json_doc_text(reload, "kind");
	struct text_line line;

	if (!reload)
		return;
	(void)status_begin_line(f, STATUS_INDENT, &line);
	text_add(&line, TEXT_CYAN, slots);
	text_add(&line, TEXT_CYAN, *kind ? kind : "reload");
	text_fill(&line, TEXT_CYAN, " to generation $generation: $done of $of", reload);
	text_fill(&line, TEXT_PLAIN, ", $ms", reload);
	text_fill(&line, TEXT_PLAIN, "{, waits for $waits_for}", reload);
	text_end(&line);
}

/* Nothing, if @words come to nothing. */
static void add_plain(struct frame *f, unsigned indent, const char *words,
		      const struct json_value *object)
{
	STRBUF(text, 1024);
	struct text_line line;

	text_expand(&text, words, object);
	if (!text.len)
		return;
	(void)status_begin_line(f, indent, &line);
	text_add(&line, TEXT_PLAIN, text.text);
	text_end(&line);
}

void status_add_pin(struct frame *f, unsigned indent, const struct json_value *pin)
{
	bool debugs = strcmp(json_doc_text(pin, "kind"), "debug") == 0;

	add_plain(f, indent,
		  !*json_doc_text(pin, "source")
			  ? "the next connection to $worker{, for $expires_ms more}"
		  : debugs ? "pin $source to $worker, while it is debugged{, for $expires_ms more}"
			   : "pin $source to $worker{, for $expires_ms more}",
		  pin);
}

/* --- of status alone ----------------------------------------------------------------------- */

static void add_listener(struct frame *f, const struct json_value *l)
{
	const char *address = json_doc_text(l, "address"), *port = strrchr(address, ':');
	int64_t max = json_doc_number(l, "backlog_max");
	bool half_full = max > 0 && json_doc_number(l, "backlog") * 2 > max;
	bool overflows = json_doc_number(l, "overflows") > 0;
	struct text_line line;

	(void)status_begin_line(f, STATUS_INDENT, &line);
	text_add(&line, TEXT_PLAIN, address);
	if (!port || strtoll(port + 1, NULL, 10) != json_doc_number(l, "app_port"))
		text_fill(&line, TEXT_PLAIN, " for $app_port", l);
	if (json_doc_truth(l, "automatic"))
		text_add(&line, TEXT_PLAIN, " (automatic)");
	add_state(&line, l);
	text_add(&line, TEXT_PLAIN, "  ");
	text_fill(&line, half_full ? TEXT_YELLOW : TEXT_PLAIN, "backlog $backlog/$backlog_max", l);
	text_add(&line, TEXT_PLAIN, "  ");
	text_fill(&line, overflows ? TEXT_YELLOW : TEXT_PLAIN, "overflows $overflows", l);
	text_fill(&line, TEXT_PLAIN, "  accepted $accepted", l);
	text_end(&line);
}

static void add_head(struct frame *f, const struct view *view, const struct view_service *s)
{
	const struct json_value *service = view->rows[s->first].object;
	const struct view_row *row = NULL;

	status_add_service(f, service, NULL);
	status_add_reload(f, json_doc_member(service, "reload"), "");
	add_plain(f, STATUS_INDENT, "{rollback is possible for $rollback_ms}", service);
	add_plain(f, STATUS_INDENT, "{runs in $release, where $directory led}", service);
	while ((row = view_next(view, s, VIEW_LISTENER, row)))
		add_listener(f, row->object);
	status_add_ledger(f, json_doc_member(service, "ledger"));
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
