/*
 * path_match - the paths that a pattern of glob(7) means, found in bounded time.
 *
 * glob(3) reads every directory to its end, and keeps all that it finds: in one with a million
 * files that takes a second.
 */
#pragma once

#include "base/util.h"

typedef void path_match_fn(const char *path, void *arg);

/*
 * Calls @found with each path that fits @pattern as for glob(3), in no order. A pattern without any
 * of * ? [ is not looked for, so there may be no such file. After @max entries of directories, all
 * together, it gives up.
 *
 * 0; -E2BIG: there may be more. A directory that cannot be read has nothing that fits, nor has a
 * pattern that makes a path of more than PATH_MAX bytes.
 */
int path_match(const char *pattern, unsigned max, path_match_fn *found, void *arg);
