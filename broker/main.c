/*
 * broker - accepts connections and hands them, round robin, to workers.
 *
 * This file reads the command line; run.c is where the work begins.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include "adopt.h"
#include "base/units.h"
#include "parent.h"
#include "start.h"
#include "sys/config_file.h"
#include "sys/given.h"
#include "sys/name_service.h"
#include "sys/relay.h"
#include "sys/sandbox.h"

static const char usage_text[] =
	"usage: broker -c FILE [options]\n"
	"       broker [-w N] [-l ADDRESS]... [options] -- COMMAND [ARGUMENT]...\n"
	"\n"
	"  -C DIR             change to DIR first\n"
	"  -c FILE            read the configuration from FILE, see broker.ini(5)\n"
	"  -w N               run N workers of COMMAND (default: $WORKER_COUNT, or 2)\n"
	"  -l ADDRESS         listen on ADDRESS (8080, /run/a.sock, \"80 for 3000\"); without it,\n"
	"                     on what COMMAND itself listens on\n"
	"  -t                 check the configuration, and what it names, and exit\n"
	"      --print-config print every option with its value and its origin, and exit\n"
	"      --print-syscalls\n"
	"                     print which system calls the broker can make, and exit\n"
	"      --no-strict-modes\n"
	"                     as root, take a configuration that others can write, too\n"
	"      --ready-fd N   write a line to descriptor N when all services are ready\n"
	"      --adopt N      by the broker alone, when it executes another program,\n"
	"      --check-upgrade\n"
	"                     and when it tries one\n"
	"  -v, -q             log more, or less\n"
	"  -V                 print the version\n"
	"  -h                 print this\n"
	"\n"
	"signals: HUP reload, TERM end gracefully, INT or QUIT end at once, USR1 reopen the log,\n"
	"         USR2 execute the program again, TTIN/TTOU one worker more/fewer, WINCH drain "
	"all\n"
	"         workers until the next HUP\n";

struct arguments {
	struct conf_command given;
	bool check, print;
	int state; /* of another program, which is adopted: its descriptor; -1: none */
};

enum {
	OPT_PRINT_CONFIG = 256,
	OPT_PRINT_SYSCALLS,
	OPT_READY_FD,
	OPT_NO_STRICT_MODES,
	OPT_ADOPT,
	OPT_CHECK_UPGRADE
};

static int usage_error(const char *what)
{
	fprintf(stderr, "broker: %s\n%s", what, usage_text);
	return EXIT_CODE_CONFIG;
}

static int parse_ready_fd(const char *text, int *ret_fd)
{
	int64_t n;

	if (units_parse_count(text, &n) < 0 || n > INT_MAX ||
	    fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		return -EINVAL;
	*ret_fd = (int)n;
	return 0;
}

/* Goes to @directory, under that name: PWD keeps it, as in a shell. False: why not is printed. */
static bool enter(const char *directory)
{
	char here[PATH_MAX];
	STRBUF(name, 2 * PATH_MAX);

	if (*directory != '/')
		strbuf_addf(&name, "%s/", getcwd(here, sizeof(here)) ? here : "");
	strbuf_add(&name, directory);
	if (chdir(directory) == 0 && setenv("PWD", name.text, 1) == 0 &&
	    (errno = -starter_enter()) == 0)
		return true;
	fprintf(stderr, "broker: cannot change to directory %s: %s\n", directory, strerror(errno));
	return false;
}

static int check_arguments(const struct run *run, const struct arguments *args)
{
	if (run->master.config_file &&
	    (args->given.argv || args->given.workers || args->given.n_listen))
		return usage_error("-c FILE excludes -w, -l and a command: put them in the file");
	if (!run->master.config_file && !args->given.argv)
		return usage_error("nothing to run: give -c FILE, or -- COMMAND");
	return -1;
}

static const struct option longs[] = {
	{ "print-config", no_argument, NULL, OPT_PRINT_CONFIG },
	{ "print-syscalls", no_argument, NULL, OPT_PRINT_SYSCALLS },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "no-strict-modes", no_argument, NULL, OPT_NO_STRICT_MODES },
	{ "adopt", required_argument, NULL, OPT_ADOPT }, /* both come first: by upgrade.c */
	{ "check-upgrade", no_argument, NULL, OPT_CHECK_UPGRADE },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int say(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

static int print_syscalls(void)
{
	STRBUF(text, 16384);

	sandbox_print(&text);
	return say(text.text);
}

/* -1: go on; else the exit code. */
static int parse_arguments(int argc, char **argv, struct run *run, struct arguments *ret)
{
	int c;

	*ret = (struct arguments){ .state = -1 };
	while ((c = getopt_long(argc, argv, "+C:c:w:l:tvqVh", longs, NULL)) != -1) {
		switch (c) {
		case 'C':
			if (ret->state < 0 && !enter(optarg))
				return EXIT_CODE_CONFIG;
			break;
		case 'c':
			run->master.config_file = run->master.names.file = optarg;
			break;
		case 'w':
			ret->given.workers = optarg;
			break;
		case 'l':
			if (ret->given.n_listen == CONF_COMMAND_LISTEN_MAX)
				return usage_error("too many -l options");
			ret->given.listen[ret->given.n_listen++] = optarg;
			break;
		case 't':
			ret->check = true;
			break;
		case OPT_PRINT_CONFIG:
			ret->print = true;
			break;
		case OPT_PRINT_SYSCALLS:
			return print_syscalls();
		case OPT_READY_FD:
			if (ret->state < 0 && parse_ready_fd(optarg, &run->ready_fd) < 0)
				return usage_error("--ready-fd needs an open descriptor");
			break;
		case OPT_NO_STRICT_MODES:
			run->master.trusting = true;
			break;
		case OPT_ADOPT:
		case OPT_CHECK_UPGRADE:
			ret->state = optarg ? atoi(optarg) : STDIN_FILENO;
			run->trial = !optarg;
			break;
		case 'v':
		case 'q':
			run->master.verbosity += c == 'v' ? 1 : -1;
			break;
		case 'V':
			printf("broker %s\n", BROKER_VERSION);
			return EXIT_CODE_OK;
		case 'h':
			return say(usage_text);
		default:
			fputs(usage_text, stderr);
			return EXIT_CODE_CONFIG;
		}
	}
	if (optind < argc)
		ret->given.argv = argv + optind;
	return check_arguments(run, ret);
}

/*
 * The name by which a shell, or -C, has entered our directory, if that goes through a symbolic
 * link; or NULL.
 */
static const char *entered_through(void)
{
	const char *name = getenv("PWD");
	_cleanup_free_ char *real = name ? realpath(name, NULL) : NULL;
	char here[PATH_MAX];

	return real && getcwd(here, sizeof(here)) && !strcmp(real, here) && strcmp(name, here) != 0
		       ? name
		       : NULL;
}

/* EXIT_CODE_OK, or what is wrong is printed. */
static int load(struct master *m, const struct arguments *args)
{
	char base_dir[PATH_MAX];
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf_facts facts;
	/* Nobody is served yet: it may wait. */
	int r = args->print ? 0 : names_look_up(&m->names, &error);
	enum exit_code code = r < 0 ? EXIT_CODE_ENVIRONMENT : EXIT_CODE_CONFIG;

	if (r == 0 && m->config_file) {
		r = config_file_load(m->config_file, !m->trusting && !args->print, m->names.known,
				     &m->conf, &error);
	} else if (r == 0) {
		facts = config_file_facts(NULL, base_dir);
		r = conf_from_command(&args->given, &facts, &m->conf, &error);
	}
	if (r == 0)
		return EXIT_CODE_OK;
	fprintf(stderr, "%s\n", error.len ? error.text : strerror(-r));
	return code;
}

static int print(const struct conf *conf)
{
	_cleanup_free_ char *text = NULL;

	if (conf_print(conf, &text) < 0) {
		fputs("broker: out of memory\n", stderr);
		return EXIT_CODE_FAILURE;
	}
	return say(text);
}

static int check(struct run *run)
{
	STRBUF(found, CONF_ERROR_BYTES);
	int code = (int)start_check(run, &found);

	if (code == EXIT_CODE_OK)
		printf("%s: the configuration is valid\n",
		       run->master.conf->file ? run->master.conf->file : "command line");
	else
		fprintf(stderr, "%s\n", found.text);
	return code;
}

static int adopt(struct run *run, const struct arguments *args)
{
	STRBUF(error, CONF_ERROR_BYTES);
	int r = adopt_read(run, args->state, &args->given, &error);

	if (r == 0)
		return EXIT_CODE_OK;
	fprintf(stderr, "broker: it cannot go on with the state of another: %s\n",
		error.len ? error.text : strerror(-r));
	return EXIT_CODE_FAILURE;
}

/* Descriptors 0, 1, 2 must be something, or the next socket becomes standard error. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

int main(int argc, char **argv)
{
	/* Large, and there is one: not on the stack. */
	static struct run run = { .ready_fd = -1 };
	struct master *master = &run.master;
	struct arguments args;
	int code, r;
	bool adopts;

	open_standard_descriptors();
	if (argc > 1 && !strcmp(argv[1], LOOK_UP_OPTION))
		return name_service_answer(argv + 2);
	if (argc > 1 && !strcmp(argv[1], RELAY_OPTION))
		return relay_run(argc > 2 ? (enum conf_seccomp)atoi(argv[2]) : SECCOMP_AUTO);
	/* Of an upgrade: it has one already, or is only tried. */
	adopts = argc > 1 && (!strcmp(argv[1], "--adopt") || !strcmp(argv[1], "--check-upgrade"));
	r = adopts ? 1 : parent_run(&code);
	if (r == 0)
		return code;
	if (r < 0) {
		fprintf(stderr, "broker: cannot start: %s\n", strerror(-r));
		return EXIT_CODE_FAILURE;
	}
	code = parse_arguments(argc, argv, &run, &args);
	if (code >= 0)
		return code;
	run.argv = argv;
	code = args.state < 0 ? load(master, &args) : adopt(&run, &args);
	if (code != EXIT_CODE_OK)
		return code;
	if (args.check || args.print) {
		code = args.print ? print(master->conf) : check(&run);
		conf_free(master->conf);
		return code;
	}
	master->entered = entered_through();
	if (args.state < 0)
		given_read(); /* here, since the environment names this process */
	code = run_broker(&run);
	if (run.trial)
		_exit(code); /* of what it has made only its answer was wanted */
	return code;
}
