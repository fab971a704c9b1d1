/* links: broker/policy/escape */
#include "policy/escape.h"
#include "tap.h"

enum escape {
	ESCAPE_UNREADABLE,
	ESCAPE_PRIVATE,
	ESCAPE_NATIVE,
	ESCAPE_STATIC,
	ESCAPE_PRIVILEGED,
	ESCAPE_ROOT,
	ESCAPE_DECLINED,
	ESCAPE_USER,
	ESCAPE_CLEANED,
	ESCAPE_IGNORED,
	ESCAPE_UNLISTED,
	ESCAPE_PORT_0,
	ESCAPE_RAW,
	ESCAPE_N
};

/* What only its own text has. */
static const char *const words[ESCAPE_N] = {
	[ESCAPE_UNREADABLE] = "/proc does not show",
	[ESCAPE_PRIVATE] = "private_ports",
	[ESCAPE_NATIVE] = "mode = native",
	[ESCAPE_STATIC] = "it is static",
	[ESCAPE_PRIVILEGED] = "gained privileges",
	[ESCAPE_ROOT] = "chroot",
	[ESCAPE_DECLINED] = "empty BROKER_TOKEN",
	[ESCAPE_USER] = "its user was changed",
	[ESCAPE_CLEANED] = "its environment was cleaned",
	[ESCAPE_IGNORED] = "LD_PRELOAD names the library",
	[ESCAPE_UNLISTED] = "no listen line names it",
	[ESCAPE_PORT_0] = "port 0",
	[ESCAPE_RAW] = "system calls of its own",
};

/* A process as the broker starts it, that listens as if there was no library. */
#define LOADED .readable = true, .library = true, .dynamic = true, .preload = true, .token = true
/* The same without the library in it. */
#define LOST .readable = true, .dynamic = true

static const struct {
	struct escape_facts facts;
	enum escape cause;
} cases[] = {
	{ { LOADED }, ESCAPE_RAW },
	{ { LOADED, .any_port = true }, ESCAPE_PORT_0 },
	{ { LOADED, .private_port = true, .any_port = true }, ESCAPE_PRIVATE },
	{ { LOADED, .unlisted = true }, ESCAPE_UNLISTED },
	{ { .private_port = true }, ESCAPE_PRIVATE },
	{ { .readable = false }, ESCAPE_UNREADABLE },
	{ { .readable = true, .native = true }, ESCAPE_NATIVE },
	{ { .native = true }, ESCAPE_NATIVE },
	{ { .native = true, .private_port = true }, ESCAPE_PRIVATE },
	/* The variables may well have been there. */
	{ { .readable = true, .preload = true, .token = true }, ESCAPE_STATIC },
	{ { .readable = true, .other_user = true }, ESCAPE_STATIC },
	{ { LOST, .preload = true, .privileged = true, .token = true }, ESCAPE_PRIVILEGED },
	{ { LOST }, ESCAPE_CLEANED },
	{ { LOST, .token = true }, ESCAPE_CLEANED },
	{ { LOST, .no_token = true }, ESCAPE_DECLINED },
	{ { LOST, .other_user = true }, ESCAPE_USER },
	{ { LOST, .preload = true, .token = true }, ESCAPE_IGNORED },
	{ { LOST, .preload = true, .token = true, .other_root = true }, ESCAPE_ROOT },
	/* The library is there, but does not know of a broker. */
	{ { .readable = true, .library = true, .dynamic = true, .preload = true }, ESCAPE_CLEANED },
	{ { .readable = true, .library = true, .dynamic = true, .no_token = true },
	  ESCAPE_DECLINED },
	/* A port that the kernel could have chosen says nothing of a process without the library.
	 */
	{ { LOST, .any_port = true }, ESCAPE_CLEANED },
};

TEST(the_cause_is_what_the_kernel_shows)
{
	bool seen[ESCAPE_N] = { false };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = escape_text(&cases[i].facts);

		for (size_t j = 0; j < ESCAPE_N; j++)
			CHECK_EQ(strstr(text, words[j]) != NULL, j == cases[i].cause);
		seen[cases[i].cause] = true;
	}
	for (size_t i = 0; i < ESCAPE_N; i++)
		CHECK(seen[i]);
}

TAP_MAIN()
