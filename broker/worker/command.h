/*
 * command - the command line and the environment with which the launcher is started.
 */
#pragma once

#include "sys/user.h"
#include "worker/types.h"

/* A list of words that grows; the words are malloc'd. */
struct launch_words {
	char **v; /* NULL-terminated once there is a word */
	size_t n;
	bool failed; /* for want of memory: launch_spawn() says so */
};

void launch_words_deinit(struct launch_words *w);

/* The launcher, told to execute or only to @check @first (NULL: nothing) and then @then. */
void launch_arguments(const struct broker *b, const struct service_conf *sc, char *const *first,
		      char *const *then, bool check, struct launch_words *argv);

/* What @sc asks for; and what makes it the environment of @w. */
void launch_environment(const struct user_info *user, const struct service_conf *sc,
			struct launch_words *env);
void launch_worker_environment(const struct worker *w, struct launch_words *env);

/*
 * Starts it as the process of @slot. 0; -errno. @output_fd stays the caller's (-1: the broker's
 * own), *@ret_status_fd, on which the launcher says why it cannot, is the caller's.
 */
int launch_spawn(const struct broker *b, const struct service_conf *sc,
		 const struct launch_words *argv, const struct launch_words *env,
		 const struct user_info *user, unsigned slot, int output_fd, pid_t *ret_pid,
		 int *ret_status_fd);

/*
 * Starts @words, a command that looks after @w: as the user and in the directory of its service,
 * with its environment, BROKER_SERVICE, BROKER_SLOT, BROKER_WORKER, BROKER_GENERATION, and
 * BROKER_PID, the main process. 0: *@ret_pid leads a session of its own; what it writes, and why it
 * could not be executed, comes out of *@ret_fd, the caller's. -errno with @error.
 */
int launch_helper(const struct worker *w, char *const *words, pid_t *ret_pid, int *ret_fd,
		  struct strbuf *error);
