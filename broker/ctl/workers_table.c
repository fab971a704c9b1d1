#include "workers_table.h"

#include <inttypes.h>

#define GAP	    2 /* blanks between two columns */
#define CELL_MAX    1024
#define BAR_COLUMNS 10
#define WHY_MIN	    12 /* columns that WHY should have, if it has any text */

/* --- columns ----------------------------------------------------------------------------- */

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

enum cell {
	CELL_ANY,
	CELL_WARNING, /* it is yellow, if it is not 0 */
	CELL_SOME,    /* of some workers: for others it is empty, not "-" */
};

#define NOT_HERE WORKERS_COLUMNS

/* Of status, and of top. */
static const struct column {
	const char *title;
	const char *key;			    /* of the worker in the answer */
	void (*add)(struct strbuf *out, int64_t n); /* a number, at the right; NULL: words */
	enum cell cell;
	unsigned drop[2]; /* that with the highest number is left out first; 0: never left out */
} known_columns[WORKERS_COLUMNS] = {
	{ "WORKER", "worker", NULL, CELL_ANY, { 0, 0 } },
	{ "PID", "pid", add_whole, CELL_ANY, { 3, 9 } },
	{ "GEN", "generation", text_add_count, CELL_ANY, { 6, 5 } },
	{ "STATE", "state", NULL, CELL_ANY, { 0, 0 } },
	{ "FOR", "state_ms", text_add_age, CELL_ANY, { 4, 7 } },
	{ "GIVEN", "given", text_add_count, CELL_ANY, { 5, NOT_HERE } },
	{ "GIVEN/S", "given", workers_add_rate, CELL_ANY, { NOT_HERE, 1 } },
	{ "RATE", "given", NULL, CELL_ANY, { NOT_HERE, 6 } },
	{ "WAITING", "waiting", text_add_count, CELL_ANY, { 2, NOT_HERE } },
	{ "WAITING", "waiting", text_add_count, CELL_WARNING, { NOT_HERE, 2 } },
	{ "OPEN", "open", text_add_count, CELL_ANY, { 1, NOT_HERE } },
	{ "RUNNING", "running", text_add_count, CELL_SOME, { 1, 3 } },
	{ "OLDEST", "oldest_ms", text_add_age, CELL_SOME, { 4, 4 } },
	{ "OPEN", "open", text_add_count, CELL_ANY, { NOT_HERE, 3 } },
	{ "MEMORY", "rss_bytes", text_add_bytes, CELL_ANY, { 8, 8 } },
	{ "CPU", "cpu_ms", text_add_cpu_time, CELL_ANY, { 9, NOT_HERE } },
	{ "CPU%", "cpu_ms", add_percent, CELL_ANY, { NOT_HERE, 4 } },
	{ "RESTARTS", "restarts", text_add_count, CELL_WARNING, { 7, NOT_HERE } },
	{ "WHY", "why", NULL, CELL_ANY, { 0, 0 } },
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

		if (!json_doc_is(was, "type", "worker") || json_doc_number(was, "pid") != pid ||
		    json_doc_number(was, "generation") != generation ||
		    !json_doc_is(was, "worker", json_doc_text(w, "worker")))
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

/* The words of WHY, with what a row must not hide: a tracer, or that only pins lead to it. */
static void add_why(const struct json_value *worker, struct strbuf *out)
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

bool workers_match(const struct json_value *line, const char *search)
{
	STRBUF(text, 2048);

	(void)text_expand(&text, "$service\n$worker\n$state\n", line);
	add_why(line, &text);
	return strcasestr(text.text, search);
}

static bool make_rows(const struct view *now, const struct workers_live *live,
		      struct workers_table *t)
{
	int64_t highest = 1;
	size_t from = 0;

	t->rows = calloc(view_count(now, NULL, "worker") + 1, sizeof(*t->rows));
	if (!t->rows)
		return false;
	for (size_t i = 0; i < now->n_services; i++) {
		const struct view_row *line = NULL;

		while ((line = view_next(now, &now->services[i], "worker", line))) {
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

bool workers_why_fits(const struct workers_table *t, const struct json_value *worker,
		      unsigned columns, struct strbuf *out)
{
	add_why(worker, out);
	return !out->len || t->why_at + text_width(out->text) <= columns;
}

/* The text of a cell into @out, which is empty. Returns how it looks. */
static enum text_style add_cell(const struct column *c, const struct workers_row *row,
				struct strbuf *out)
{
	int64_t number = c->add == workers_add_rate ? row->given
			 : c->add == add_percent    ? row->cpu
						    : json_doc_number(row->worker, c->key);
	enum text_style style = c->cell == CELL_WARNING && number > 0 ? TEXT_YELLOW : TEXT_PLAIN;

	if (c->add && number >= 0) {
		c->add(out, number);
	} else if (c->add) {
		strbuf_add(out, c->cell == CELL_SOME ? "" : "-");
	} else if (!strcmp(c->key, "why")) {
		add_why(row->worker, out);
	} else if (!strcmp(c->key, "given")) {
		strbuf_addf(out, "%.*s%*s", (int)row->bar, "||||||||||",
			    BAR_COLUMNS - (int)row->bar, "");
		style = TEXT_GREEN;
	} else {
		strbuf_add(out, json_doc_text(row->worker, c->key));
		style = strcmp(c->key, "state") ? style : text_state_style(out->text);
	}
	return style;
}

static unsigned why_at(const struct workers_table *t)
{
	unsigned at = t->is_live ? 0 : 2;

	for (size_t i = 0; i < WORKERS_COLUMNS - 1; i++)
		if (t->width[i])
			at += t->width[i] + GAP;
	return at;
}

static void measure(struct workers_table *t, unsigned width)
{
	unsigned why;

	for (size_t i = 0; i < WORKERS_COLUMNS; i++) {
		unsigned title = (unsigned)strlen(known_columns[i].title);

		for (size_t row = 0; known_columns[i].drop[t->is_live] != NOT_HERE && row < t->n;
		     row++) {
			STRBUF(text, CELL_MAX);
			unsigned own;

			(void)add_cell(&known_columns[i], &t->rows[row], &text);
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
	for (unsigned drop = NOT_HERE - 1; drop > 0 && why_at(t) + why > (size_t)width + GAP;
	     drop--)
		for (size_t i = 0; i < WORKERS_COLUMNS; i++)
			if (known_columns[i].drop[t->is_live] == drop)
				t->width[i] = 0;
	t->why_at = why_at(t);
}

bool workers_table_make(const struct view *now, const struct workers_live *live, unsigned width,
			struct workers_table *ret)
{
	static const struct workers_live none = { .sort = SORT_BY_SLOT, .search = "" };

	*ret = (struct workers_table){ .is_live = live };
	if (!make_rows(now, live ? live : &none, ret))
		return false;
	measure(ret, width);
	return true;
}

void workers_table_add(const struct workers_table *t, const struct workers_row *row, bool why,
		       struct screen *s)
{
	unsigned at = t->is_live ? 0 : 2;
	struct text_line line = text_begin(s, 0);

	line.row = true;
	for (size_t i = 0; i < WORKERS_COLUMNS; i++) {
		const struct column *c = &known_columns[i];
		enum text_style style = TEXT_BOLD;
		STRBUF(text, CELL_MAX);
		unsigned own;

		if (t->width[i] == 0 || (i == WORKERS_COLUMNS - 1 && !why))
			continue;
		if (row)
			style = add_cell(c, row, &text);
		else
			strbuf_add(&text, c->title);
		own = text_width(text.text);
		text_pad(&line, at + (c->add ? t->width[i] - own : 0));
		text_add(&line, style, text.text);
		at += t->width[i] + GAP;
	}
	text_end(&line);
}
