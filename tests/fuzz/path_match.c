/* links: broker/sys/path_match broker/sys/dir broker/policy/core_pattern broker/base/strbuf */
/*
 * Path patterns: what kernel.core_pattern makes of a process, and the files that fit. They are
 * looked for in a small tree of our own.
 */
#include "policy/core_pattern.h"
#include "sys/path_match.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES_MAX 256

/* Directories end in a slash, and come before what is in them. */
static const char *const tree[] = { "a/",      "b/",	      "a/b/",	    "a/core.1",
				    "a/.core", "a/b/core[1]", "b/core.1.x", "b/*?" };

static void grow(void)
{
	static char base[] = "/tmp/broker-fuzz-XXXXXX";
	static bool done;

	if (done)
		return;
	done = true;
	MUST(mkdtemp(base) && chdir(base) == 0);
	for (size_t i = 0; i < sizeof(tree) / sizeof(tree[0]); i++) {
		int fd;

		if (tree[i][strlen(tree[i]) - 1] == '/') {
			MUST(mkdir(tree[i], 0700) == 0);
			continue;
		}
		fd = open(tree[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		MUST(fd >= 0 && close(fd) == 0);
	}
}

/* The tree is our working directory. */
__attribute__((destructor)) static void fell(void)
{
	char base[PATH_MAX];

	if (!getcwd(base, sizeof(base)) || !strstr(base, "/broker-fuzz-"))
		return;
	for (size_t i = sizeof(tree) / sizeof(tree[0]); i--;)
		(void)remove(tree[i]);
	(void)rmdir(base);
}

static void found(const char *path, void *arg)
{
	unsigned *n = arg;

	MUST(strlen(path) <= PATH_MAX);
	(*n)++;
}

static void match(const char *pattern)
{
	unsigned n = 0;
	int r;

	while (*pattern == '/')
		pattern++;
	if (strstr(pattern, "..")) /* out of the tree */
		return;
	r = path_match(pattern, ENTRIES_MAX, found, &n);
	MUST((r == 0 || r == -E2BIG) && n <= ENTRIES_MAX + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size < PATH_MAX ? size : PATH_MAX);
	const struct core_facts facts = { .directory = "/a",
					  .host = "ho*st",
					  .pid = 77,
					  .global_pid = size % 2 ? 1077 : 0,
					  .signal = 11,
					  .uses_pid = size % 3 == 0 };
	STRBUF(out, PATH_MAX);

	grow();
	core_pattern_expand(text, &facts, &out);
	if (out.text[0] == '/')
		match(out.text);
	match(text);
	free(text);
	return 0;
}
