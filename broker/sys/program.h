/*
 * program - which file a command's name stands for.
 */
#pragma once

#include <limits.h>
#include "base/util.h"

/*
 * Looks for @name as execvp(3) does: a name without a slash in @path (NULL: nowhere), whose
 * relative parts, as a relative name, start at @directory (NULL: the current one). 0: *@ret is the
 * file, absolute and with all links resolved; -ENOENT, -EACCES: there is none that can be executed.
 */
int program_find(const char *name, const char *path, const char *directory, char ret[PATH_MAX]);

/*
 * The path of one of our own files: beside this program, as in a build tree, or where `make
 * install` puts it; to be freed. NULL: there is none for @mode, as for access(2).
 */
char *program_find_ours(const char *name, int mode);
