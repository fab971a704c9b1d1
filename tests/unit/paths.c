/* links: broker/base/paths */
#include "base/paths.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint16_t number(const char *name)
{
	uint16_t n = 0;

	CHECK_EQ(paths_number(name, &n), 0);
	return n;
}

static int refused(const char *name)
{
	uint16_t n = 0;
	int r = paths_number(name, &n);

	CHECK_EQ(n, 0);
	return r;
}

TEST(a_name_keeps_its_number)
{
	uint16_t a, b;

	CHECK(!paths_any());
	a = number("/run/a.sock");
	b = number("@a");
	CHECK(paths_any() && a && b && a != b);
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
		CHECK_EQ(refused(bad[i]), -EINVAL);
	memset(longest + 1, 'x', sizeof(longest) - 2);
	CHECK_EQ(refused(longest), -ENAMETOOLONG);
	CHECK(strstr(paths_why(-ENAMETOOLONG), "at most 107"));
	longest[PATHS_LEN] = '\0';
	CHECK_STR(paths_name(number(longest)), longest);
	CHECK(paths_has(longest, PATHS_LEN) && paths_has(longest, PATHS_LEN + 1));
	CHECK(!paths_has(longest, PATHS_LEN - 1));
}

/* With and without a zero behind it, as programs bind. */
TEST(a_socket_of_ours_is_known_by_the_name_that_the_kernel_says)
{
	(void)number("/run/known");
	(void)number("@known");
	CHECK(paths_has("/run/known", 10) && paths_has("/run/known", 11));
	CHECK(paths_has("\0known", 6));
	CHECK(!paths_has("/run/know", 9) && !paths_has("\0known", 7));
	CHECK(!paths_has("\0known2", 7) && !paths_has("", 0));
}

TEST(the_table_has_a_limit)
{
	char name[32];
	unsigned i = 0;
	uint16_t n;
	int r;

	(void)number("/run/a.sock");
	do {
		snprintf(name, sizeof(name), "@%u", ++i);
		r = paths_number(name, &n);
	} while (r == 0 && i <= PATHS_MAX);
	CHECK_EQ(r, -ENOSPC);
	CHECK(strstr(paths_why(r), "4096"));
	CHECK_EQ(paths_number("/run/a.sock", &n), 0);
}

TAP_MAIN()
