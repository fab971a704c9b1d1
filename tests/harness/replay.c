/* The main of a fuzz target without libFuzzer: each file of its corpus is a test, in TAP. */
#include "fuzz.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_S	  30
#define INPUT_MAX (1 << 20)

static char directory[4096];

/* In a process of its own, so that one bad input costs that test alone. */
static bool replay(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(data, 1, sizeof(data), f) : 0;
	bool read_all = f && feof(f);
	int status = -1;
	pid_t pid;

	if (f)
		(void)fclose(f);
	if (!read_all) {
		printf("# %s: %s\n", path, f ? "too long, or cannot be read" : strerror(errno));
		return false;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(LIMIT_S);
		(void)LLVMFuzzerTestOneInput(data, n);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		printf("# %s: ended by signal %d\n", path, WTERMSIG(status));
	else if (status)
		printf("# %s: exit code %d\n", path, WEXITSTATUS(status));
	return status == 0;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The corpus has the name of the program. */
int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	struct dirent **files = NULL;
	int n, failed = 0;

	(void)argc;
	snprintf(directory, sizeof(directory), "%s/%s", FUZZ_CORPUS, name);
	n = scandir(directory, &files, visible, alphasort);
	if (n <= 0) {
		printf("1..1\nnot ok 1 - %s has files\n", directory);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		char path[8192];
		bool good;

		snprintf(path, sizeof(path), "%s/%s", directory, files[i]->d_name);
		good = replay(path);
		failed += !good;
		printf("%sok %d - %s\n", good ? "" : "not ", i + 1, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	return failed > 0;
}
