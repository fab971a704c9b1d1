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
	uint32_t change; /* 0 or 1 */
	uid_t uid;
	gid_t gid;
	uint32_t n_groups;
	gid_t groups[SPAWN_MAX_GROUPS];
};

/*
 * Changes this process to @ids, for good: groups, then gid, then uid, then a check that there is
 * no way back. 0 or -errno with @error.
 */
int spawn_change_ids(const struct spawn_ids *ids, struct strbuf *error);

struct spawn_request {
	const char *program; /* absolute path of the launcher */
	char *const *argv;   /* with "3" as the descriptor number after --status-fd */
	char *const *envp;   /* NULL: as ours */
	/* Called in the child, with our rights: fills in what is missing. NULL: nothing is. */
	int (*complete)(struct spawn_request *req); /* 0 or -errno */
	const void *completed_from;
	const char *directory; /* NULL: stay */
	int output_fd;	       /* becomes 1 and 2; -1: they are inherited */
	int socket_fd;	       /* becomes descriptors 0 and more, in front of all others: */
	int socket_fds;	       /* so many; 0: there is none */
	bool output_to_status; /* the status pipe becomes 1 and 2, too */
	const struct spawn_ids *ids;
	struct conf_process process;
	enum conf_gain gain;
	const char *commands[3]; /* names of what it will execute, up to a NULL: for .gain */
	unsigned slot;
	struct rlimit nofile; /* what the broker itself was started with */
};

#define SPAWN_STATUS_FD	  3   /* where the launcher finds its status pipe */
#define SPAWN_EXIT_FAILED 126 /* the program was not executed: why not is in that pipe */

/*
 * Fills @ret for this program itself, even if its file is another by now, with @argv. .socket_fd is
 * the caller's then, in any case. 0 or -errno.
 */
int spawn_self(char *const *argv, struct spawn_request *ret);

/*
 * Starts @req. 0: *@ret_pid is the child, > 1; *@ret_status_fd is the read end of its status
 * pipe (non-blocking): end of file without a byte means that the command was executed,
 * text is one line that says why not. -errno: nothing was started.
 */
int spawn_worker(const struct spawn_request *req, pid_t *ret_pid, int *ret_status_fd);

/*
 * Forks a helper that runs @body(fd) and exits with what it returns. It has @keep_fd as fd,
 * /dev/null as 0, 1 and 2, and nothing else of ours. 0 or -errno; *@ret_pid > 1.
 */
int spawn_helper(int (*body)(int keep_fd), int keep_fd, pid_t *ret_pid);

/*
 * Forks this process, once. 0 in the parent, with *@ret_child > 1; 1 in the child, which is out of
 * reach of the terminal; -errno.
 */
int spawn_split(pid_t *ret_child);

/* Closes all descriptors from @first on. */
void spawn_close_from(int first);

/* Ends this process by the signal that ended the one of @status. Returns if that does not do. */
void spawn_end_by(int status);

/*
 * A clone that shares our table of descriptors, and runs @body(@data), which does not return. It
 * has a copy of our memory. 0 or -errno; *@ret_pid > 1.
 */
int spawn_shadow(void (*body)(void *data), void *data, pid_t *ret_pid);

/* Signals one process. @pid must be above 1. 0 or -errno. */
int spawn_kill(pid_t pid, int sig);

/* The same for all processes of the group that @pid leads. */
int spawn_kill_group(pid_t pid, int sig);

/*
 * The same for the process of @pidfd. If it is not our child, it may have ended and its pid may
 * have been reused before we notice. -ESRCH: it has ended.
 */
int spawn_kill_pidfd(int pidfd, int sig);
