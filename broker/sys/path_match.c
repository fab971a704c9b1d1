#include "path_match.h"

#include <fnmatch.h>
#include <limits.h>
#include "base/strbuf.h"
#include "sys/dir.h"

struct match {
	int left; /* entries that may still be looked at; negative: it gave up */
	path_match_fn *found;
	void *arg;
	struct strbuf path; /* so far; what no path is long enough for is passed over */
};

static void next(struct match *m, const char *pattern);

/* Adds a name without its backslashes. False: it is a pattern, and something of it was added. */
static bool add_literal(struct strbuf *path, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strchr("*?[", name[i]))
			return false;
		if (name[i] == '\\' && i + 1 < n)
			i++;
		strbuf_add_bytes(path, &name[i], 1);
	}
	return true;
}

static void shorten(struct strbuf *path, size_t len)
{
	path->text[path->len = len] = '\0';
	path->cut = false;
}

static void look_into(struct match *m, const char *name, const char *rest)
{
	_cleanup_dir_ struct dir *dir = dir_open(m->path.len ? m->path.text : ".");
	size_t len = m->path.len;
	const char *entry;

	while (dir && m->left >= 0 && (entry = dir_next(dir)) && m->left-- > 0) {
		if (fnmatch(name, entry, FNM_PERIOD) != 0)
			continue;
		strbuf_add(&m->path, entry);
		next(m, rest);
		shorten(&m->path, len);
	}
}

/* @pattern is what follows .path: slashes, and a name up to the next of them. */
static void next(struct match *m, const char *pattern)
{
	const char *name = pattern + strspn(pattern, "/");
	size_t n = strcspn(name, "/"), begin = m->path.len, len;
	STRBUF(one, NAME_MAX + 1);

	strbuf_add_bytes(&m->path, pattern, (size_t)(name - pattern));
	if (m->path.cut)
		return;
	if (!*pattern) {
		m->found(m->path.text, m->arg);
		return;
	}
	len = m->path.len;
	if (add_literal(&m->path, name, n)) {
		next(m, name + n);
	} else {
		shorten(&m->path, len);
		strbuf_add_bytes(&one, name, n);
		if (!one.cut)
			look_into(m, one.text, name + n);
	}
	shorten(&m->path, begin);
}

int path_match(const char *pattern, unsigned max, path_match_fn *found, void *arg)
{
	STRBUF(path, PATH_MAX);
	struct match m = { .left = (int)max, .found = found, .arg = arg, .path = path };

	next(&m, pattern);
	return m.left < 0 ? -E2BIG : 0;
}
