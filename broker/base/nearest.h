/*
 * nearest - the word that was probably meant.
 */
#pragma once

#include "base/util.h"

/*
 * The one of @n @candidates that differs least from @word, or NULL if none is
 * near: up to one edit in three letters, three at most. An edit is a letter
 * more, less or other, or two neighbours swapped (optimal string alignment).
 * Upper and lower case are the same letter, and so are '-' and '_'. The first
 * of equally near ones wins. A NULL is near nothing.
 */
const char *nearest(const char *word, const char *const *candidates, size_t n);

/* The same of the names of signals; @word may begin with SIG. */
const char *nearest_signal(const char *word);

/* A word of other programs of the kind, and what it is called here. */
struct synonym {
	const char *word, *here;
};

/* The name here of exactly @word; NULL: @synonyms, which ends with an empty one, has none. */
const char *synonym_find(const struct synonym *synonyms, const char *word);
