/* links: broker/sys/path_match broker/sys/dir broker/base/strbuf */
#include "sys/path_match.h"
#include "base/strbuf.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/broker-path-match-XXXXXX";

/* Directories end in a slash, and come before what is in them. */
static const char *const tree[] = {
	"a/", "b/", "a/core.1", "a/core.2", "a/xcore.1", "a/.core.1", "b/core.1", "b/core[1]",
};

static char found[1024];

static void note(const char *path, void *arg)
{
	unsigned *n = arg;
	const char *name = !strncmp(path, base, strlen(base)) ? path + strlen(base) : path;

	(*n)++;
	CHECK(strlen(found) + strlen(name) + 2 < sizeof(found));
	strcat(strcat(found, name), " ");
}

/* How many are found; they are in found[] then, each with a space behind it. */
static int match(const char *pattern, unsigned max, unsigned *n)
{
	STRBUF(text, 512);

	*found = '\0';
	*n = 0;
	strbuf_add(&text, *pattern == '/' ? base : "");
	strbuf_add(&text, pattern);
	return path_match(text.text, max, note, n);
}

static void grow(void)
{
	CHECK(mkdtemp(base));
	for (size_t i = 0; i < sizeof(tree) / sizeof(tree[0]); i++) {
		STRBUF(path, 256);
		int fd;

		strbuf_addf(&path, "%s/%s", base, tree[i]);
		if (path.text[path.len - 1] == '/') {
			CHECK_EQ(mkdir(path.text, 0700), 0);
			continue;
		}
		fd = open(path.text, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		CHECK(fd >= 0);
		close(fd);
	}
}

static void fell(void)
{
	for (size_t i = sizeof(tree) / sizeof(tree[0]); i-- > 0;) {
		STRBUF(path, 256);

		strbuf_addf(&path, "%s/%s", base, tree[i]);
		CHECK_EQ(remove(path.text), 0);
	}
	CHECK_EQ(rmdir(base), 0);
}

TEST(what_fits_is_found)
{
	unsigned n;

	grow();
	CHECK_EQ(match("/a/core.*", 100, &n), 0);
	CHECK_EQ(n, 2);
	CHECK_CONTAINS(found, "/a/core.1 ");
	CHECK_CONTAINS(found, "/a/core.2 ");
	/* In any part of the path. */
	CHECK_EQ(match("/?/core.1", 100, &n), 0);
	CHECK_EQ(n, 2);
	CHECK_CONTAINS(found, "/a/core.1 ");
	CHECK_CONTAINS(found, "/b/core.1 ");
	CHECK_EQ(match("/b//core\\[[1]\\]", 100, &n), 0);
	CHECK_STR(found, "/b//core[1] ");
	CHECK_EQ(match("/a/*core.1", 100, &n), 0);
	CHECK_EQ(n, 2); /* and not the one that begins with a period */
	CHECK_EQ(match("/a/.*.1", 100, &n), 0);
	CHECK_STR(found, "/a/.core.1 ");
	CHECK_EQ(match("/none/*", 100, &n), 0);
	CHECK_EQ(match("/a/core.1/*", 100, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(chdir(base), 0);
	CHECK_EQ(match("b/*.1", 100, &n), 0);
	CHECK_STR(found, "b/core.1 ");
	CHECK_EQ(match("*", 100, &n), 0);
	CHECK_EQ(n, 2);
	fell();
}

TEST(without_a_pattern_nothing_is_read)
{
	unsigned n;

	CHECK_EQ(match("/a\\*b/\\\\c", 0, &n), 0);
	CHECK_STR(found, "/a*b/\\c ");
}

TEST(it_gives_up_after_so_many_entries_of_all_directories)
{
	/* a and b, . and .. of each of the three directories, and the six files. */
	const unsigned all = 2 + 3 * 2 + 6;
	unsigned n;

	grow();
	CHECK_EQ(match("/*/*", all, &n), 0);
	CHECK_EQ(n, 5);
	for (unsigned max = 0; max < all; max++)
		CHECK_EQ(match("/*/*", max, &n), -E2BIG);
	fell();
}

TEST(a_path_that_is_too_long_is_none)
{
	static char pattern[PATH_MAX + 3];
	unsigned n = 0;

	memset(pattern, 'x', sizeof(pattern) - 1);
	CHECK_EQ(path_match(pattern, 100, note, &n), 0);
	pattern[sizeof(pattern) - 2] = '*';
	CHECK_EQ(path_match(pattern, 100, note, &n), 0);
	CHECK_EQ(n, 0);
}

TAP_MAIN()
