#include "shim.h"

#include "adopt.h"
#include "environ.h"
#include "handoff_name.h"
#include "number.h"
#include "owner.h"
#include "real.h"
#include "say.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct shim shim;

static uint32_t number_from(const char *name)
{
	const char *text = getenv(name);
	uint64_t number;

	return text && number_read(&text, 10, UINT32_MAX, &number) ? (uint32_t)number : 0;
}

/* False, with @ret as it is, if the variable is not set, or too long to be the broker's. */
static bool copy_from(const char *name, char *ret, size_t size)
{
	const char *text = getenv(name);

	if (!text || strlen(text) >= size)
		return false;
	strcpy(ret, text);
	return true;
}

/*
 * The app's wrapper (a debugger's server, a tracer) listens for itself. Under a tool that runs the
 * app in its own process, as valgrind does, readlink(2) names the app, and that is served.
 */
static bool is_wrapper(const char *process, const char *wrapper)
{
	char exe[PATH_MAX];
	ssize_t n = readlink(process, exe, sizeof(exe) - 1);
	struct stat one, other;

	if (n <= 0)
		return false;
	exe[n] = '\0';
	if (!strcmp(exe, wrapper))
		return true;
	return stat(exe, &one) == 0 && stat(wrapper, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

static void read_environment(void)
{
	const char *wrapper = getenv(HANDOFF_ENV_WRAPPER);
	char token[2 * HANDOFF_TOKEN_SIZE + 1], *path = shim.rendezvous.sun_path;

	if (!copy_from(HANDOFF_ENV_RENDEZVOUS, path, sizeof(shim.rendezvous.sun_path)) || !*path)
		return;
	if (!copy_from(HANDOFF_ENV_TOKEN, token, sizeof(token)) ||
	    !handoff_hex_get(token, shim.token, sizeof(shim.token)))
		return;
	if (wrapper && *wrapper && is_wrapper("/proc/self/exe", wrapper))
		return;
	shim.rendezvous.sun_family = AF_UNIX;
	(void)copy_from(HANDOFF_ENV_SERVICE, shim.service, sizeof(shim.service));
	(void)copy_from(HANDOFF_ENV_PRIVATE, shim.private_ports, sizeof(shim.private_ports));
	(void)copy_from(HANDOFF_ENV_PRIVATE_SOCKETS, shim.private_sockets,
			sizeof(shim.private_sockets));
	(void)copy_from(HANDOFF_ENV_SOCKETS, shim.sockets, sizeof(shim.sockets));
	shim.slot = number_from(HANDOFF_ENV_SLOT);
	shim.generation = number_from(HANDOFF_ENV_GENERATION);
	shim.active = true;
}

/*
 * The listeners that the wrapper was started with are for the program that it runs, which would not
 * take them for its own: sd_listen_fds(3) compares the process.
 */
static void claim_listeners(void)
{
	const char *wrapper = getenv(HANDOFF_ENV_WRAPPER);
	char text[32];

	if (!wrapper || !*wrapper || number_from("LISTEN_PID") != (uint32_t)getppid())
		return;
	strcpy(number_write(stpcpy(text, "/proc/"), (unsigned)getppid(), 10), "/exe");
	if (!is_wrapper(text, wrapper))
		return;
	number_write(text, (unsigned)getpid(), 10);
	(void)setenv("LISTEN_PID", text, 1);
}

__attribute__((constructor)) static void start(void)
{
	_keep_errno_ int saved = errno;

	real_init();
	read_environment();
	if (shim.active) {
		owner_init();
		environ_keep(&environ_kept);
		say_init();
		adopt_inherited();
		claim_listeners();
	}
}
