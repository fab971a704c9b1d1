#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* @dir/@name, from @directory on, if that is a program. @dir may be empty: the current one. */
static int try(const char *directory, const char *dir, size_t dir_len, const char *name,
	       char ret[PATH_MAX])
{
	char file[PATH_MAX], resolved[PATH_MAX];
	bool relative = dir_len ? *dir != '/' : *name != '/';
	struct stat st;
	int n = snprintf(file, sizeof(file), "%s%s%.*s%s%s", relative && directory ? directory : "",
			 relative && directory ? "/" : "", (int)dir_len, dir, dir_len ? "/" : "",
			 name);

	if (n < 0 || (size_t)n >= sizeof(file))
		return -ENOENT;
	if (!realpath(file, resolved) || stat(resolved, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || access(resolved, X_OK) < 0)
		return -EACCES;
	strcpy(ret, resolved);
	return 0;
}

int program_find(const char *name, const char *path, const char *directory, char ret[PATH_MAX])
{
	int r = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/'))
		return try(directory, "", 0, name, ret);
	for (const char *dir = path; dir; dir = strchr(dir, ':') ? strchr(dir, ':') + 1 : NULL) {
		r = try(directory, dir, strcspn(dir, ":"), name, ret);
		if (r == 0)
			break;
	}
	return r == 0 || r == -EACCES ? r : -ENOENT;
}
