/*
 * strlist - a list of strings as execve(2) takes it: an array of pointers that
 * ends with NULL. NULL itself counts as an empty list.
 */
#ifndef BROKER_BASE_STRLIST_H
#define BROKER_BASE_STRLIST_H

#include "base/util.h"

/* 0: *@ret is the caller's, and never NULL, see strlist_free. -ENOMEM: it is untouched. */
int strlist_copy(char *const *from, char ***ret);
void strlist_free(char **list); /* NULL is fine */
bool strlist_equal(char *const *a, char *const *b);

#endif
