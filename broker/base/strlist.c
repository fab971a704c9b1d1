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

int strlist_copy(char *const *from, char ***ret)
{
	size_t n = count(from);
	char **copy = calloc(n + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(from[i]);
		if (!copy[i]) {
			strlist_free(copy);
			return -ENOMEM;
		}
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
