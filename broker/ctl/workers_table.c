#include "workers_table.h"

#include <inttypes.h>
#include <string.h>

#define GAP	    2 /* blanks between two columns */
#define CELL_MAX    1024
#define BAR_COLUMNS 10
#define WHY_MIN	    12 /* columns that WHY should have, if it has any text */

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
	/* A count and an age of some workers: for others they are empty. */
	CELL_SOME,
	CELL_SINCE,
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
	{ "RUNNING", "running", CELL_SOME, 1 },	     { "OLDEST", "oldest_ms", CELL_SINCE, 4 },
	{ "MEMORY", "rss_bytes", CELL_BYTES, 8 },    { "CPU", "cpu_ms", CELL_CPU_TIME, 9 },
	{ "RESTARTS", "restarts", CELL_WARNING, 7 }, { "WHY", NULL, CELL_WHY, 0 },
};

static const struct workers_column top_columns[WORKERS_COLUMNS] = {
	{ "WORKER", "worker", CELL_TEXT, 0 },	{ "PID", "pid", CELL_PID, 9 },
	{ "GEN", "generation", CELL_COUNT, 5 }, { "STATE", "state", CELL_STATE, 0 },
	{ "FOR", "state_ms", CELL_AGE, 7 },	{ "GIVEN/S", NULL, CELL_RATE, 1 },
	{ "RATE", NULL, CELL_BAR, 6 },		{ "WAITING", "waiting", CELL_WARNING, 2 },
	{ "RUNNING", "running", CELL_SOME, 3 }, { "OLDEST", "oldest_ms", CELL_SINCE, 4 },
	{ "OPEN", "open", CELL_COUNT, 3 },	{ "MEMORY", "rss_bytes", CELL_BYTES, 8 },
	{ "CPU%", NULL, CELL_PERCENT, 4 },	{ "WHY", NULL, CELL_WHY, 0 },
};

/* --- rows -------------------------------------------------------------------------------- */

int64_t workers_rate(const struct json_value *now, const struct json_value *before, const char *key,
		     int64_t ms)
{
	int64_t n = json_doc_number(now, key), was = json_doc_number(before, key);

	return was < 0 || n < was || ms <= 0 ? -1 : (n - was) * 1000 * MSEC_PER_SEC / ms;
}

/*
 * The same process in the answer before. Both answers have the same order, apart from workers that
 * came or went, so the search starts where the last one was found.
 */
static const struct json_value *find_before(const struct view *before, const struct json_value *w,
					    size_t *from)
{
	int64_t pid = json_doc_number(w, "pid"), generation = json_doc_number(w, "generation");

	for (size_t i = 0; before && i < before->n_rows; i++) {
		size_t at = (*from + i) % before->n_rows;
		const struct json_value *was = before->rows[at].object;

		if (before->rows[at].type != VIEW_WORKER || json_doc_number(was, "pid") != pid ||
		    json_doc_number(was, "generation") != generation ||
		    strcmp(json_doc_text(was, "worker"), json_doc_text(w, "worker")) != 0)
			continue;
		*from = at + 1;
		return was;
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

bool workers_match(const struct json_value *line, const char *search)
{
	static const char *const keys[] = { "service", "worker", "state" };
	STRBUF(why, 1024);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcasestr(json_doc_text(line, keys[i]), search))
			return true;
	workers_add_why(line, &why);
	return strcasestr(why.text, search);
}

static bool make_rows(const struct view *now, const struct workers_live *live,
		      struct workers_table *t)
{
	int64_t highest = 1;
	size_t from = 0;

	t->rows = calloc(view_count(now, NULL, VIEW_WORKER) + 1, sizeof(*t->rows));
	if (!t->rows)
		return false;
	for (size_t i = 0; i < now->n_services; i++) {
		const struct view_row *line = NULL;

		while ((line = view_next(now, &now->services[i], VIEW_WORKER, line))) {
			/* It may be absent: its counts are -1 then, and no rate is known. */
			const struct json_value *w = line->object,
						*before = find_before(live->before, w, &from);
			int64_t given = workers_rate(w, before, "given", live->ms);
			int64_t cpu = workers_rate(w, before, "cpu_ms", live->ms);
			const int64_t keys[WORKERS_SORTS] = {
				[SORT_BY_TROUBLE] = view_trouble(w),
				[SORT_BY_RATE] = given,
				[SORT_BY_CPU] = cpu,
				[SORT_BY_OPEN] = json_doc_number(w, "open"),
			};

			highest = given > highest ? given : highest;
			t->rows[t->n] =
				(struct workers_row){ w, given, cpu, 0, keys[live->sort], t->n };
			t->n += workers_match(w, live->search);
		}
	}
	for (struct workers_row *row = t->rows; row < t->rows + t->n; row++)
		if (row->given > 0)
			row->bar = (unsigned)((2 * BAR_COLUMNS * row->given / highest + 1) / 2);
	qsort(t->rows, t->n, sizeof(*t->rows), compare);
	return true;
}

/* --- cells ------------------------------------------------------------------------------- */

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

void workers_add_rate(struct strbuf *out, int64_t rate)
{
	if (rate < 9950 && rate > 0)
		strbuf_addf(out, "%.1f", (double)rate / 1000);
	else
		text_add_count(out, rate < 0 ? -1 : (rate + 500) / 1000);
}

/* Milliseconds of processor time a second are tenths of a percent. */
static void add_percent(struct strbuf *out, int64_t rate)
{
	strbuf_addf(out, "%.0f", (double)rate / 10000);
}

static void add_whole(struct strbuf *out, int64_t n)
{
	strbuf_addf(out, "%" PRId64, n);
}

static void (*const add_number[])(struct strbuf *out, int64_t n) = {
	[CELL_PID] = add_whole,		 [CELL_COUNT] = text_add_count,
	[CELL_WARNING] = text_add_count, [CELL_BYTES] = text_add_bytes,
	[CELL_AGE] = text_add_age,	 [CELL_CPU_TIME] = text_add_cpu_time,
	[CELL_RATE] = workers_add_rate,	 [CELL_PERCENT] = add_percent,
	[CELL_SOME] = text_add_count,	 [CELL_SINCE] = text_add_age,
};

/* The text of a cell into @out, which is empty. Returns how it looks. */
static enum text_style add_cell(const struct workers_column *c, const struct workers_row *row,
				struct strbuf *out)
{
	int64_t number = c->cell == CELL_RATE	   ? row->given
			 : c->cell == CELL_PERCENT ? row->cpu
			 : c->key		   ? json_doc_number(row->worker, c->key)
						   : -1;

	if (c->cell > CELL_WHY) {
		if (number >= 0)
			add_number[c->cell](out, number);
		else if (c->cell < CELL_SOME)
			strbuf_add(out, "-");
		return c->cell == CELL_WARNING && number > 0 ? TEXT_YELLOW : TEXT_PLAIN;
	}
	if (c->cell == CELL_WHY)
		workers_add_why(row->worker, out);
	else if (c->cell == CELL_BAR)
		strbuf_addf(out, "%.*s%*s", (int)row->bar, "||||||||||",
			    BAR_COLUMNS - (int)row->bar, "");
	else
		strbuf_add(out, json_doc_text(row->worker, c->key));
	return c->cell == CELL_STATE ? text_state_style(out->text)
	       : c->cell == CELL_BAR ? TEXT_GREEN
				     : TEXT_PLAIN;
}

/* --- columns ----------------------------------------------------------------------------- */

static unsigned why_at(const struct workers_table *t)
{
	unsigned at = t->indent;

	for (size_t i = 0; i < WORKERS_COLUMNS - 1; i++)
		if (t->width[i])
			at += t->width[i] + GAP;
	return at;
}

static void measure(struct workers_table *t, unsigned width)
{
	unsigned why;

	for (size_t i = 0; i < WORKERS_COLUMNS; i++) {
		unsigned title = (unsigned)strlen(t->columns[i].title);

		for (size_t row = 0; row < t->n; row++) {
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
	why = t->width[WORKERS_COLUMNS - 1];
	why = !why ? 0 : why < WHY_MIN ? why + GAP : WHY_MIN + GAP;
	for (unsigned drop = WORKERS_COLUMNS; drop > 0 && why_at(t) + why > (size_t)width + GAP;
	     drop--)
		for (size_t i = 0; i < WORKERS_COLUMNS; i++)
			if (t->columns[i].drop == drop)
				t->width[i] = 0;
	t->why_at = why_at(t);
}

bool workers_table_make(const struct view *now, const struct workers_live *live, unsigned width,
			struct workers_table *ret)
{
	static const struct workers_live none = { .sort = SORT_BY_SLOT, .search = "" };

	*ret = (struct workers_table){ .columns = live ? top_columns : status_columns,
				       .indent = live ? 0 : 2 };
	if (!make_rows(now, live ? live : &none, ret))
		return false;
	measure(ret, width);
	return true;
}

void workers_table_add(const struct workers_table *t, const struct workers_row *row, bool why,
		       struct screen *s)
{
	unsigned at = t->indent;
	struct text_line line;

	text_begin(&line, s, 0);
	line.row = true;
	for (size_t i = 0; i < WORKERS_COLUMNS; i++) {
		const struct workers_column *c = &t->columns[i];
		enum text_style style = TEXT_BOLD;
		STRBUF(text, CELL_MAX);
		unsigned own;

		if (t->width[i] == 0 || (c->cell == CELL_WHY && !why))
			continue;
		if (row)
			style = add_cell(c, row, &text);
		else
			strbuf_add(&text, c->title);
		own = text_width(text.text);
		text_pad(&line, at + (c->cell <= CELL_WHY ? 0 : t->width[i] - own));
		text_add(&line, style, text.text);
		at += t->width[i] + GAP;
	}
	text_end(&line);
}
