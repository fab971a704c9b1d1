#include "status_text.h"

#include <inttypes.h>
#include "ctl/workers_table.h"

void status_add_broker(struct screen *s, const struct view *view)
{
	const struct view_row *row = view_next(view, NULL, "broker", NULL);

	if (row)
		text_print(s, 0,
			   "<bold>broker $version<>  <state>$state<>  pid $pid  up $uptime_ms  "
			   "{$config|command line}",
			   row->object);
}

static void add_first(struct screen *s, const struct json_value *service, const char *accepted_rate)
{
	bool all_ready = json_doc_number(service, "ready") >= json_doc_number(service, "workers");
	struct text_line line = text_begin(s, 0);

	text_fill(&line, TEXT_PLAIN, "<bold>$service<>  <state>$state<>  ", service);
	text_fill(&line, all_ready ? TEXT_PLAIN : TEXT_YELLOW, "$ready/$workers ready", service);
	text_fill(&line, TEXT_PLAIN, "  generation $generation  $balance", service);
	if (accepted_rate)
		text_addf(&line, TEXT_BOLD, "  %s accepted/s", accepted_rate);
	text_end(&line);
}

static uint64_t number(const struct json_value *object, const char *key)
{
	return (uint64_t)json_doc_number(object, key);
}

static void add_ledger(struct screen *s, const struct json_value *ledger)
{
	const struct json_value *v = json_doc_first(json_doc_member(ledger, "refused"));
	/* Without a sign: sums of what a broker says may be beyond any number. */
	uint64_t refused = 0, off,
		 moved = json_doc_member(ledger, "moved") ? number(ledger, "moved") : 0;
	struct text_line line = text_begin(s, STATUS_INDENT);
	STRBUF(reasons, 160); /* no-worker 2, no-memory 1 */

	for (; v; v = json_doc_next(v)) {
		if (!v->key || !v->is_integer || v->integer <= 0)
			continue;
		refused += (uint64_t)v->integer;
		strbuf_addf(&reasons, "%s%s %" PRId64, reasons.len ? ", " : "", v->key, v->integer);
	}
	off = number(ledger, "accepted") + moved - number(ledger, "taken") -
	      number(ledger, "waiting") - number(ledger, "client_gone") - refused;
	text_fill(&line, TEXT_PLAIN,
		  "accepted $accepted{ + moved $moved} = taken $taken + waiting $waiting + client "
		  "gone $client_gone "
		  "+ ",
		  ledger);
	text_addf(&line, refused ? TEXT_YELLOW : TEXT_PLAIN, "refused %" PRIu64, refused);
	if (reasons.len)
		text_addf(&line, TEXT_YELLOW, " (%s)", reasons.text);
	if (!json_doc_truth(ledger, "balanced") || off != 0)
		text_addf(&line, TEXT_RED, "  DOES NOT BALANCE: off by %" PRId64, (int64_t)off);
	text_fill(&line, TEXT_PLAIN, "{; $taken_back taken back and given again}", ledger);
	text_end(&line);
}

static void add_reload(struct screen *s, const struct json_value *reload, const char *slots)
{
	struct text_line line = text_begin(s, STATUS_INDENT);

	text_add(&line, TEXT_CYAN, slots);
	text_fill(&line, TEXT_PLAIN,
		  "<cyan>{$kind|reload} to generation $generation: $done of $of<>, $ms"
		  "{, waits for $waits_for}",
		  reload);
	text_end(&line);
}

void status_add_pin(struct screen *s, unsigned indent, const struct json_value *pin)
{
	bool debugs = json_doc_is(pin, "kind", "debug");

	text_print(s, indent,
		   debugs ? "pin $source to $worker, while it is debugged{, for $expires_ms more}"
			  : "{pin $source to $worker|the next connection to $worker}"
			    "{, for $expires_ms more}",
		   pin);
}

static void add_listener(struct screen *s, const struct json_value *l)
{
	const char *address = json_doc_text(l, "address"), *port = strrchr(address, ':');
	bool same = (port && strtoll(port + 1, NULL, 10) == json_doc_number(l, "app_port")) ||
		    !strcmp(address, json_doc_text(l, "app_path"));
	bool half_full = view_trouble(l) != TROUBLE_NONE;
	bool overflows = json_doc_number(l, "overflows") > 0;
	struct text_line line = text_begin(s, STATUS_INDENT);

	text_fill(&line, TEXT_PLAIN, same ? "$address" : "$address{ for $app_port}{ for $app_path}",
		  l);
	text_fill(&line, TEXT_PLAIN, "{ (automatic)$automatic}  <state>$state<>  ", l);
	/* Not known of a Unix socket. */
	if (json_doc_number(l, "backlog_max") > 0) {
		text_fill(&line, half_full ? TEXT_YELLOW : TEXT_PLAIN,
			  "backlog $backlog/$backlog_max", l);
		text_add(&line, TEXT_PLAIN, "  ");
		text_fill(&line, overflows ? TEXT_YELLOW : TEXT_PLAIN, "overflows $overflows  ", l);
	}
	text_fill(&line, TEXT_PLAIN, "accepted $accepted", l);
	text_end(&line);
}

void status_add_service(struct screen *s, const struct view *view, const struct view_service *of,
			enum status_part part, const char *accepted_rate, const char *slots)
{
	const struct json_value *service = view->rows[of->first].object;
	const struct view_row *row = NULL;

	/* Without a line of its own, if only a worker was asked for. */
	if (!json_doc_is(service, "type", "service"))
		return;
	add_first(s, service, accepted_rate);
	if (part == STATUS_LINE)
		return;
	if (json_doc_member(service, "reload"))
		add_reload(s, json_doc_member(service, "reload"), slots);
	if (part == STATUS_ALL) {
		text_print(s, STATUS_INDENT, "{rollback is possible for $rollback_ms}", service);
		text_print(s, STATUS_INDENT, "{runs in $release, where $directory led}", service);
		while ((row = view_next(view, of, "listener", row)))
			add_listener(s, row->object);
	}
	add_ledger(s, json_doc_member(service, "ledger"));
	while ((row = view_next(view, of, "pin", row)))
		status_add_pin(s, STATUS_INDENT, row->object);
}

void status_add_more(struct screen *s, const char *before, const struct view *view, size_t n)
{
	struct text_line line = text_begin(s, 0);
	size_t bad = 0;

	for (size_t i = view->n_services - n; i < view->n_services; i++)
		bad += view->services[i].trouble != TROUBLE_NONE;
	text_addf(&line, TEXT_DIM, "%s%zu more service%s, ", before, n, n == 1 ? "" : "s");
	if (bad)
		text_addf(&line, TEXT_DIM, "%zu of them not as usual", bad);
	else
		text_add(&line, TEXT_DIM, "all well");
	text_end(&line);
}

/* --- of status alone ----------------------------------------------------------------------- */

/*
 * @n rows of the table, from @rows on, each with its reason, whole: if it does not fit, it stands
 * below. @fold: only those that need a look.
 */
static void add_workers(struct screen *s, const struct workers_table *table,
			const struct workers_row *rows, size_t n, bool fold)
{
	struct text_line line;
	size_t shown = 0;

	for (size_t i = 0; i < n; i++) {
		STRBUF(why, 1024);
		bool fits = workers_why_fits(table, rows[i].worker, s->columns, &why);

		if (fold && view_trouble(rows[i].worker) == TROUBLE_NONE)
			continue;
		if (!shown++)
			workers_table_add(table, NULL, true, s);
		workers_table_add(table, &rows[i], fits, s);
		text_wrap(s, 2 * STATUS_INDENT, false, fits ? "" : why.text);
	}
	if (shown == n)
		return;
	line = text_begin(s, STATUS_INDENT);
	text_addf(&line, TEXT_DIM, "%zu more worker%s, all well", n - shown,
		  n - shown == 1 ? "" : "s");
	text_end(&line);
}

/* The services from @first on, all of them well, in at most @room lines. */
static void add_well(struct screen *s, const struct view *view, size_t first, size_t room)
{
	size_t n = view->n_services - first;
	struct text_line line;

	if (n)
		text_add_lines(s, "", "\n");
	if (n > room)
		status_add_more(s, "", view, n);
	for (; n <= room && first < view->n_services; first++)
		status_add_service(s, view, &view->services[first], STATUS_LINE, NULL, "");
	line = text_begin(s, 0);
	text_add(&line, TEXT_DIM,
		 "brokerctl status SERVICE shows one whole, brokerctl status | cat all");
	text_end(&line);
}

static void add_all(struct screen *s, const struct view *view, const struct workers_table *table,
		    bool fold)
{
	const struct workers_row *rows = table->rows;
	size_t i = 0, lines;

	status_add_broker(s, view);
	for (; i < view->n_services; i++) {
		const struct view_service *of = &view->services[i];
		size_t n = view_count(view, of, "worker");

		if (fold && of->trouble == TROUBLE_NONE)
			break;
		if (s->out->len)
			text_add_lines(s, "", "\n");
		status_add_service(s, view, of, STATUS_ALL, NULL, "");
		add_workers(s, table, rows, n, fold);
		rows += n;
	}
	/* One line is before them, one is behind them, and one is the shell's. */
	lines = SIZE_MAX - s->left + 3;
	if (fold)
		add_well(s, view, i, lines < s->rows ? s->rows - lines : 0);
}

void status_text(struct view *view, struct screen *s)
{
	struct workers_table table;

	/* Over all services, so that their columns are below each other. */
	if (!view_rank(view) || !workers_table_make(view, NULL, s->columns, &table)) {
		s->out->cut = true;
		return;
	}
	add_all(s, view, &table, false);
	/* One service is shown whole: there is nothing to compare it with. */
	if (s->rows && view->n_services > 1 && SIZE_MAX - s->left >= s->rows) {
		s->out->len = 0;
		s->left = SIZE_MAX;
		add_all(s, view, &table, true);
	}
	free(table.rows);
}
