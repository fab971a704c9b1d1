/*
 * spawn - the only file that calls fork(2) and kill(2).
 *
 * A worker is a process group of its own, without a terminal: Ctrl-C at that of the broker reaches
 * the broker alone. It starts with default signal dispositions, an empty signal mask,
 * /dev/null as input, and no descriptor but 0, 1, 2 and the status pipe of the launcher.
 */
#pragma once

#include <sys/resource.h>
#include <sys/types.h>
#include "base/strbuf.h"
#include "config/types.h"

#define SPAWN_MAX_GROUPS 64

/* The user and groups that a worker runs as. */
struct spawn_ids {
	bool change;
	uid_t uid;
	gid_t gid;
	gid_t groups[SPAWN_MAX_GROUPS];
	int n_groups;
};

/*
 * Changes this process to @ids, for good: groups, then gid, then uid, then a check that there is
 * no way back. 0 or -errno with @error.
 */
int spawn_change_ids(const struct spawn_ids *ids, struct strbuf *error);

struct spawn_request {
	const char *program; /* absolute path of the launcher */
	char *const *argv;   /* with "3" as the descriptor number after --status-fd */
	/* Called in the child, with our rights. 0, or not with errno. NULL: it stays as it is. */
	int (*set_environment)(const void *environment_of);
	const void *environment_of;
	const char *directory; /* NULL: stay */
	int output_fd;	       /* becomes 1 and 2; -1: they are inherited */
	int socket_fd;	       /* becomes descriptors 0 and more, in front of all others: */
	int socket_fds;	       /* so many; 0: there is none */
	bool output_to_status; /* the status pipe becomes 1 and 2, too */
	const struct spawn_ids *ids;
	const struct conf_process *process; /* NULL: as the broker */
	enum conf_gain gain;
	const char *commands[3]; /* names of what it will execute, up to a NULL: for .gain */
	unsigned slot;
	struct rlimit nofile; /* what the broker itself was started with */
};

#define SPAWN_STATUS_FD	  3   /* where the launcher finds its status pipe */
#define SPAWN_EXIT_FAILED 126 /* the program was not executed: why not is in that pipe */

/*
 * Starts @req. 0: *@ret_pid is the child, > 1; *@ret_status_fd is the read end of its status
 * pipe (non-blocking): end of file without a byte means that the command was executed,
 * text is one line that says why not. -errno: nothing was started.
 */
int spawn_worker(const struct spawn_request *req, pid_t *ret_pid, int *ret_status_fd);

/*
 * Starts @req and waits for its end: *@ret_text is what came out of its status pipe, at most @size
 * - 1 bytes, terminated, *@ret_status as waitpid(2) gives it. 0; -ETIMEDOUT: nothing came for
 * @limit_ms, and it was killed; -errno: it was not started.
 */
int spawn_ask(const struct spawn_request *req, int limit_ms, char *ret_text, size_t size,
	      int *ret_status);

/*
 * Forks a helper that runs @body(fd) and exits with what it returns. It has @keep_fd as fd,
 * /dev/null as 0, 1 and 2, and nothing else of ours. 0 or -errno; *@ret_pid > 1.
 */
int spawn_helper(int (*body)(int keep_fd), int keep_fd, pid_t *ret_pid);

/* Signals one process. @pid must be above 1. 0 or -errno. */
int spawn_kill(pid_t pid, int sig);

/* The same for all processes of the group that @pid leads. */
int spawn_kill_group(pid_t pid, int sig);

/*
 * The same for the process of @pidfd. If it is not our child, it may have ended and its pid may
 * have been reused before we notice. -ESRCH: it has ended.
 */
int spawn_kill_pidfd(int pidfd, int sig);
