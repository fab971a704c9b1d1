#include "path_match.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>

struct match {
	unsigned left; /* entries that may still be looked at */
	path_match_fn *found;
	void *arg;
	char path[PATH_MAX]; /* so far, terminated */
	size_t len;
};

static int next(struct match *m, const char *pattern);

static int append(struct match *m, const char *bytes, size_t n)
{
	if (n >= sizeof(m->path) - m->len)
		return -ENAMETOOLONG;
	memcpy(m->path + m->len, bytes, n);
	m->path[m->len += n] = '\0';
	return 0;
}

/* A name that has no other like it, of which a backslash is no part. */
static int append_literal(struct match *m, const char *name, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (name[i] == '\\' && i + 1 < n)
			i++;
		r = append(m, &name[i], 1);
	}
	return r;
}

static bool is_literal(const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (name[i] == '\\')
			i++;
		else if (strchr("*?[", name[i]))
			return false;
	}
	return true;
}

/* What comes behind a name that fits. */
static int descend(struct match *m, const char *rest)
{
	if (*rest)
		return next(m, rest);
	m->found(m->path, m->arg);
	return 0;
}

/* The first failure is kept, and only giving up ends the search. */
static int look_into(struct match *m, const char *name, const char *rest)
{
	DIR *dir = opendir(m->len ? m->path : ".");
	size_t len = m->len;
	struct dirent *entry;
	int result = 0, r;

	while (dir && result != -E2BIG && (entry = readdir(dir))) {
		if (m->left == 0) {
			result = -E2BIG;
			break;
		}
		m->left--;
		if (fnmatch(name, entry->d_name, FNM_PERIOD) != 0)
			continue;
		r = append(m, entry->d_name, strlen(entry->d_name));
		if (r == 0)
			r = descend(m, rest);
		m->path[m->len = len] = '\0';
		if (r == -E2BIG || result == 0)
			result = r;
	}
	if (dir)
		(void)closedir(dir);
	return result;
}

/* @pattern is what follows .path: slashes, and a name up to the next of them. */
static int next(struct match *m, const char *pattern)
{
	size_t slashes = strspn(pattern, "/");
	const char *rest = pattern + slashes + strcspn(pattern + slashes, "/");
	size_t n = (size_t)(rest - pattern) - slashes, len = m->len;
	char name[NAME_MAX + 1];
	int r = append(m, pattern, slashes);

	if (r == 0 && is_literal(pattern + slashes, n)) {
		r = append_literal(m, pattern + slashes, n);
		if (r == 0)
			r = descend(m, rest);
	} else if (r == 0 && n >= sizeof(name)) {
		r = -ENAMETOOLONG;
	} else if (r == 0) {
		memcpy(name, pattern + slashes, n);
		name[n] = '\0';
		r = look_into(m, name, rest);
	}
	m->path[m->len = len] = '\0';
	return r;
}

int path_match(const char *pattern, unsigned max, path_match_fn *found, void *arg)
{
	struct match m = { .left = max, .found = found, .arg = arg };

	return next(&m, pattern);
}
