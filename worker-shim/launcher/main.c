/*
 * worker-shim - checks that a program can be a worker, prepares it, and becomes it.
 *
 * The process stays the same: what the broker started is what it watches. So there
 * is nothing to clean up here, and no child.
 */
#include "handoff_wire.h"
#include "join.h"
#include "program.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY_NAME "libworker-shim.so"

struct options {
	char library[PATH_MAX];
	int status_fd; /* -1: standard error */
	bool check, report;
	struct join join;
	char **command;
};

static const char usage[] =
	"usage: worker-shim [--library PATH] [--status-fd N] [--backend auto|preload]\n"
	"                   -- command [argument ...]\n"
	"       worker-shim --join CONTROL --service NAME [--pinned-only] [--library PATH]\n"
	"                   -- command [argument ...]\n"
	"       worker-shim --check [--report] -- command [argument ...]\n"
	"       worker-shim -V | -h\n";

/* Beside this program, as in a build tree and in LIBEXECDIR; else where `make install` puts it. */
static void default_library(char ret[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - sizeof("/" LIBRARY_NAME));
	char *slash = n > 0 ? memrchr(ret, '/', (size_t)n) : NULL;

	if (slash) {
		strcpy(slash + 1, LIBRARY_NAME);
		if (access(ret, F_OK) == 0)
			return;
	}
	strcpy(ret, BROKER_LIBEXECDIR "/" LIBRARY_NAME);
}

static bool parse_fd(const char *text, int *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 0 || value > INT_MAX ||
	    fcntl((int)value, F_GETFD) < 0)
		return false;
	*ret = (int)value;
	return true;
}

/* Only V and h are also options of one letter. */
static const struct option longs[] = {
	{ "library", required_argument, NULL, 'l' },
	{ "status-fd", required_argument, NULL, 's' },
	{ "backend", required_argument, NULL, 'b' },
	{ "check", no_argument, NULL, 'c' },
	{ "report", no_argument, NULL, 'r' },
	{ "join", required_argument, NULL, 'j' },
	{ "service", required_argument, NULL, 'n' },
	{ "pinned-only", no_argument, NULL, 'p' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static enum launch_exit take_option(int c, struct options *options)
{
	switch (c) {
	case 'l':
		if (strlen(optarg) >= PATH_MAX)
			return reason_set(LAUNCH_USAGE, "--library: too long");
		strcpy(options->library, optarg);
		break;
	case 's':
		if (!parse_fd(optarg, &options->status_fd))
			return reason_set(LAUNCH_USAGE, "--status-fd %s: not an open descriptor",
					  optarg);
		break;
	case 'b':
		if (strcmp(optarg, "auto") != 0 && strcmp(optarg, "preload") != 0)
			return reason_set(LAUNCH_USAGE, "--backend %s: must be auto or preload",
					  optarg);
		break;
	case 'c':
		options->check = true;
		break;
	case 'r':
		options->report = true;
		break;
	case 'j':
		options->join.control = optarg;
		break;
	case 'n':
		options->join.service = optarg;
		break;
	case 'p':
		options->join.pinned_only = true;
		break;
	case 'V':
		(void)puts("worker-shim " BROKER_VERSION);
		exit(LAUNCH_GOOD);
	case 'h':
		(void)fputs(usage, stdout);
		exit(LAUNCH_GOOD);
	default:
		return reason_set(LAUNCH_USAGE, "see worker-shim -h");
	}
	return LAUNCH_GOOD;
}

static enum launch_exit parse(int argc, char **argv, struct options *options)
{
	const struct join *join = &options->join;
	enum launch_exit code;
	int c;

	/* '+': what follows the command is the command's. */
	while ((c = getopt_long(argc, argv, "+Vh", longs, NULL)) != -1) {
		code = take_option(c, options);
		if (code != LAUNCH_GOOD)
			return code;
	}
	if (optind >= argc)
		return reason_set(LAUNCH_USAGE, "no command is given; see worker-shim -h");
	options->command = argv + optind;
	if (options->report && !options->check)
		return reason_set(LAUNCH_USAGE, "--report needs --check");
	if (join->control && !join->service)
		return reason_set(LAUNCH_USAGE, "--join needs --service");
	if (!join->control && (join->service || join->pinned_only))
		return reason_set(LAUNCH_USAGE, "--service and --pinned-only need --join");
	return LAUNCH_GOOD;
}

/*
 * A library that is preloaded already stays, behind ours. A sanitizer's runtime goes first:
 * otherwise it ends the program.
 */
static bool set_preload(const struct program *program, const char *library)
{
	const char *set = getenv("LD_PRELOAD"), *before = set ? set : "";
	const char *first = program->elf.first;
	char *value;
	bool good;

	if (asprintf(&value, "%s%s%s%s%s", first, *first ? ":" : "", library, *before ? ":" : "",
		     before) < 0)
		return false;
	good = setenv("LD_PRELOAD", value, 1) == 0;
	free(value);
	return good;
}

/* The library writes nothing to descriptor 2 if the app has put something else there. */
static bool set_stderr(void)
{
	struct stat st;
	char value[40];

	if (fstat(STDERR_FILENO, &st) < 0)
		return true;
	(void)snprintf(value, sizeof(value), "%llx:%llx", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	return setenv(HANDOFF_ENV_STDERR, value, 1) == 0;
}

static enum launch_exit examine(const struct options *options, struct program *program)
{
	enum launch_exit code = program_find(options->command[0], program->path);

	if (code == LAUNCH_GOOD)
		code = program_read(program);
	if (code == LAUNCH_GOOD)
		code = program_check(program, options->library);
	return code;
}

/* Becomes the program, and returns only if that fails. */
static enum launch_exit launch(const struct options *options, const struct program *program)
{
	enum launch_exit code;

	if (options->join.control) {
		code = join_broker(&options->join);
		if (code != LAUNCH_GOOD)
			return code;
	}
	if (!set_preload(program, options->library) || !set_stderr())
		return reason_refuse("no memory for the environment");
	if (options->status_fd >= 0)
		(void)fcntl(options->status_fd, F_SETFD, FD_CLOEXEC);
	/*
	 * The broker made this process end with it. The app must not: it may have connections to
	 * finish. Only this process can undo that in time, since the setting belongs to the thread
	 * that executes the program. A guest may have it from whatever started it, and keeps it.
	 */
	if (!options->join.control)
		(void)prctl(PR_SET_PDEATHSIG, 0);
	(void)execv(program->path, options->command);
	return reason_set(errno == ENOENT ? LAUNCH_MISSING : LAUNCH_REFUSED,
			  "%s cannot be started: %s", program->path, strerror(errno));
}

int main(int argc, char **argv)
{
	static struct program program;
	static char text[REPORT_SIZE];
	struct options options = { .status_fd = -1 };
	enum launch_exit code;

	default_library(options.library);
	code = parse(argc, argv, &options);
	if (code == LAUNCH_GOOD)
		code = examine(&options, &program);
	if (options.report && code != LAUNCH_USAGE) {
		report_text(&program, code, text);
		(void)fputs(text, stdout); /* has the reason, too */
		return (int)code;
	}
	if (code == LAUNCH_GOOD && options.check) {
		(void)printf("%s: dynamic, interpreter %s: backend preload\n", program.binary,
			     program.elf.interp);
		return LAUNCH_GOOD;
	}
	if (code == LAUNCH_GOOD)
		code = launch(&options, &program);
	if (options.status_fd < 0)
		(void)fprintf(stderr, "worker-shim: %s\n", reason_text());
	else
		(void)dprintf(options.status_fd, "%s\n", reason_text());
	return (int)code;
}
