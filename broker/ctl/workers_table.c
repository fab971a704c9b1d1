#include "workers_table.h"

#include <inttypes.h>
#include <string.h>

#define GAP	 2 /* blanks between two columns */
#define CELL_MAX 1024
#define WHY_MIN	 12 /* columns that WHY should have, if it has any text */

enum field {
	FIELD_NAME,
	FIELD_PID,
	FIELD_GENERATION,
	FIELD_STATE,
	FIELD_AGE,
	FIELD_GIVEN,
	FIELD_GIVEN_RATE,
	FIELD_BAR,
	FIELD_WAITING,
	FIELD_OPEN,
	FIELD_MEMORY,
	FIELD_CPU_TIME,
	FIELD_CPU_PERCENT,
	FIELD_RESTARTS,
	FIELD_WHY,
};

enum column_kind {
	COLUMN_WORDS,  /* begin at the left */
	COLUMN_NUMBER, /* ends at the right */
	COLUMN_WARNS,  /* a number that is yellow, if it is not 0 */
};

struct workers_column {
	const char *title;
	enum field field;
	unsigned drop; /* the column with the highest number is left out first; 0: never left out */
	enum column_kind kind;
};

static const struct workers_column status_columns[WORKERS_COLUMNS] = {
	{ "WORKER", FIELD_NAME, 0, COLUMN_WORDS },
	{ "PID", FIELD_PID, 3, COLUMN_NUMBER },
	{ "GEN", FIELD_GENERATION, 6, COLUMN_NUMBER },
	{ "STATE", FIELD_STATE, 0, COLUMN_WORDS },
	{ "FOR", FIELD_AGE, 4, COLUMN_NUMBER },
	{ "GIVEN", FIELD_GIVEN, 5, COLUMN_NUMBER },
	{ "WAITING", FIELD_WAITING, 2, COLUMN_NUMBER },
	{ "OPEN", FIELD_OPEN, 1, COLUMN_NUMBER },
	{ "MEMORY", FIELD_MEMORY, 8, COLUMN_NUMBER },
	{ "CPU", FIELD_CPU_TIME, 9, COLUMN_NUMBER },
	{ "RESTARTS", FIELD_RESTARTS, 7, COLUMN_WARNS },
	{ "WHY", FIELD_WHY, 0, COLUMN_WORDS },
};

static const struct workers_column top_columns[WORKERS_COLUMNS] = {
	{ "WORKER", FIELD_NAME, 0, COLUMN_WORDS },
	{ "PID", FIELD_PID, 9, COLUMN_NUMBER },
	{ "GEN", FIELD_GENERATION, 5, COLUMN_NUMBER },
	{ "STATE", FIELD_STATE, 0, COLUMN_WORDS },
	{ "FOR", FIELD_AGE, 7, COLUMN_NUMBER },
	{ "GIVEN/S", FIELD_GIVEN_RATE, 1, COLUMN_NUMBER },
	{ "RATE", FIELD_BAR, 6, COLUMN_WORDS },
	{ "WAITING", FIELD_WAITING, 2, COLUMN_WARNS },
	{ "OPEN", FIELD_OPEN, 3, COLUMN_NUMBER },
	{ "MEMORY", FIELD_MEMORY, 8, COLUMN_NUMBER },
	{ "CPU%", FIELD_CPU_PERCENT, 4, COLUMN_NUMBER },
	{ "WHY", FIELD_WHY, 0, COLUMN_WORDS },
};

/* --- cells ------------------------------------------------------------------------------- */

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

void workers_add_why(const struct view_worker *w, struct strbuf *out)
{
	strbuf_add(out, w->why);
	/* Mostly the broker's own words name these. If they do not, they are added. */
	if (w->tracer_pid > 0 && !strstr(w->why, w->tracer_name))
		strbuf_addf(out, "%straced by %s %" PRId64, out->len ? "; " : "", w->tracer_name,
			    w->tracer_pid);
	if (w->is_pinned_only && !strstr(w->why, "pinned sources only"))
		strbuf_addf(out, "%spinned sources only", out->len ? "; " : "");
}

void workers_add_rate(struct strbuf *out, double rate)
{
	if (rate < 9.95 && rate > 0)
		strbuf_addf(out, "%.1f", rate);
	else
		text_add_count(out, rate < 0 ? -1 : (int64_t)(rate + 0.5));
}

static enum text_style count_cell(const struct workers_column *c, int64_t n, struct strbuf *out)
{
	text_add_count(out, n);
	return c->kind == COLUMN_WARNS && n > 0 ? TEXT_YELLOW : TEXT_PLAIN;
}

/* The text of a cell into @out, which is empty. Returns how it looks. */
static enum text_style cell(const struct workers_column *c, const struct workers_row *row,
			    struct strbuf *out)
{
	const struct view_worker *w = row->worker;

	switch (c->field) {
	case FIELD_NAME:
		strbuf_add(out, w->name);
		break;
	case FIELD_PID:
		if (w->pid > 0)
			strbuf_addf(out, "%" PRId64, w->pid);
		else
			strbuf_add(out, "-");
		break;
	case FIELD_STATE:
		strbuf_add(out, w->state);
		return workers_state_style(w->state);
	case FIELD_AGE:
		text_add_age(out, w->state_ms);
		break;
	case FIELD_GIVEN_RATE:
		workers_add_rate(out, row->given_rate);
		break;
	case FIELD_BAR:
		for (unsigned i = 0; i < WORKERS_BAR_COLUMNS; i++)
			strbuf_add(out, i < row->bar ? "|" : " ");
		return TEXT_GREEN;
	case FIELD_GENERATION:
		return count_cell(c, w->generation, out);
	case FIELD_GIVEN:
		return count_cell(c, w->given, out);
	case FIELD_WAITING:
		return count_cell(c, w->waiting, out);
	case FIELD_OPEN:
		return count_cell(c, w->open, out);
	case FIELD_RESTARTS:
		return count_cell(c, w->restarts, out);
	case FIELD_MEMORY:
		text_add_bytes(out, w->rss_bytes);
		break;
	case FIELD_CPU_TIME:
		text_add_cpu_time(out, w->cpu_ms);
		break;
	case FIELD_CPU_PERCENT:
		if (row->cpu_percent >= 0)
			strbuf_addf(out, "%.0f", row->cpu_percent);
		else
			strbuf_add(out, "-");
		break;
	case FIELD_WHY:
		workers_add_why(w, out);
		break;
	}
	return TEXT_PLAIN;
}

/* --- columns ----------------------------------------------------------------------------- */

/* The width of the table, if WHY has no more than it should have at least. */
static unsigned total(const struct workers_table *t)
{
	unsigned sum = t->indent, n = 0;

	for (size_t i = 0; i < WORKERS_COLUMNS; i++) {
		bool is_why = i == WORKERS_COLUMNS - 1;

		sum += is_why && t->width[i] > WHY_MIN ? WHY_MIN : t->width[i];
		n += t->width[i] > 0;
	}
	return sum + (n ? n - 1 : 0) * GAP;
}

static void measure(struct workers_table *t, size_t n, unsigned width)
{
	for (size_t i = 0; i < WORKERS_COLUMNS; i++) {
		unsigned title = (unsigned)strlen(t->columns[i].title);

		for (size_t row = 0; row < n; row++) {
			STRBUF(text, CELL_MAX);
			unsigned own;

			(void)cell(&t->columns[i], &t->rows[row], &text);
			own = text_width(text.text);
			if (own > t->width[i])
				t->width[i] = own;
		}
		/* An empty column needs no title. */
		if (t->width[i] && t->width[i] < title)
			t->width[i] = title;
	}
	for (unsigned drop = WORKERS_COLUMNS; drop > 0 && total(t) > width; drop--)
		for (size_t i = 0; i < WORKERS_COLUMNS; i++)
			if (t->columns[i].drop == drop)
				t->width[i] = 0;
	t->why_at = t->indent;
	for (size_t i = 0; i < WORKERS_COLUMNS - 1; i++)
		if (t->width[i])
			t->why_at += t->width[i] + GAP;
}

void workers_table_status(const struct workers_row *rows, size_t n, unsigned width,
			  struct workers_table *ret)
{
	*ret = (struct workers_table){ .columns = status_columns, .rows = rows, .indent = 2 };
	measure(ret, n, width);
}

void workers_table_top(const struct workers_row *rows, size_t n, unsigned width,
		       struct workers_table *ret)
{
	*ret = (struct workers_table){ .columns = top_columns, .rows = rows };
	measure(ret, n, width);
}

void workers_table_add_row(const struct workers_table *t, const struct workers_row *row,
			   struct text_line *line)
{
	unsigned at = t->indent;

	line->row = true;
	for (size_t i = 0; i < WORKERS_COLUMNS; i++) {
		const struct workers_column *c = &t->columns[i];
		enum text_style style = TEXT_BOLD;
		STRBUF(text, CELL_MAX);
		unsigned own;

		if (t->width[i] == 0)
			continue;
		if (row)
			style = cell(c, row, &text);
		else
			strbuf_add(&text, c->title);
		own = text_width(text.text);
		text_pad(line, at + (c->kind == COLUMN_WORDS ? 0 : t->width[i] - own));
		text_add(line, style, text.text);
		at += t->width[i] + GAP;
	}
}
