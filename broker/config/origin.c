#include "origin.h"

#include <errno.h>
#include <string.h>

const struct conf_origin *origin_find(const struct conf_origin *origins, size_t n,
				      const struct option *option, size_t entry)
{
	for (size_t i = 0; i < n; i++)
		if (origins[i].option == option && entry-- == 0)
			return &origins[i];
	return NULL;
}

unsigned origin_line(const struct conf_origin *origins, size_t n, const struct option *option,
		     size_t entry)
{
	const struct conf_origin *found = origin_find(origins, n, option, entry);

	return found ? found->line : 0;
}

int origin_add(struct conf_origin **origins, size_t *n, const struct conf_origin *add)
{
	struct conf_origin *bigger = realloc(*origins, (*n + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	bigger[(*n)++] = *add;
	*origins = bigger;
	return 0;
}

void origin_remove(struct conf_origin *origins, size_t *n, const struct option *option,
		   size_t entry)
{
	const struct conf_origin *found = origin_find(origins, *n, option, entry);
	size_t at;

	if (!found)
		return;
	at = (size_t)(found - origins);
	memmove(&origins[at], &origins[at + 1], (*n - at - 1) * sizeof(*origins));
	(*n)--;
}

void origin_clear(struct conf_origin *origins, size_t *n, const struct option *option)
{
	while (origin_find(origins, *n, option, 0))
		origin_remove(origins, n, option, 0);
}
