/*
 * rundir - the places that belong to one running broker: its run directory with the
 * rendezvous socket, and its pid file. Each is locked, so that no two brokers share one.
 */
#pragma once

#include "sys/user.h"

#define RENDEZVOUS_NAME "rendezvous"

struct rundir {
	/* NULL, or it will be given to this user; one of his may be left from the last time. */
	const struct spawn_ids *heir;
	bool shared;
	int dir_fd;
	char *path, *lock; /* of the directory, and of the lock in it */
	int lock_fd;
	char *pid_file; /* NULL: none */
	int pid_fd;
	int rendezvous_fd; /* listening */
	char *rendezvous;  /* its path */
};

#define RUNDIR_INIT                                                                                \
	((struct rundir){ .dir_fd = -1, .lock_fd = -1, .pid_fd = -1, .rendezvous_fd = -1 })

/*
 * The directory that a broker without `run_dir` uses: below /run/broker for root, else below
 * $XDG_RUNTIME_DIR/broker or /tmp/broker-UID, named after @config_file (NULL: after the pid) so
 * that each configuration has one of its own. Returns malloc'd text or NULL (no memory).
 */
char *rundir_default(const char *config_file);

/*
 * Creates and locks @path. 0; -EBUSY: another broker runs with it, @error says which; other
 * -errno with @error. @shared: workers run as another user and must reach the rendezvous.
 */
int rundir_open(struct rundir *rd, const char *path, bool shared, struct strbuf *error);

/*
 * Creates, locks and fills the pid file, which stays ours. A file that holds anything but the
 * number of a process is left as it is, and refused. As rundir_open().
 */
int rundir_write_pid(struct rundir *rd, const char *pid_file, struct strbuf *error);

/* Whether it still is where it was made, and its lock with it. */
bool rundir_is_ours(const struct rundir *rd);

/*
 * Makes again what was removed behind our back: the directory with all that is in it, or some of
 * that. @made names it; empty: nothing was missing. *@ret_old: the rendezvous socket that has a
 * successor now, the caller's; -1: it has none. 0 or -errno with @error, as rundir_open(). A pid
 * file that cannot be made again is given up.
 */
int rundir_restore(struct rundir *rd, int *ret_old, struct strbuf *made, struct strbuf *error);

/*
 * Goes on with that of another program, which is @path: .shared, the descriptors and @pid_file
 * (NULL: none) are the caller's to set and to give. 0 or -ENOMEM.
 */
int rundir_adopt(struct rundir *rd, const char *path, const char *pid_file);

/* Members of @group may pass through to a socket in it. 0 or -errno with @error. */
int rundir_let_group_through(struct rundir *rd, gid_t group, struct strbuf *error);

/* Gives it, but for the pid file, to .heir, before the broker becomes that user. 0 or -errno. */
int rundir_hand_over(struct rundir *rd);

/* Removes what was made and closes everything. */
void rundir_close(struct rundir *rd);
