#include "strlist.h"

#include <errno.h>
#include <string.h>

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

int strlist_append(char ***list, const char *text)
{
	size_t n = count(*list);
	char *copy = strdup(text);
	char **bigger;

	if (!copy)
		return -ENOMEM;
	bigger = realloc(*list, (n + 2) * sizeof(*bigger));
	if (!bigger) {
		free(copy);
		return -ENOMEM;
	}
	bigger[n] = copy;
	bigger[n + 1] = NULL;
	*list = bigger;
	return 0;
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
	size_t n = count(a);

	if (n != count(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}
