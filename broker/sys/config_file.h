/*
 * config_file - the configuration file on disk: read safely, parsed, nothing else.
 */
#pragma once

#include <limits.h>
#include "config/conf.h"

/*
 * Reads and parses @path. 0: *@ret is the caller's. -EINVAL, -errno: @error says why, one message
 * a line. The files of variables that it names are read, too: they are part of it. @error NULL:
 * its [broker] section alone, also if the file is wrong: see conf_parse().
 *
 * @strict: its commands will be run. As root we refuse then (-EPERM) a file that others could
 * change or exchange (safe_path.h), unless it says strict_modes = no; that only counts if nobody
 * else can have written it. A file of variables may belong to the user of its service.
 *
 * @names: what has been looked up for it; NULL: nothing.
 */
int config_file_load(const char *path, bool strict, struct conf_names *names, struct conf **ret,
		     struct strbuf *error);

/* The same without the files that it names, to see what is in it. */
int config_file_parse(const char *path, struct conf **ret, struct strbuf *error);

/* The facts of this machine that defaults depend on. @base_dir: storage for the directory. */
struct conf_facts config_file_facts(const char *path, char base_dir[PATH_MAX]);
