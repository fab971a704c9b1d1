/*
 * strlist - a list of strings as execve(2) takes it: an array of pointers that
 * ends with NULL. An empty list is an array of that one NULL, never NULL itself,
 * once strlist_init succeeded.
 *
 * Every function that allocates returns -ENOMEM and leaves the list as it was.
 */
#pragma once

#include "base/util.h"

int strlist_init(char ***list); /* makes *@list empty; it must hold nothing yet */
int strlist_append(char ***list, const char *text);
int strlist_copy(char *const *from, char ***ret);
void strlist_free(char **list); /* NULL is fine */
bool strlist_equal(char *const *a, char *const *b);
