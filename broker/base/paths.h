/*
 * paths - the names of Unix sockets as numbers, so that the address of one is as small as any: a
 * path, or @NAME for an abstract one.
 *
 * A name keeps its number for good: those that ever are in use come from configurations, and they
 * are few. The one table is for the whole process, and the only
 * variable of the pure rooms.
 */
#pragma once

#include "base/strbuf.h"

#define PATHS_MAX 4096
#define PATHS_LEN 107 /* characters of the longest name that the kernel takes */

/*
 * The number of @name, which is not 0. -EINVAL with @error: it has a character that would have to
 * be escaped somewhere, names nothing, is too long; or there are PATHS_MAX already, or no memory.
 */
int paths_number(const char *name, uint16_t *ret, struct strbuf *error);

const char *paths_name(uint16_t number); /* 0, as of a client, which has no name: "unix" */

/* The number of the kernel's @sun_path, of @len bytes; 0: it is none of them. */
uint16_t paths_find(const char *sun_path, size_t len);
size_t paths_count(void); /* they have the numbers from 1 on */
