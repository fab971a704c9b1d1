/*
 * paths - the names of Unix sockets as numbers, so that the address of one is as small as any: a
 * path, or @NAME for an abstract one.
 *
 * A name keeps its number for good: those that ever are in use come from configurations and from
 * what programs listen on, and they are few. The one table is for the whole process, and the only
 * variable of the pure rooms.
 */
#pragma once

#include "base/util.h"

#define PATHS_MAX 4096
#define PATHS_LEN 107 /* characters of the longest name that the kernel takes */

/*
 * The number of @name, which is not 0. 0; -EINVAL: it has a character that would have to be escaped
 * somewhere (a blank, a quote, a backslash, anything but ASCII), or names nothing; -ENAMETOOLONG;
 * -ENOSPC: there are PATHS_MAX already; -ENOMEM.
 */
int paths_number(const char *name, uint16_t *ret);
const char *paths_why(int r); /* what is wrong with a name that was refused so: "is too long" */

const char *paths_name(uint16_t number); /* 0, as of a client, which has no name: "unix" */

/* Whether the kernel's @sun_path, of @len bytes, is one of them. */
bool paths_has(const char *sun_path, size_t len);
bool paths_any(void);
