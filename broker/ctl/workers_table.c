#include "workers_table.h"

#include <inttypes.h>
#include <string.h>

#define GAP	 2 /* blanks between two columns */
#define CELL_MAX 1024
#define WHY_MIN	 12 /* columns that WHY should have, if it has any text */

enum cell {
	/* Words, at the left. */
	CELL_TEXT,
	CELL_STATE,
	CELL_BAR,
	CELL_WHY,
	/* Numbers, at the right. */
	CELL_PID,
	CELL_COUNT,
	CELL_WARNING, /* a count that is yellow, if it is not 0 */
	CELL_BYTES,
	CELL_AGE,
	CELL_CPU_TIME,
	CELL_RATE,
	CELL_PERCENT,
};

struct workers_column {
	const char *title;
	const char *key; /* of the worker in the answer; NULL: it is made of several */
	enum cell cell;
	unsigned drop; /* the column with the highest number is left out first; 0: never left out */
};

static const struct workers_column status_columns[WORKERS_COLUMNS] = {
	{ "WORKER", "worker", CELL_TEXT, 0 },	     { "PID", "pid", CELL_PID, 3 },
	{ "GEN", "generation", CELL_COUNT, 6 },	     { "STATE", "state", CELL_STATE, 0 },
	{ "FOR", "state_ms", CELL_AGE, 4 },	     { "GIVEN", "given", CELL_COUNT, 5 },
	{ "WAITING", "waiting", CELL_COUNT, 2 },     { "OPEN", "open", CELL_COUNT, 1 },
	{ "MEMORY", "rss_bytes", CELL_BYTES, 8 },    { "CPU", "cpu_ms", CELL_CPU_TIME, 9 },
	{ "RESTARTS", "restarts", CELL_WARNING, 7 }, { "WHY", NULL, CELL_WHY, 0 },
};

static const struct workers_column top_columns[WORKERS_COLUMNS] = {
	{ "WORKER", "worker", CELL_TEXT, 0 },	{ "PID", "pid", CELL_PID, 9 },
	{ "GEN", "generation", CELL_COUNT, 5 }, { "STATE", "state", CELL_STATE, 0 },
	{ "FOR", "state_ms", CELL_AGE, 7 },	{ "GIVEN/S", NULL, CELL_RATE, 1 },
	{ "RATE", NULL, CELL_BAR, 6 },		{ "WAITING", "waiting", CELL_WARNING, 2 },
	{ "OPEN", "open", CELL_COUNT, 3 },	{ "MEMORY", "rss_bytes", CELL_BYTES, 8 },
	{ "CPU%", NULL, CELL_PERCENT, 4 },	{ "WHY", NULL, CELL_WHY, 0 },
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

void workers_add_why(const struct json_value *worker, struct strbuf *out)
{
	const struct json_value *tracer = json_doc_member(worker, "tracer");
	const char *why = json_doc_text(worker, "why"), *name = json_doc_text(tracer, "name");
	int64_t pid = json_doc_number(tracer, "pid");

	strbuf_add(out, why);
	/* Mostly the broker's own words name these. If they do not, they are added. */
	if (pid > 0 && !strstr(why, name))
		strbuf_addf(out, "%straced by %s %" PRId64, out->len ? "; " : "", name, pid);
	if (json_doc_truth(worker, "pinned_only") && !strstr(why, "pinned sources only"))
		strbuf_addf(out, "%spinned sources only", out->len ? "; " : "");
}

void workers_add_rate(struct strbuf *out, double rate)
{
	if (rate < 9.95 && rate > 0)
		strbuf_addf(out, "%.1f", rate);
	else
		text_add_count(out, rate < 0 ? -1 : (int64_t)(rate + 0.5));
}

/* The text of a cell into @out, which is empty. Returns how it looks. */
static enum text_style add_cell(const struct workers_column *c, const struct workers_row *row,
				struct strbuf *out)
{
	const char *text = c->key ? json_doc_text(row->worker, c->key) : "";
	int64_t number = c->key ? json_doc_number(row->worker, c->key) : -1;

	switch (c->cell) {
	case CELL_TEXT:
		strbuf_add(out, text);
		break;
	case CELL_STATE:
		strbuf_add(out, text);
		return workers_state_style(text);
	case CELL_BAR:
		for (unsigned i = 0; i < WORKERS_BAR_COLUMNS; i++)
			strbuf_add(out, i < row->bar ? "|" : " ");
		return TEXT_GREEN;
	case CELL_WHY:
		workers_add_why(row->worker, out);
		break;
	case CELL_PID:
		if (number > 0)
			strbuf_addf(out, "%" PRId64, number);
		else
			strbuf_add(out, "-");
		break;
	case CELL_COUNT:
	case CELL_WARNING:
		text_add_count(out, number);
		return c->cell == CELL_WARNING && number > 0 ? TEXT_YELLOW : TEXT_PLAIN;
	case CELL_BYTES:
		text_add_bytes(out, number);
		break;
	case CELL_AGE:
		text_add_age(out, number);
		break;
	case CELL_CPU_TIME:
		text_add_cpu_time(out, number);
		break;
	case CELL_RATE:
		workers_add_rate(out, row->given_rate);
		break;
	case CELL_PERCENT:
		if (row->cpu_percent >= 0)
			strbuf_addf(out, "%.0f", row->cpu_percent);
		else
			strbuf_add(out, "-");
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

			(void)add_cell(&t->columns[i], &t->rows[row], &text);
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
			style = add_cell(c, row, &text);
		else
			strbuf_add(&text, c->title);
		own = text_width(text.text);
		text_pad(line, at + (c->cell <= CELL_WHY ? 0 : t->width[i] - own));
		text_add(line, style, text.text);
		at += t->width[i] + GAP;
	}
}
