#include "table.h"

#include <string.h>

#define GAP	 2 /* blanks between two columns */
#define CELL_MAX 1024

static unsigned cell_width(const struct table *t, size_t row, size_t column)
{
	STRBUF(text, CELL_MAX);

	t->columns[column].cell(t->rows, row, &text, NULL);
	return text_width(text.text);
}

/* All that is shown, the last column with what it should have at least. */
static unsigned total(const struct table *t, const struct table_layout *layout)
{
	unsigned sum = t->indent, n = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		unsigned width = layout->width[i];

		if (i == t->n_columns - 1 && width > t->last_min)
			width = t->last_min;
		sum += width;
		n += width > 0;
	}
	return sum + (n ? n - 1 : 0) * GAP;
}

/* The column to leave out next, or n_columns: none may be. */
static size_t least_important(const struct table *t, const struct table_layout *layout)
{
	size_t found = t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++)
		if (layout->width[i] && t->columns[i].drop &&
		    (found == t->n_columns || t->columns[i].drop > t->columns[found].drop))
			found = i;
	return found;
}

void table_measure(const struct table *t, unsigned width, struct table_layout *ret)
{
	size_t last = t->n_columns - 1;

	assert(t->n_columns > 0 && t->n_columns <= TABLE_COLUMNS_MAX);
	*ret = (struct table_layout){ .last_at = t->indent };
	for (size_t i = 0; i < t->n_columns; i++) {
		for (size_t row = 0; row < t->n_rows; row++) {
			unsigned w = cell_width(t, row, i);

			if (w > ret->width[i])
				ret->width[i] = w;
		}
		/* A column without a word in it needs no title. */
		if (ret->width[i] && ret->width[i] < strlen(t->columns[i].title))
			ret->width[i] = (unsigned)strlen(t->columns[i].title);
	}
	while (total(t, ret) > width) {
		size_t drop = least_important(t, ret);

		if (drop == t->n_columns)
			break;
		ret->width[drop] = 0;
	}
	for (size_t i = 0; i < last; i++)
		if (ret->width[i])
			ret->last_at += ret->width[i] + GAP;
}

static void add_cell(const struct table *t, const struct table_layout *layout, size_t column,
		     unsigned *at, enum text_style style, const char *text, struct text_line *line)
{
	unsigned width = layout->width[column];
	unsigned own = text_width(text);

	if (width == 0)
		return;
	text_pad(line, *at + (t->columns[column].right && own < width ? width - own : 0));
	text_add(line, style, text);
	*at += width + GAP;
}

void table_add_titles(const struct table *t, const struct table_layout *layout,
		      struct text_line *line)
{
	unsigned at = t->indent;

	line->row = true;
	for (size_t i = 0; i < t->n_columns; i++)
		add_cell(t, layout, i, &at, TEXT_BOLD, t->columns[i].title, line);
}

void table_add_row(const struct table *t, const struct table_layout *layout, size_t row,
		   struct text_line *line)
{
	unsigned at = t->indent;

	line->row = true;
	for (size_t i = 0; i < t->n_columns; i++) {
		enum text_style style = TEXT_PLAIN;
		STRBUF(text, CELL_MAX);

		t->columns[i].cell(t->rows, row, &text, &style);
		add_cell(t, layout, i, &at, style, text.text, line);
	}
}
