#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What execvp(3) searches when PATH is not set. */
#define DEFAULT_PATH "/usr/local/bin:/bin:/usr/bin"

/* 0 if @path is a file that may be executed, else an errno. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, X_OK) < 0 ? errno : 0;
}

static enum launch_exit explain(const char *path, int error, struct reason *ret_reason)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return reason_set(ret_reason, LAUNCH_MISSING, "%s: no such file", path);
	case EISDIR:
		return reason_refuse(ret_reason, "%s is a directory, not a program", path);
	case EACCES:
		return reason_refuse(ret_reason,
				     "%s is not executable for user %d: chmod +x it, or name its "
				     "interpreter in the command",
				     path, (int)geteuid());
	}
	return reason_refuse(ret_reason, "%s: %s", path, strerror(error));
}

enum launch_exit program_find(const char *command, char ret[PATH_MAX], struct reason *ret_reason)
{
	const char *path = getenv("PATH"), *dir, *end;
	char denied[PATH_MAX] = "";
	int error;

	if (!*command)
		return reason_set(ret_reason, LAUNCH_MISSING, "the command is empty");
	if (strlen(command) >= PATH_MAX)
		return reason_set(ret_reason, LAUNCH_MISSING, "the command is too long");
	if (strchr(command, '/')) {
		error = executable(command);
		if (error)
			return explain(command, error, ret_reason);
		strcpy(ret, command);
		return LAUNCH_GOOD;
	}

	if (!path)
		path = DEFAULT_PATH;
	for (dir = path;; dir = end + 1) {
		char candidate[2 * PATH_MAX];
		int n;

		end = strchrnul(dir, ':');
		/* An empty entry is the working directory. */
		n = snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int)(end - dir), dir,
			     end == dir ? "./" : "/", command);
		if (n > 0 && n < PATH_MAX) {
			error = executable(candidate);
			if (!error) {
				strcpy(ret, candidate);
				return LAUNCH_GOOD;
			}
			if (error == EACCES && !*denied)
				strcpy(denied, candidate);
		}
		if (!*end)
			break;
	}
	if (*denied)
		return explain(denied, EACCES, ret_reason);
	return reason_set(ret_reason, LAUNCH_MISSING, "%s: no such program in PATH (%s)", command,
			  path);
}
