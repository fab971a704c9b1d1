#include "strlist.h"

#include <errno.h>
#include <string.h>

int strlist_append(char ***list, const char *text)
{
	char **bigger;
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	bigger = realloc(*list, (n + 2) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	*list = bigger;
	bigger[n + 1] = NULL;
	bigger[n] = strdup(text);
	return bigger[n] ? 0 : -ENOMEM;
}

int strlist_copy(char *const *from, char ***ret)
{
	char **copy = NULL;

	for (; *from; from++)
		if (strlist_append(&copy, *from) < 0) {
			strlist_free(copy);
			return -ENOMEM;
		}
	*ret = copy;
	return 0;
}

void strlist_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

bool strlist_equal(char *const *a, char *const *b)
{
	for (; a && b && *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return (!a || !*a) && (!b || !*b);
}
