#include "workers_table.h"

#include <inttypes.h>
#include <string.h>
#include "ctl/trouble.h"

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

/* --- rows -------------------------------------------------------------------------------- */

double workers_rate(const struct json_value *now, const struct json_value *before, const char *key,
		    int64_t ms)
{
	int64_t n = json_doc_number(now, key), was = json_doc_number(before, key);

	return was < 0 || n < was || ms <= 0 ? -1 : (double)(n - was) * MSEC_PER_SEC / (double)ms;
}

static bool is_same_process(const struct json_value *a, const struct json_value *b)
{
	return json_doc_number(a, "pid") == json_doc_number(b, "pid") &&
	       json_doc_number(a, "generation") == json_doc_number(b, "generation") &&
	       strcmp(json_doc_text(a, "worker"), json_doc_text(b, "worker")) == 0;
}

/*
 * The same process in the answer before. Both answers have the same order, apart from workers that
 * came or went, so the search starts where the last one was found.
 */
static const struct json_value *find_before(const struct view *before, const struct json_value *w,
					    size_t *from)
{
	for (size_t i = 0; before && i < before->n_rows; i++) {
		size_t at = (*from + i) % before->n_rows;
		const struct view_row *row = &before->rows[at];

		if (row->type != VIEW_WORKER || !is_same_process(row->object, w))
			continue;
		*from = at + 1;
		return row->object;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const struct workers_row *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* @before may be absent: its counts are -1 then, and no rate is known. */
static struct workers_row make_row(const struct json_value *w, const struct json_value *before,
				   int64_t ms, enum workers_sort sort)
{
	double given_rate = workers_rate(w, before, "given", ms);
	/* Milliseconds of processor time a second are tenths of a percent. */
	double cpu_percent = workers_rate(w, before, "cpu_ms", ms) / 10;
	const double keys[WORKERS_SORTS] = {
		[SORT_BY_TROUBLE] = trouble_of_worker(w),
		[SORT_BY_RATE] = given_rate,
		[SORT_BY_CPU] = cpu_percent,
		[SORT_BY_OPEN] = (double)json_doc_number(w, "open"),
	};

	return (struct workers_row){
		.worker = w, .given_rate = given_rate, .cpu_percent = cpu_percent, .key = keys[sort]
	};
}

struct workers_row *workers_rows_make(const struct view *now, const struct view *before, int64_t ms,
				      enum workers_sort sort, size_t *ret_n)
{
	struct workers_row *rows = calloc(view_count(now, NULL, VIEW_WORKER) + 1, sizeof(*rows));
	size_t n = 0, from = 0;
	double highest = 0;

	if (!rows)
		return NULL;
	for (size_t i = 0; i < now->n_services; i++) {
		const struct view_row *line = NULL;

		for (; (line = view_next(now, &now->services[i], VIEW_WORKER, line)); n++) {
			rows[n] = make_row(line->object, find_before(before, line->object, &from),
					   ms, sort);
			rows[n].at = n;
			if (rows[n].given_rate > highest)
				highest = rows[n].given_rate;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (rows[i].given_rate > 0)
			rows[i].bar =
				(unsigned)(rows[i].given_rate / highest * WORKERS_BAR_COLUMNS +
					   0.5);
	qsort(rows, n, sizeof(*rows), compare);
	*ret_n = n;
	return rows;
}

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

bool workers_why_fits(const struct workers_table *t, const struct json_value *worker,
		      unsigned columns, struct strbuf *out)
{
	workers_add_why(worker, out);
	return !out->len || t->why_at + text_width(out->text) <= columns;
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

void workers_table_make(const struct workers_row *rows, size_t n, bool live, unsigned width,
			struct workers_table *ret)
{
	*ret = (struct workers_table){ .columns = live ? top_columns : status_columns,
				       .rows = rows,
				       .indent = live ? 0 : 2 };
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
