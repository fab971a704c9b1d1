/* links: broker/base/paths broker/base/strbuf */
#include "base/paths.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint16_t number(const char *name)
{
	STRBUF(error, 256);
	uint16_t n = 0;

	CHECK_EQ(paths_number(name, &n, &error), 0);
	CHECK_STR(error.text, "");
	return n;
}

static void check_refused(const char *name, const char *why)
{
	STRBUF(error, 512);
	uint16_t n = 0;

	CHECK_EQ(paths_number(name, &n, &error), -EINVAL);
	CHECK(strstr(error.text, why));
	CHECK_EQ(n, 0);
}

TEST(a_name_keeps_its_number)
{
	uint16_t a, b;

	CHECK(!paths_count());
	a = number("/run/a.sock");
	b = number("@a");
	CHECK(paths_count() && a && b && a != b);
	CHECK_EQ(number("/run/a.sock"), a);
	CHECK_EQ(number("@a"), b);
	CHECK_STR(paths_name(a), "/run/a.sock");
	CHECK_STR(paths_name(b), "@a");
	CHECK_STR(paths_name(0), "unix");
}

TEST(a_name_that_would_need_escapes_or_is_too_long_is_refused)
{
	static const char *const bad[] = { "",	    "/",     "@",     "/a b",
					   "/a\"b", "/a\\b", "/a\nb", "/\xc3\xa4" };
	char longest[PATHS_LEN + 2] = "/";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_refused(bad[i], "is no name of a Unix socket");
	memset(longest + 1, 'x', sizeof(longest) - 2);
	check_refused(longest, "at most 107");
	longest[PATHS_LEN] = '\0';
	CHECK_STR(paths_name(number(longest)), longest);
	CHECK(paths_find(longest, PATHS_LEN) && paths_find(longest, PATHS_LEN + 1));
	CHECK(!paths_find(longest, PATHS_LEN - 1));
}

/* With and without a zero behind it, as programs bind. */
TEST(a_socket_of_ours_is_known_by_the_name_that_the_kernel_says)
{
	(void)number("/run/known");
	(void)number("@known");
	CHECK(paths_find("/run/known", 10) && paths_find("/run/known", 11));
	CHECK(paths_find("\0known", 6));
	CHECK(!paths_find("/run/know", 9) && !paths_find("\0known", 7));
	CHECK(!paths_find("\0known2", 7) && !paths_find("", 0));
}

TEST(the_table_has_a_limit)
{
	char name[32];

	(void)number("/run/a.sock");
	for (unsigned i = 1; i < PATHS_MAX; i++) {
		snprintf(name, sizeof(name), "@%u", i);
		(void)number(name);
	}
	check_refused("@one-more", "is one Unix socket too many: 4096 are known");
	(void)number("/run/a.sock");
}

TAP_MAIN()
