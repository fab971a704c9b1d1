#include "nearest.h"

#include <string.h>
#include <sys/param.h>
#include "base/units.h"

#define LONGEST	  40 /* no word of ours is longer, so nothing longer is near one */
#define EDITS_MAX 3

static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '-' ? '_' : c;
}

/* Both at most LONGEST long. The usual matrix: edits from the first i letters to the first j. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned edits[LONGEST + 1][LONGEST + 1];

	for (size_t i = 0; i <= a_len; i++)
		for (size_t j = 0; j <= b_len; j++) {
			unsigned least = (unsigned)(i + j);

			if (i && j) {
				least = edits[i - 1][j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
				least = MIN(least, edits[i - 1][j] + 1);
				least = MIN(least, edits[i][j - 1] + 1);
			}
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]))
				least = MIN(least, edits[i - 2][j - 2] + 1);
			edits[i][j] = least;
		}
	return edits[a_len][b_len];
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
		size_t other = candidates[i] ? strlen(candidates[i]) : LONGEST + 1;
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
	return nearest(strncmp(word, "SIG", 3) == 0 ? word + 3 : word, units_signal_names,
		       UNITS_SIGNALS);
}

const char *synonym_find(const struct synonym *synonyms, const char *word)
{
	for (; synonyms->word; synonyms++)
		if (!strcmp(synonyms->word, word))
			return synonyms->here;
	return NULL;
}
