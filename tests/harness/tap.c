#include "tap.h"

#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_SECONDS 30
#define EXIT_SKIP    77

static struct tap_test *first, **last = &first;
static unsigned long long seed;

void tap_register(struct tap_test *test)
{
	*last = test;
	last = &test->next;
}

void tap_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "# %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (TAP_SEED=%llu)\n", seed);
	_exit(1);
}

void tap_skip(const char *why)
{
	printf("# SKIP %s\n", why);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

unsigned long long tap_seed(void)
{
	return seed;
}

/* xorshift64*: good enough to shuffle events, the same on every machine. */
unsigned tap_random(unsigned long long *state, unsigned below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (unsigned)((*state * 2685821657736338717ULL) >> 33) % below;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void run_child(const struct tap_test *test)
{
	int before = count_fds(), after;

	alarm(TEST_SECONDS);
	test->run();
	after = count_fds();
	if (after != before)
		tap_fail(__FILE__, __LINE__, "%s leaves %d descriptors open", test->name,
			 after - before);
	fflush(NULL);
	exit(0); /* not _exit: LeakSanitizer looks at exit */
}

int tap_main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	const char *given = getenv("TAP_SEED");
	int n = 0, failed = 0;

	seed = given ? strtoull(given, NULL, 10) : (unsigned long long)time(NULL) * 2 + 1;
	if (!seed)
		seed = 1;
	for (struct tap_test *t = first; t; t = t->next)
		n += !only || !strcmp(only, t->name);
	printf("1..%d\n", n);

	n = 0;
	for (struct tap_test *t = first; t; t = t->next) {
		int status;
		pid_t pid;

		if (only && strcmp(only, t->name) != 0)
			continue;
		fflush(NULL);
		pid = fork();
		if (pid < 0) {
			perror("# fork");
			return 1;
		}
		if (pid == 0)
			run_child(t);
		if (waitpid(pid, &status, 0) != pid) {
			perror("# waitpid");
			return 1;
		}
		n++;
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
			printf("ok %d - %s # SKIP see above\n", n, t->name);
		} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
			printf("ok %d - %s\n", n, t->name);
		} else {
			failed++;
			if (WIFSIGNALED(status))
				printf("# ended by signal %d%s\n", WTERMSIG(status),
				       WTERMSIG(status) == SIGALRM ? " (took too long)" : "");
			printf("not ok %d - %s\n", n, t->name);
		}
	}
	fflush(stdout);
	return failed ? 1 : 0;
}
