/*
 * worker-shim - checks that a program can be a worker, prepares it, and becomes it.
 *
 * The process stays the same: what the broker started is what it watches. So there
 * is nothing to clean up here, and no child.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "activate.h"
#include "handoff_addr.h"
#include "inetd.h"
#include "join.h"
#include "load.h"
#include "trap.h"
#include "trap/arch.h"

#define LIBRARY_NAME "libworker-shim.so"

static struct {
	const char *library;
	int status_fd;	   /* -1: standard error */
	int check, report; /* whether */
	enum backend backend;
	const char *control, *service; /* of --join; NULL: this is no guest */
	int pinned_only;	       /* whether */
	struct inetd inetd;
	int v6only; /* whether, with --listen */
	bool activate;
	const char *execute; /* for a worker's program; NULL: for nobody */
	int is_try;	     /* whether it is executed all the same if it cannot be trapped */
} options = { .status_fd = -1 };

static const char *pool = "0"; /* of inetd */

static struct program program;

static const char *forbidden; /* what forbids to trace it: it is loaded; NULL: it is executed */

static const char usage[] =
	"usage: worker-shim [--library PATH] [--status-fd N] [--backend auto|preload|trap|native]\n"
	"                   [--activation CONVENTIONS --listen [NAME=]ADDRESS ... [--v6only]]\n"
	"                   -- command [argument ...]\n"
	"       worker-shim --join CONTROL --service NAME [--pinned-only] [--library PATH]\n"
	"                   -- command [argument ...]\n"
	"       worker-shim --check [--report] -- command [argument ...]\n"
	"       worker-shim -V | -h\n";

/* Beside this program, as in a build tree and in LIBEXECDIR; else where `make install` puts it. */
static const char *default_library(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/" LIBRARY_NAME));
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;

	if (slash) {
		strcpy(slash + 1, LIBRARY_NAME);
		if (access(path, F_OK) == 0)
			return path;
	}
	return BROKER_LIBEXECDIR "/" LIBRARY_NAME;
}

/* Only V and h are also options of one letter. */
static const struct option longs[] = {
	{ "library", required_argument, NULL, 'l' },
	{ "status-fd", required_argument, NULL, 's' },
	{ "backend", required_argument, NULL, 'b' },
	{ "check", no_argument, &options.check, true },
	{ "report", no_argument, &options.report, true },
	{ "join", required_argument, NULL, 'j' },
	{ "service", required_argument, NULL, 'n' },
	{ "pinned-only", no_argument, &options.pinned_only, true },
	{ "inetd", required_argument, NULL, 'i' },
	{ "inetd-listen", required_argument, NULL, 'p' },
	{ "pool", required_argument, NULL, 'k' },
	{ "own-stderr", no_argument, &options.inetd.own_stderr, true },
	{ "activation", required_argument, NULL, 'a' },
	{ "listen", required_argument, NULL, 'L' },
	{ "v6only", no_argument, &options.v6only, true },
	{ "execute", required_argument, NULL, 'x' },
	{ "try-execute", required_argument, NULL, 't' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Those that are kept as they are given. */
static const char **const texts[] = {
	['i'] = &options.inetd.park, ['j'] = &options.control, ['k'] = &pool,
	['l'] = &options.library,    ['n'] = &options.service, ['p'] = &options.inetd.listen,
	['t'] = &options.execute,    ['x'] = &options.execute,
};

static const char *const backends[] = {
	[BACKEND_AUTO] = "auto",
	[BACKEND_PRELOAD] = "preload",
	[BACKEND_TRAP] = "trap",
	[BACKEND_NATIVE] = "native",
};

static bool set_backend(const char *word)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (!strcmp(word, backends[i])) {
			options.backend = (enum backend)i;
			return true;
		}
	return reason_set(LAUNCH_USAGE, "--backend %s: must be auto, preload, trap or native",
			  word);
}

static bool take_option(int c)
{
	const char *text = optarg;
	uint64_t fd;

	switch (c) {
	case 0: /* a flag in longs[] */
		break;
	case 's':
		if (!handoff_read_digits(&text, 10, INT_MAX, &fd) || *text ||
		    fcntl((int)fd, F_GETFD) < 0)
			return reason_set(LAUNCH_USAGE, "--status-fd %s: not an open descriptor",
					  optarg);
		options.status_fd = (int)fd;
		break;
	case 'b':
		return set_backend(optarg);
	case 'a':
		return activate_set(optarg);
	case 'L':
		return activate_add(optarg);
	case 'V':
		(void)puts("worker-shim " BROKER_VERSION);
		exit(LAUNCH_GOOD);
	case 'h':
		(void)fputs(usage, stdout);
		exit(LAUNCH_GOOD);
	case '?':
		return reason_set(LAUNCH_USAGE, "see worker-shim -h");
	default:
		*texts[c] = optarg;
		options.is_try |= c == 't';
	}
	return true;
}

/* The command begins at argv[optind] then. */
static bool parse(int argc, char **argv)
{
	int c;

	/* '+': what follows the command is the command's. */
	while ((c = getopt_long(argc, argv, "+Vh", longs, NULL)) != -1)
		if (!take_option(c))
			return false;
	options.inetd.pool = (unsigned)strtoul(pool, NULL, 10);
	if (options.library && strlen(options.library) >= PATH_MAX)
		return reason_set(LAUNCH_USAGE, "--library: too long");
	if (optind >= argc)
		return reason_set(LAUNCH_USAGE, "no command is given; see worker-shim -h");
	if (options.report && !options.check)
		return reason_set(LAUNCH_USAGE, "--report needs --check");
	if (options.control && !options.service)
		return reason_set(LAUNCH_USAGE, "--join needs --service");
	if (!options.control && (options.service || options.pinned_only))
		return reason_set(LAUNCH_USAGE, "--service and --pinned-only need --join");
	return activate_complete(&options.activate);
}

/* The library writes nothing to descriptor 2 if the app has put something else there. */
static bool set_stderr(void)
{
	struct stat st;

	return fstat(STDERR_FILENO, &st) < 0 ||
	       environment_put(HANDOFF_ENV_STDERR "=%llx:%llx", (unsigned long long)st.st_dev,
			       (unsigned long long)st.st_ino);
}

/* Not by libc: a library that is preloaded here would have the launcher execute it. */
static bool become(char **command)
{
	const long a[6] = { (long)program.path, (long)command, (long)environ };
	long error;

	/* What env(1) executes has a libc to hear of it: see preload/launched.h. */
	if (forbidden && !program.by_env && !load_program(&program, command, options.status_fd) &&
	    !options.is_try)
		return false;
	error = -arch_call(SYS_execve, a);
	return reason_set(error == ENOENT ? LAUNCH_MISSING : LAUNCH_REFUSED,
			  "%s cannot be started: %s", program.path, strerror((int)error));
}

/* Becomes the program that runs @command, and returns only if that fails. */
static bool launch(char **command)
{
	if (options.control && !join_broker(options.control, options.service, options.pinned_only))
		return false;
	if (options.activate && !activate(options.v6only, &options.status_fd))
		return false;
	if (options.inetd.park) {
		if (!inetd_prepare(&options.inetd, &program, options.library, &options.status_fd))
			return *reason.text ? false
					    : reason_refuse("no memory for the environment");
		/* A trapped program needs the library if it has a libc, or executes others. */
	} else if (options.backend != BACKEND_NATIVE &&
		   /* A sanitizer's runtime goes first: otherwise it ends the program. */
		   (!environment_preload(program.elf.first, options.library) || !set_stderr())) {
		return reason_refuse("no memory for the environment");
	}
	if (options.backend == BACKEND_TRAP &&
	    !trap_prepare(program.elf.go, options.status_fd, &forbidden))
		return false;
	if (options.status_fd >= 0)
		(void)fcntl(options.status_fd, F_SETFD, FD_CLOEXEC);
	/*
	 * The broker made this process end with it. The app must not: it may have connections to
	 * finish. Only this process can undo that in time, since the setting belongs to the thread
	 * that executes the program. A guest may have it from whatever started it, and keeps it.
	 */
	if (!options.control)
		(void)prctl(PR_SET_PDEATHSIG, 0);
	return become(command);
}

/* Whether it is trapped now, or shall not be. */
static bool trap_for(const char *token)
{
	const char *preloaded = getenv("LD_PRELOAD");

	if (options.is_try && (!token || !*token))
		return true; /* it shall do without the broker */
	options.backend = BACKEND_TRAP;
	if (!program_read(&program) || !program.elf.raw)
		return true;
	return program_check(&program, &options.backend, options.library) &&
	       (strstr(preloaded ? preloaded : "", options.library) ||
		environment_preload("", options.library)) &&
	       trap_prepare(program.elf.go, -1, &forbidden);
}

/* What a worker's program executes: see preload/launched.h. */
static bool execute(char **command)
{
	if (strlen(options.execute) >= PATH_MAX)
		return reason_set(LAUNCH_USAGE, "--execute: too long");
	strcpy(program.path, options.execute);
	if (!trap_for(getenv(HANDOFF_ENV_TOKEN)) && !options.is_try)
		return false;
	return become(command);
}

/* A line of the report. A file name may hold anything; the reader expects one line. */
static void put(const char *key, const char *value)
{
	if (!*value)
		return;
	(void)printf("%s=", key);
	for (; *value; value++)
		(void)putchar((unsigned char)*value < ' ' || *value == 0x7f ? '?' : *value);
	(void)putchar('\n');
}

static const char *libc_of(const struct elf_info *elf)
{
	if (strstr(elf->interp, "/ld-musl-"))
		return "musl";
	if (strstr(elf->interp, "/ld-linux") || strstr(elf->interp, "/ld64.so") ||
	    strstr(elf->interp, "/ld-2."))
		return "glibc";
	return "";
}

/* What was found about the program, as far as it was, for another program to read. */
static void put_report(bool is_found)
{
	const struct elf_info *elf = &program.elf;
	const char *mark = *program.binary ? program_privilege(program.binary) : NULL;

	put("path", program.path);
	for (int i = 0; i < program.n_scripts; i++)
		put("script", program.scripts[i]);
	put("binary", program.binary);
	if (elf->bits) {
		put("class", elf->bits == 64 ? "64" : "32");
		put("machine", program_machine(elf->machine));
	}
	/* Of another machine's file nothing else was read. */
	if (elf->whole) {
		put("linkage", *elf->interp ? "dynamic" : "static");
		put("interpreter", elf->interp);
		put("libc", libc_of(elf));
		put("first", elf->first);
		put("go", elf->go ? "yes" : "no");
		put("io_uring", elf->io_uring ? "linked" : "");
		put("never_listens", elf->never_listens ? "yes" : "");
		put("never_executes", elf->never_executes ? "yes" : "");
	}
	put("privilege", mark ? mark : "");
	put("inetd", is_found ? "yes" : ""); /* which needs no library */
	put("verdict", reason.code == LAUNCH_GOOD      ? "yes"
		       : reason.code == LAUNCH_MISSING ? "missing"
						       : "no");
	put("backend", reason.code == LAUNCH_GOOD ? backends[options.backend] : "");
	put("untraced", forbidden ? forbidden : "");
	put("reason", reason.text);
}

int main(int argc, char **argv)
{
	bool found, good;

	options.library = default_library();
	found = parse(argc, argv) && (!options.execute || execute(argv + optind)) &&
		program_find(argv[optind], program.path) && program_read(&program);
	good = found &&
	       (options.inetd.park || program_check(&program, &options.backend, options.library)) &&
	       (!options.check || options.backend != BACKEND_TRAP ||
		trap_prepare(false, -1, &forbidden));
	if (options.report && reason.code != LAUNCH_USAGE) {
		put_report(found);
		return (int)reason.code;
	}
	if (good && options.check) {
		(void)printf("%s: %s%s: backend %s%s%s\n", program.binary,
			     *program.elf.interp ? "dynamic, interpreter " : "static",
			     program.elf.interp, backends[options.backend],
			     forbidden ? ", loaded as nobody may trace it: " : "",
			     forbidden ? forbidden : "");
		return LAUNCH_GOOD;
	}
	if (good)
		(void)launch(argv + optind);
	if (options.status_fd < 0)
		(void)fprintf(stderr, "worker-shim: %s\n", reason.text);
	else
		(void)dprintf(options.status_fd, "%s\n", reason.text);
	return (int)reason.code;
}
