#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "worker/command.h"

#define CHECK_MS 10000

/* Collects the launcher's verdict: all of its status pipe, then its exit. */
static int wait_for_check(pid_t pid, int status_fd, struct strbuf *error)
{
	struct pollfd p = { .fd = status_fd, .events = POLLIN };
	int64_t end = loop_clock_ms() + CHECK_MS;
	int status = 0;
	char buf[512];
	ssize_t n = -1;

	while (loop_clock_ms() < end && n != 0) {
		if (poll(&p, 1, (int)(end - loop_clock_ms())) <= 0)
			continue;
		n = read(status_fd, buf, sizeof(buf));
		if (n > 0)
			strbuf_add_bytes(error, buf, (size_t)n);
	}
	if (n != 0) {
		(void)spawn_kill(pid, SIGKILL);
		strbuf_add(error, "the launcher did not answer");
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	while (error->len && error->text[error->len - 1] == '\n')
		error->text[--error->len] = '\0';
	if (n == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!error->len)
		strbuf_add(error, "the launcher failed without a message");
	return -EINVAL;
}

static int check(const struct broker *b, const struct service_conf *sc, char *const *words,
		 struct strbuf *error)
{
	struct launch_words argv = { 0 }, env = { 0 };
	struct user_info user;
	_cleanup_fd_ int status_fd = -1;
	_cleanup_fd_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;
	int r = user_lookup(sc->user, sc->group, &user, error);

	if (r < 0)
		return r;
	launch_arguments(b, sc, NULL, words, true, &argv);
	launch_environment(&user, sc, &env);
	r = launch_spawn(b, sc, &argv, &env, &user, 0, null_fd, &pid, &status_fd);
	launch_words_deinit(&argv);
	launch_words_deinit(&env);
	if (r < 0)
		return strbuf_fail(error, r, "cannot start the launcher: %m");
	return wait_for_check(pid, status_fd, error);
}

/* Each program by itself: a wrapper is executed as an app is, and then executes the app. */
int launch_check(const struct broker *b, const struct service_conf *sc, struct strbuf *error)
{
	STRBUF(reason, 512);
	int r = check(b, sc, sc->command, &reason);

	if (r < 0)
		strbuf_addf(error, "command: %s", reason.text);
	for (size_t i = 0; r == 0 && i < sc->n_wraps; i++) {
		r = check(b, sc, sc->wraps[i].words, &reason);
		if (r < 0)
			strbuf_addf(error, "wrap.%u: %s", sc->wraps[i].slot, reason.text);
	}
	return r;
}
