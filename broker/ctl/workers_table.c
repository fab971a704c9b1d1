#include "workers_table.h"

#include <inttypes.h>
#include <string.h>

enum text_style workers_state_style(const char *state)
{
	static const struct {
		const char *state;
		enum text_style style;
	} styles[] = {
		{ "ready", TEXT_GREEN },   { "serving", TEXT_GREEN },	 { "running", TEXT_GREEN },
		{ "open", TEXT_GREEN },	   { "starting", TEXT_CYAN },	 { "draining", TEXT_BLUE },
		{ "parked", TEXT_BLUE },   { "closing", TEXT_BLUE },	 { "held", TEXT_YELLOW },
		{ "paused", TEXT_YELLOW }, { "stopping", TEXT_MAGENTA }, { "back-off", TEXT_RED },
		{ "down", TEXT_RED },	   { "empty", TEXT_DIM },	 { "unused", TEXT_DIM },
	};

	for (size_t i = 0; i < ARRAY_SIZE(styles); i++)
		if (strcmp(styles[i].state, state) == 0)
			return styles[i].style;
	return TEXT_PLAIN;
}

void workers_cell_pid(const struct view_worker *w, struct strbuf *out)
{
	if (w->pid > 0)
		strbuf_addf(out, "%" PRId64, w->pid);
	else
		strbuf_add(out, "-");
}

void workers_cell_state(const struct view_worker *w, struct strbuf *out, enum text_style *style)
{
	strbuf_add(out, w->state);
	if (style)
		*style = workers_state_style(w->state);
}

void workers_add_why(const struct view_worker *w, struct strbuf *out)
{
	strbuf_add(out, w->why);
	/* The broker's words name these where it matters; where they do not, nothing is hidden. */
	if (w->tracer_pid > 0 && !strstr(w->why, w->tracer_name))
		strbuf_addf(out, "%straced by %s %" PRId64, out->len ? "; " : "", w->tracer_name,
			    w->tracer_pid);
	if (w->is_pinned_only && !strstr(w->why, "pinned sources only"))
		strbuf_addf(out, "%spinned sources only", out->len ? "; " : "");
}

static const struct view_worker *at(const void *rows, size_t row)
{
	return &((const struct view_worker *)rows)[row];
}

static void cell_name(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	strbuf_add(out, at(rows, row)->name);
}

static void cell_pid(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	workers_cell_pid(at(rows, row), out);
}

static void cell_generation(const void *rows, size_t row, struct strbuf *out,
			    enum text_style *style)
{
	(void)style;
	text_add_count(out, at(rows, row)->generation);
}

static void cell_state(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	workers_cell_state(at(rows, row), out, style);
}

static void cell_age(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_age(out, at(rows, row)->state_ms);
}

static void cell_given(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_count(out, at(rows, row)->given);
}

static void cell_waiting(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_count(out, at(rows, row)->waiting);
}

static void cell_open(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_count(out, at(rows, row)->open);
}

static void cell_memory(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_bytes(out, at(rows, row)->rss_bytes);
}

static void cell_cpu(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_cpu_time(out, at(rows, row)->cpu_ms);
}

static void cell_restarts(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	if (style && at(rows, row)->restarts > 0)
		*style = TEXT_YELLOW;
	text_add_count(out, at(rows, row)->restarts);
}

static void cell_why(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	workers_add_why(at(rows, row), out);
}

struct table workers_table(const struct view_worker *workers, size_t n)
{
	static const struct table_column columns[] = {
		{ "WORKER", 0, false, cell_name },	{ "PID", 3, true, cell_pid },
		{ "GEN", 6, true, cell_generation },	{ "STATE", 0, false, cell_state },
		{ "FOR", 4, true, cell_age },		{ "GIVEN", 5, true, cell_given },
		{ "WAITING", 2, true, cell_waiting },	{ "OPEN", 1, true, cell_open },
		{ "MEMORY", 8, true, cell_memory },	{ "CPU", 9, true, cell_cpu },
		{ "RESTARTS", 7, true, cell_restarts }, { "WHY", 0, false, cell_why },
	};

	return (struct table){
		.columns = columns,
		.n_columns = ARRAY_SIZE(columns),
		.rows = workers,
		.n_rows = n,
		.indent = 2,
		.last_min = 12,
	};
}
