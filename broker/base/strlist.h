/*
 * strlist - a list of strings as execve(2) takes it: an array of pointers that
 * ends with NULL. An empty list is NULL.
 *
 * Every function that allocates returns -ENOMEM and leaves the list as it was.
 */
#pragma once

#include "base/util.h"

int strlist_append(char ***list, const char *text);
int strlist_copy(char *const *from, char ***ret);
void strlist_free(char **list);
bool strlist_equal(char *const *a, char *const *b);
