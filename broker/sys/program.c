#include "program.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/strbuf.h"

/* @dir/@name, from @directory on, if that is a program. @dir may be empty: the current one. */
static int try(const char *directory, const char *dir, size_t dir_len, const char *name,
	       char ret[PATH_MAX])
{
	STRBUF(file, PATH_MAX);
	char resolved[PATH_MAX];
	struct stat st;

	if (directory && *(dir_len ? dir : name) != '/')
		strbuf_addf(&file, "%s/", directory);
	strbuf_add_bytes(&file, dir, dir_len);
	strbuf_addf(&file, "%s%s", dir_len ? "/" : "", name);
	if (file.cut)
		return -ENOENT;
	if (!realpath(file.text, resolved) || stat(resolved, &st) < 0)
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

char *program_find_ours(const char *name, int mode)
{
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - strlen(name) - 1);

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		strcpy(slash + 1, name);
	if (!slash || access(path, mode) < 0)
		snprintf(path, sizeof(path), BROKER_LIBEXECDIR "/%s", name);
	return access(path, mode) == 0 ? strdup(path) : NULL;
}
