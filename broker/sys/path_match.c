#include "path_match.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include "base/strbuf.h"

struct match {
	unsigned left; /* entries that may still be looked at */
	bool gave_up;
	path_match_fn *found;
	void *arg;
	struct strbuf path; /* so far; what no path is long enough for is passed over */
};

static void next(struct match *m, const char *pattern);

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

/* A name that has no other like it, of which a backslash is no part. */
static void add_literal(struct match *m, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (name[i] == '\\' && i + 1 < n)
			i++;
		strbuf_add_bytes(&m->path, &name[i], 1);
	}
}

static void shorten(struct strbuf *path, size_t len)
{
	path->text[path->len = len] = '\0';
	path->cut = false;
}

static void look_into(struct match *m, const char *name, const char *rest)
{
	DIR *dir = opendir(m->path.len ? m->path.text : ".");
	size_t len = m->path.len;
	struct dirent *entry;

	while (dir && !m->gave_up && (entry = readdir(dir))) {
		if (m->left == 0) {
			m->gave_up = true;
			break;
		}
		m->left--;
		if (fnmatch(name, entry->d_name, FNM_PERIOD) != 0)
			continue;
		strbuf_add(&m->path, entry->d_name);
		next(m, rest);
		shorten(&m->path, len);
	}
	if (dir)
		(void)closedir(dir);
}

/* @pattern is what follows .path: slashes, and a name up to the next of them. */
static void next(struct match *m, const char *pattern)
{
	size_t slashes = strspn(pattern, "/"), n = strcspn(pattern + slashes, "/");
	const char *name = pattern + slashes, *rest = name + n;
	size_t len = m->path.len;
	STRBUF(one, NAME_MAX + 1);

	if (m->path.cut)
		return;
	if (!*pattern) {
		m->found(m->path.text, m->arg);
		return;
	}
	strbuf_add_bytes(&m->path, pattern, slashes);
	strbuf_add_bytes(&one, name, n);
	if (is_literal(name, n)) {
		add_literal(m, name, n);
		next(m, rest);
	} else if (!one.cut && !m->path.cut) {
		look_into(m, one.text, rest);
	}
	shorten(&m->path, len);
}

int path_match(const char *pattern, unsigned max, path_match_fn *found, void *arg)
{
	STRBUF(path, PATH_MAX);
	struct match m = { .left = max, .found = found, .arg = arg, .path = path };

	next(&m, pattern);
	return m.gave_up ? -E2BIG : 0;
}
