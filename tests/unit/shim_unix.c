/* links: worker-shim/preload/unix_path */
#include "preload/unix_path.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/un.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)

static struct unix_place place = {
	.directory = "/srv/app",
	.sockets = "/run/web.sock @web /srv/app/4711.sock",
	.patterns = " /tmp/*.sock  @mine-* /run/web.sock",
	.pid = 4711,
};

/* What the broker is to listen on when @name, of @size bytes, is bound; "app": the app does. */
static const char *bound(const char *name, size_t size)
{
	/* Not one byte more than the app gives: sanitizers see what is read. */
	struct sockaddr *addr = calloc(1, HEAD + size);
	static char path[HANDOFF_PATH_SIZE];
	bool ours;

	addr->sa_family = AF_UNIX;
	memcpy((char *)addr + HEAD, name, size);
	ours = unix_path_is_ours(addr, (socklen_t)(HEAD + size), &place, path);
	free(addr);
	return ours ? path : "app";
}

/* As most programs do: the zero byte is counted or not, or the whole structure is given. */
#define CHECK_BOUND(name, as)                                                                      \
	do {                                                                                       \
		char whole[sizeof(((struct sockaddr_un *)0)->sun_path)] = name;                    \
		CHECK_STR(bound(name, strlen(name)), as);                                          \
		CHECK_STR(bound(name, strlen(name) + 1), as);                                      \
		CHECK_STR(bound(whole, sizeof(whole)), as);                                        \
	} while (0)

TEST(a_path_becomes_absolute)
{
	CHECK_BOUND("/var/run/x.sock", "/var/run/x.sock");
	CHECK_BOUND("x.sock", "/srv/app/x.sock");
	CHECK_BOUND("./tmp//x.sock", "/srv/app/tmp//x.sock");
	CHECK_BOUND(".//.//x", "/srv/app/x");
	CHECK_BOUND("../x", "/srv/x");
	CHECK_BOUND("./../../x", "/x");
	CHECK_BOUND("../../../x", "/x");
	CHECK_BOUND("..x", "/srv/app/..x");
	CHECK_BOUND("@x", "/srv/app/@x");
	place.directory = "/";
	CHECK_BOUND("x", "/x");
	place.directory = "/srv/app";
}

TEST(an_abstract_name_has_its_length)
{
	CHECK_STR(bound("\0web.1", 6), "@web.1");
	CHECK_STR(bound("\0web\0", 5), "app");
	CHECK_STR(bound("\0web\0x", 6), "app");
	CHECK_STR(bound("\0", 1), "app");
	CHECK_STR(bound("", 0), "app"); /* the kernel chooses */
}

TEST(a_name_that_is_too_long_is_the_apps)
{
	char name[HANDOFF_PATH_SIZE + 1];

	memset(name, 'x', sizeof(name));
	name[0] = '/';
	CHECK_EQ(strlen(bound(name, 107)), 107);
	CHECK_STR(bound(name, 108), "app");
	CHECK_STR(bound(name, 109), "app");
	name[0] = '\0';
	CHECK_EQ(strlen(bound(name, 107)), 107);
	CHECK_STR(bound(name, 108), "app");
	name[0] = 'x'; /* with "/srv/app/" before it */
	CHECK_EQ(strlen(bound(name, 98)), 107);
	CHECK_STR(bound(name, 99), "app");
}

TEST(what_is_private_is_the_apps_unless_the_service_has_it)
{
	CHECK_BOUND("/tmp/deep/x.sock", "app");
	CHECK_BOUND("/tmp/x.sock2", "/tmp/x.sock2");
	CHECK_STR(bound("\0mine-1", 7), "app");
	CHECK_STR(bound("\0mine", 5), "@mine");
	CHECK_BOUND("/run/web.sock", "/run/web.sock");
	CHECK_BOUND("/run/4711/x", "app");
	CHECK_BOUND("/run/x.4711", "app");
	CHECK_BOUND("/run/x4711y", "app");
	CHECK_BOUND("/run/14711.47110.471", "/run/14711.47110.471");
	CHECK_BOUND("/run/99999999999999999999999.4711", "app");
	CHECK_BOUND("4711.sock", "/srv/app/4711.sock");
	CHECK_BOUND("/var/tmp/pymp-ab_c/listener-x1", "app");
	CHECK_BOUND("/var/tmp/pymp-ab_c/x", "/var/tmp/pymp-ab_c/x");
}

TEST(words_are_what_blanks_part)
{
	char text[400], word[HANDOFF_PATH_SIZE];
	const char *list = text;

	memset(text, 'x', sizeof(text));
	strcpy(text, "  a b");
	text[5] = ' ';
	strcpy(text + 300, "  c "); /* the one before it is too long */
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
