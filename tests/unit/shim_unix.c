/* links: worker-shim/preload/addr */
#include "preload/addr.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/un.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)

/* The text of @name, of @size bytes; "app": it has none, and is left to the app. */
static const char *text(const char *name, size_t size)
{
	/* Not one byte more than the app gives: sanitizers see what is read. */
	struct sockaddr *addr = calloc(1, HEAD + size);
	static char path[HANDOFF_PATH_SIZE];
	bool has;

	addr->sa_family = AF_UNIX;
	memcpy((char *)addr + HEAD, name, size);
	has = unix_path_from_sockaddr(addr, (socklen_t)(HEAD + size), path);
	free(addr);
	return has ? path : "app";
}

/* As most programs do: the zero byte is counted or not, or the whole structure is given. */
#define CHECK_TEXT(name, as)                                                                       \
	do {                                                                                       \
		char whole[sizeof(((struct sockaddr_un *)0)->sun_path)] = name;                    \
		CHECK_STR(text(name, strlen(name)), as);                                           \
		CHECK_STR(text(name, strlen(name) + 1), as);                                       \
		CHECK_STR(text(whole, sizeof(whole)), as);                                         \
	} while (0)

TEST(a_path_is_its_own_text)
{
	CHECK_TEXT("/var/run/x.sock", "/var/run/x.sock");
	CHECK_TEXT("../x", "../x");
	CHECK_TEXT("@x", "app"); /* a file, which looks like an abstract name */
}

TEST(an_abstract_name_has_its_length)
{
	CHECK_STR(text("\0web.1", 6), "@web.1");
	CHECK_STR(text("\0web\0", 5), "app");
	CHECK_STR(text("\0web\0x", 6), "app");
	CHECK_STR(text("\0", 1), "app");
	CHECK_STR(text("", 0), "app"); /* the kernel chooses */
}

TEST(a_name_that_is_too_long_is_the_apps)
{
	char name[HANDOFF_PATH_SIZE + 1];

	memset(name, 'x', sizeof(name));
	CHECK_EQ(strlen(text(name, 107)), 107);
	CHECK_STR(text(name, 108), "app");
	CHECK_STR(text(name, 109), "app");
	name[0] = '\0';
	CHECK_EQ(strlen(text(name, 107)), 107);
	CHECK_STR(text(name, 108), "app");
}

TEST(words_are_what_blanks_part)
{
	char long_text[400], word[HANDOFF_PATH_SIZE];
	const char *list = long_text;

	memset(long_text, 'x', sizeof(long_text));
	strcpy(long_text, "  a b");
	long_text[5] = ' ';
	strcpy(long_text + 300, "  c "); /* the one before it is too long */
	CHECK(unix_path_next(&list, word));
	CHECK_STR(word, "a");
	CHECK(unix_path_next(&list, word));
	CHECK_STR(word, "b");
	CHECK(unix_path_next(&list, word));
	CHECK_STR(word, "c");
	CHECK(!unix_path_next(&list, word));
	CHECK(!unix_path_next(&list, word));
}

TEST(a_name_is_given_as_the_kernel_does)
{
	struct sockaddr_storage ss;
	const struct sockaddr_un *sun = (const struct sockaddr_un *)&ss;

	CHECK_EQ(unix_path_to_sockaddr("", &ss), HEAD);
	CHECK_EQ(sun->sun_family, AF_UNIX);
	CHECK_EQ(unix_path_to_sockaddr("/x.sock", &ss), HEAD + 8);
	CHECK_STR(sun->sun_path, "/x.sock");
	CHECK_EQ(unix_path_to_sockaddr("@web", &ss), HEAD + 4);
	CHECK(!memcmp(sun->sun_path, "\0web", 5));
}

TAP_MAIN()
