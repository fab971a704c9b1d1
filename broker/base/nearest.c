#include "nearest.h"

#include <string.h>
#include "base/units.h"

#define LONGEST	  40 /* no word of ours is longer, so nothing longer is near one */
#define EDITS_MAX 3

static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '-' ? '_' : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Both at most LONGEST long. Rows of the usual matrix: this one and the two above. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][LONGEST + 1];
	unsigned *above2 = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *reuse = above2;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = fold(a[i - 1]) == fold(b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]) && above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
		above2 = above;
		above = row;
		row = reuse;
	}
	return above[b_len];
}

const char *nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word);
	size_t limit = len / 3 < EDITS_MAX ? len / 3 : EDITS_MAX;
	const char *best = NULL;

	if (len > LONGEST)
		return NULL;
	/* A word of two letters is one edit from too much; still, case alone never is an edit. */
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(candidates[i]);
		unsigned edits;

		if (other > LONGEST)
			continue;
		edits = distance(word, len, candidates[i], other);
		if (edits > limit)
			continue;
		best = candidates[i];
		if (edits == 0)
			break;
		limit = edits - 1;
	}
	return best;
}

const char *nearest_signal(const char *word)
{
	const char *names[64];
	size_t n = 0;

	while (n < ARRAY_SIZE(names) && (names[n] = units_signal_name(n)))
		n++;
	return nearest(strncmp(word, "SIG", 3) == 0 ? word + 3 : word, names, n);
}

const char *synonym_find(const struct synonym *synonyms, const char *word)
{
	for (; synonyms->word; synonyms++)
		if (!strcmp(synonyms->word, word))
			return synonyms->here;
	return NULL;
}
