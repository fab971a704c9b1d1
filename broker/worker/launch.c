#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/fd.h"
#include "worker/command.h"

/* Where the output of a worker goes: *@ret_child for it, *@ret_ours for us (-1: nothing to read).
 */
static int open_output(const struct service_conf *sc, int *ret_child, int *ret_ours,
		       struct strbuf *error)
{
	int ends[2];

	switch (sc->output) {
	case OUTPUT_INHERIT:
		return 0;
	case OUTPUT_FILE:
		*ret_child = open(sc->output_path,
				  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (*ret_child >= 0)
			return 0;
		return strbuf_fail(error, -errno, "cannot open output %s: %m", sc->output_path);
	case OUTPUT_LOG:
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		*ret_ours = ends[0];
		*ret_child = ends[1];
		/* Ours alone: the worker's end is another open file description. */
		return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	}
	return -EINVAL;
}

int launch(struct worker *w, struct strbuf *error)
{
	struct launch_words argv = { 0 }, env = { 0 };
	_cleanup_fd_ int child_output = -1;
	struct user_info user;
	int r = user_lookup(w->conf->user, w->conf->group, &user, error);

	if (r < 0)
		return r;
	w->uid = user.ids.uid;
	launch_arguments(w->terms->broker, w->conf, conf_find_wrap(w->conf, w->slot),
			 w->conf->command, false, &argv);
	launch_environment(&user, w->conf, &env);
	launch_worker_environment(w, &env);
	r = open_output(w->conf, &child_output, &w->output_fd, error);
	if (r == 0)
		r = launch_spawn(w->terms->broker, w->conf, &argv, &env, &user, child_output,
				 &w->pid, &w->status_fd);
	launch_words_deinit(&argv);
	launch_words_deinit(&env);
	return r;
}
