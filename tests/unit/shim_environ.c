/* links: worker-shim/preload/environ */
#include "handoff_wire.h"
#include "preload/environ.h"
#include "tap.h"

#include <stdint.h>
#include <stdlib.h>

#define LIBRARY "/usr/lib/broker/libworker-shim.so"
#define TOKEN	"BROKER_TOKEN=00112233445566778899aabbccddeeff"

static const struct environ_kept kept = {
	.variables = { TOKEN, "BROKER_RENDEZVOUS=/run/r", "BROKER_SLOT=0",
		       "LD_PRELOAD=a.so:" LIBRARY },
	.library = LIBRARY,
};

/* What becomes of @envp, as one text with a blank after each; "same" if nothing is done. */
static const char *restored(const char *const given[])
{
	char *const *envp = (char *const *)(uintptr_t)given;
	static char text[4096];
	size_t room = environ_room(&kept, envp);
	char **out = room ? malloc(room) : NULL, *end = text;

	if (!out)
		return "same";
	environ_restore(&kept, envp, out);
	for (size_t i = 0; out[i]; i++)
		end = stpcpy(stpcpy(end, out[i]), " ");
	free(out);
	return text;
}

#define RESTORED(...) restored((const char *[]){ __VA_ARGS__, NULL })

TEST(what_is_missing_is_added)
{
	CHECK_STR(RESTORED("A=1"),
		  "A=1 " TOKEN " BROKER_RENDEZVOUS=/run/r BROKER_SLOT=0 LD_PRELOAD=a.so:" LIBRARY
		  " ");
	CHECK_STR(restored(NULL),
		  TOKEN " BROKER_RENDEZVOUS=/run/r BROKER_SLOT=0 LD_PRELOAD=a.so:" LIBRARY " ");
	CHECK_STR(RESTORED(TOKEN, "BROKER_RENDEZVOUS=/x", "LD_PRELOAD=" LIBRARY),
		  TOKEN " BROKER_RENDEZVOUS=/x LD_PRELOAD=" LIBRARY " BROKER_SLOT=0 ");
}

TEST(a_whole_environment_is_left_alone)
{
	CHECK_STR(RESTORED(TOKEN, "BROKER_RENDEZVOUS=/x", "BROKER_SLOT=1", "LD_PRELOAD=" LIBRARY),
		  "same");
}

TEST(a_preload_of_the_apps_own_gets_the_library_in_front)
{
	static const char *const own[] = { "b.so", "b.so:c.so", "/other/libworker-shim.so" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		char variable[256], expected[512];

		snprintf(variable, sizeof(variable), "LD_PRELOAD=%s", own[i]);
		snprintf(expected, sizeof(expected),
			 "LD_PRELOAD=" LIBRARY ":%s " TOKEN " BROKER_RENDEZVOUS=/x BROKER_SLOT=1 ",
			 own[i]);
		CHECK_STR(RESTORED(variable, TOKEN, "BROKER_RENDEZVOUS=/x", "BROKER_SLOT=1"),
			  expected);
	}
	CHECK_STR(RESTORED(TOKEN, "BROKER_RENDEZVOUS=/x", "BROKER_SLOT=1", "LD_PRELOAD="),
		  TOKEN " BROKER_RENDEZVOUS=/x BROKER_SLOT=1 LD_PRELOAD=" LIBRARY " ");
	CHECK_STR(RESTORED(TOKEN, "BROKER_RENDEZVOUS=/x", "BROKER_SLOT=1",
			   "LD_PRELOAD=b.so " LIBRARY " c.so"),
		  "same");
}

TEST(another_token_is_not_ours_to_complete)
{
	CHECK_STR(RESTORED("BROKER_TOKEN=", "A=1"), "same");
	CHECK_STR(RESTORED("BROKER_TOKEN=ffeeddccbbaa99887766554433221100"), "same");
}

TEST(an_environment_beyond_reason_is_left_alone)
{
	static const char *many[20000];

	for (size_t i = 0; i + 1 < sizeof(many) / sizeof(many[0]); i++)
		many[i] = "A=1";
	CHECK_STR(restored(many), "same");
}

TEST(nothing_is_put_back_where_nothing_was_kept)
{
	static const struct environ_kept none;
	char *empty[] = { NULL };

	CHECK_EQ(environ_room(&none, empty), 0);
}

TEST(what_is_kept_is_what_there_was)
{
	static struct environ_kept now;

	setenv("BROKER_TOKEN", "x", 1);
	setenv("LD_PRELOAD", "y", 1);
	unsetenv("BROKER_SLOT");
	environ_keep(&now);
	CHECK_STR(now.variables[0], "BROKER_TOKEN=x");
	CHECK(now.library && *now.library);
	setenv("BROKER_TOKEN", "z", 1);
	CHECK_STR(now.variables[0], "BROKER_TOKEN=x");
	for (size_t i = 0; now.variables[i]; i++)
		CHECK(strncmp(now.variables[i], "BROKER_SLOT", 11) != 0);
}

TEST(what_makes_a_worker_of_a_program_is_kept)
{
	static const char *const names[] = { HANDOFF_ENV_RENDEZVOUS, HANDOFF_ENV_SERVICE,
					     HANDOFF_ENV_SLOT,	     HANDOFF_ENV_WORKER,
					     HANDOFF_ENV_GENERATION, HANDOFF_ENV_PRIVATE,
					     HANDOFF_ENV_WRAPPER,    HANDOFF_ENV_STDERR,
					     HANDOFF_ENV_SOCKETS,    HANDOFF_ENV_UDP };
	static struct environ_kept all;
	size_t n = 0;

	setenv(HANDOFF_ENV_TOKEN, "x", 1);
	setenv("LD_PRELOAD", "y", 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], "x", 1);
	environ_keep(&all);
	while (all.variables[n])
		n++;
	CHECK_EQ(n, 2 + sizeof(names) / sizeof(names[0]));
}

TAP_MAIN()
