#include "shim.h"

#include <sys/stat.h>
#include "adopt.h"
#include "environ.h"

struct shim shim;

static struct {
	uint64_t dev, ino; /* 0: there is none */
} standard_error;

/* Learns what descriptor 2 is, from BROKER_STDERR or, without it, by looking now. */
static void find_standard_error(void)
{
	const char *text = getenv(HANDOFF_ENV_STDERR);
	struct stat st = { .st_dev = 0 };

	if (text && handoff_read_digits(&text, 16, UINT64_MAX, &standard_error.dev) &&
	    *text++ == ':' && handoff_read_digits(&text, 16, UINT64_MAX, &standard_error.ino) &&
	    !*text)
		return;
	(void)fstat(STDERR_FILENO, &st);
	standard_error.dev = st.st_dev;
	standard_error.ino = st.st_ino;
}

void say(const struct handoff_place *app, const char *text, const char *more)
{
	char line[HANDOFF_PATH_SIZE + HANDOFF_REASON_SIZE + 320], *out;
	_keep_errno_ int saved = errno;
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || st.st_dev != standard_error.dev ||
	    st.st_ino != standard_error.ino)
		return;
	out = stpcpy(line, "worker-shim: listen on ");
	out = *app->path ? stpcpy(out, app->path) : addr_format(&app->addr, out);
	out = stpcpy(out, ": ");
	out = stpcpy(out, text);
	out = stpcpy(out, more ? more : "");
	*out++ = '\n';
	if (real.write(STDERR_FILENO, line, (size_t)(out - line)) < 0)
		return; /* nowhere to say it */
}

bool rendezvous_is_peer(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	const char *path = shim.home.rendezvous.sun_path;
	socklen_t len = sizeof(name);

	return real.getpeername(fd, (struct sockaddr *)&name, &len) == 0 &&
	       name.sun_family == AF_UNIX && !strncmp(name.sun_path, path, sizeof(name.sun_path));
}

int rendezvous_meet(const struct slot *slot, bool adopt, int own, struct handoff_meeting *ret)
{
	struct handoff_wish wish = {
		.at = slot->app,
		.backlog = slot->backlog,
		.flags = adopt ? HANDOFF_HELLO_ADOPT : 0,
		.channel = adopt ? slot->channel : 0,
		.own = own,
	};
	char reason[HANDOFF_REASON_SIZE];
	int r;

	r = handoff_meet(&shim.home, &wish, ret, reason);
	if (r < 0 && own >= 0)
		say(&slot->app, reason, NULL);
	/* What an app may expect of listen(2). */
	return r < 0 && r != -EMFILE && r != -ENFILE && !ret->refused ? -EADDRNOTAVAIL : r;
}

/* --- at the start --------------------------------------------------------------------------- */

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

	if (handoff_find_home(real_backend, &shim.home) < 0 ||
	    (wrapper && *wrapper && is_wrapper("/proc/self/exe", wrapper)))
		return;
	(void)handoff_copy_env(HANDOFF_ENV_PRIVATE, shim.private_ports, sizeof(shim.private_ports));
	(void)handoff_copy_env(HANDOFF_ENV_SOCKETS, shim.sockets, sizeof(shim.sockets));
	shim.udp = handoff_env_number(HANDOFF_ENV_UDP) == 1;
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

	if (!wrapper || !*wrapper || handoff_env_number("LISTEN_PID") != (uint32_t)getppid())
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
		find_standard_error();
		adopt_inherited();
		claim_listeners();
	}
}
