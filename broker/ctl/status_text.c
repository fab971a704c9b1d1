#include "status_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/trouble.h"
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

void status_add_dim(struct frame *f, unsigned indent, const char *text)
{
	struct text_line line;

	(void)status_begin_line(f, indent, &line);
	text_add(&line, TEXT_DIM, text);
	text_end(&line);
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

/* A row of the table, and its reason, whole. False: there is no room. */
static bool add_worker(struct frame *f, const struct workers_table *table,
		       const struct workers_row *row)
{
	struct text_line line;
	STRBUF(why, 1024);
	bool fits = workers_why_fits(table, row->worker, f->screen.columns, &why);

	if (!status_begin_line(f, 0, &line))
		return false;
	/* A reason that does not fit stands below its row. */
	if (!fits && table->why_at < line.width)
		line.width = table->why_at;
	workers_table_add_row(table, row, &line);
	text_end(&line);
	if (!fits)
		text_wrap(f->out, f->screen.columns, 2 * STATUS_INDENT, false, why.text);
	return true;
}

/* @n rows of the table, from @rows on. @fold: only those that need a look. */
static void add_workers(struct frame *f, const struct workers_table *table,
			const struct workers_row *rows, size_t n, bool fold)
{
	struct text_line line;
	STRBUF(more, 64);
	size_t shown = 0;

	for (size_t i = 0; i < n; i++) {
		if (fold && trouble_of_worker(rows[i].worker) == TROUBLE_NONE)
			continue;
		if (!shown++) {
			(void)status_begin_line(f, 0, &line);
			workers_table_add_row(table, NULL, &line);
			text_end(&line);
		}
		if (!add_worker(f, table, &rows[i]))
			return;
	}
	if (shown == n)
		return;
	strbuf_addf(&more, "%zu more worker%s, all well", n - shown, n - shown == 1 ? "" : "s");
	status_add_dim(f, STATUS_INDENT, more.text);
}

/* The services from @first on, all of them well, in at most @room lines. */
static void add_well(struct frame *f, const struct view *view, size_t first, size_t room)
{
	size_t n = view->n_services - first;
	STRBUF(more, 64);

	if (n)
		buf_add_str(f->out, "\n");
	if (n > room) {
		trouble_add_more(view, n, &more);
		status_add_dim(f, 0, more.text);
	} else {
		for (; first < view->n_services; first++)
			status_add_service(f, view->rows[view->services[first].first].object, NULL);
	}
	status_add_dim(f, 0,
		       "brokerctl status SERVICE shows one whole, brokerctl status | cat all");
}

static size_t count_lines(const struct buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += text->bytes[i] == '\n';
	return n;
}

static void add_all(struct frame *f, const struct view *view, const struct workers_row *rows,
		    size_t n_rows, bool fold)
{
	const struct view_row *broker = view_next(view, NULL, VIEW_BROKER, NULL);
	struct workers_table table;
	size_t i = 0, lines;

	/* Over all services, so that their columns are below each other. */
	workers_table_make(rows, n_rows, false, f->screen.columns, &table);
	if (broker)
		status_add_broker(f, broker->object);
	for (; i < view->n_services; i++) {
		const struct view_service *s = &view->services[i];
		size_t n = view_count(view, s, VIEW_WORKER);

		if (fold && s->trouble == TROUBLE_NONE)
			break;
		if (i > 0 || broker)
			buf_add_str(f->out, "\n");
		if (view->rows[s->first].type == VIEW_SERVICE)
			add_head(f, view, s);
		add_workers(f, &table, rows, n, fold);
		rows += n;
	}
	/* One line is before them, one is behind them, and one is the shell's. */
	lines = count_lines(f->out) + 3;
	if (fold)
		add_well(f, view, i, lines < f->screen.rows ? f->screen.rows - lines : 0);
}

void status_text(struct view *view, const struct screen *screen, struct buf *out)
{
	struct frame f = { .screen = *screen, .out = out, .left = SIZE_MAX };
	_cleanup_free_ struct workers_row *rows = NULL;
	size_t n_rows;

	trouble_rank(view);
	rows = workers_rows_make(view, NULL, 0, SORT_BY_SLOT, &n_rows);
	if (!rows) {
		out->failed = true;
		return;
	}
	add_all(&f, view, rows, n_rows, false);
	/* One service is shown whole: there is nothing to compare it with. */
	if (!screen->rows || view->n_services < 2 || count_lines(out) < screen->rows)
		return;
	out->len = 0;
	add_all(&f, view, rows, n_rows, true);
}
