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
 * of equally near ones wins.
 */
const char *nearest(const char *word, const char *const *candidates, size_t n);
