#include "rundir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include "base/fd.h"
#include "base/hash.h"
#include "sys/retire.h"
#include "sys/safe_path.h"
#include "sys/starter.h"
#include "sys/unix_socket.h"

char *rundir_default(const char *config_file)
{
	char real[PATH_MAX];
	const char *runtime = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	char *path = NULL, name[32];
	int n;

	if (config_file && realpath(config_file, real))
		snprintf(name, sizeof(name), "%08x", hash_add_text(HASH_BEGIN, real));
	else
		snprintf(name, sizeof(name), "pid-%d", (int)starter_pid());
	if (runtime && *runtime == '/')
		n = asprintf(&path, "%s/broker/%s", runtime, name);
	else
		n = asprintf(&path, "/tmp/broker-%u/%s", (unsigned)geteuid(), name);
	return n < 0 ? NULL : path;
}

/* Whether @path still names the file of @fd, as far as can be seen. */
static bool is_named(const char *path, int fd)
{
	struct stat named, opened;

	if (lstat(path, &named) < 0)
		return !errno_is_absence(errno);
	return fstat(fd, &opened) < 0 ||
	       (named.st_dev == opened.st_dev && named.st_ino == opened.st_ino);
}

bool rundir_is_ours(const struct rundir *rd)
{
	return rd->lock_fd >= 0 && is_named(rd->lock, rd->lock_fd);
}

static int write_pid(int fd, pid_t pid)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)pid);

	if (ftruncate(fd, 0) < 0)
		return -errno;
	if (pwrite(fd, text, (size_t)n, 0) != n)
		return errno ? -errno : -EIO;
	return 0;
}

#define LOCK_STEP_MS 10
#define LOCK_STEPS   300
#define LEAST_STEPS  10 /* a pid file names the parent, which outlives its broker */

/*
 * Whether @fd holds nothing but the number of a process, which goes to *@ret_pid. An empty one may
 * be ours, too; any other file is somebody's who has named it by mistake.
 */
static bool has_pid_alone(int fd, pid_t *ret_pid)
{
	char text[32] = "", *end = text;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	*ret_pid = (pid_t)strtol(text, &end, 10);
	return n >= 0 && end + strspn(end, "\n") == text + n;
}

/*
 * Opens and locks @path, and writes @pid into it. A broker that was just killed is waited for: it
 * has its lock and its sockets until the kernel has taken it down. -EBUSY: somebody has it;
 * *@ret_holder is the pid written in it, or 0. Such a file is removed only under its lock. So a
 * file that we have locked but that has no name any more was removed between our open and our lock,
 * and the name is tried again.
 */
static int lock_file(const char *path, mode_t mode, const struct spawn_ids *as, pid_t pid,
		     int *ret_fd, pid_t *ret_holder, struct strbuf *error)
{
	for (int tries = 0; tries < LOCK_STEPS; tries++) {
		_cleanup_fd_ int fd = -1;
		struct stat st;
		bool pid_alone, locked;
		int r = safe_path_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode, as, &fd, error);

		if (r < 0)
			return r;
		locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
		if ((!locked && errno != EWOULDBLOCK) || fstat(fd, &st) < 0)
			return strbuf_fail(error, -errno, "%m");
		pid_alone = has_pid_alone(fd, ret_holder);
		if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || !pid_alone)
			return strbuf_fail(error, -EINVAL,
					   "it is not a file with the number of a process and "
					   "nothing else, and stays as it is");
		if (!locked && tries >= LEAST_STEPS &&
		    (*ret_holder <= 0 || !proc_stat(*ret_holder).ending))
			return -EBUSY;
		if (locked && st.st_nlink > 0) {
			r = write_pid(fd, pid);
			if (r < 0)
				return strbuf_fail(error, r, "%m");
			*ret_fd = fd_take(&fd);
			return 0;
		}
		(void)usleep(LOCK_STEP_MS * 1000);
	}
	return -EBUSY;
}

static int open_rendezvous(struct rundir *rd, struct strbuf *error)
{
	int r;

	if (strlen(rd->rendezvous) > UNIX_PATH_LEN)
		return strbuf_fail(
			error, -ENAMETOOLONG,
			"run directory %s: the path is too long for a socket in it (%zu characters "
			"are allowed); set run_dir in [broker]",
			rd->path, UNIX_PATH_LEN - strlen("/" RENDEZVOUS_NAME));
	/* We hold the lock, so a socket of that name is left over from a broker that was killed. */
	(void)unlink(rd->rendezvous);
	r = unix_bind(rd->rendezvous, SOCK_SEQPACKET, rd->shared ? 0111 : 0177, &rd->rendezvous_fd);
	if (r == 0 && listen(rd->rendezvous_fd, 512) < 0)
		r = -errno;
	return r < 0 ? strbuf_fail(error, r, "cannot listen on %s: %m", rd->rendezvous) : 0;
}

static int set_names(struct rundir *rd, const char *path)
{
	rd->path = strdup(path);
	if (!rd->path || asprintf(&rd->lock, "%s/lock", path) < 0 ||
	    asprintf(&rd->rendezvous, "%s/" RENDEZVOUS_NAME, path) < 0)
		return -ENOMEM;
	return 0;
}

int rundir_adopt(struct rundir *rd, const char *path, const char *pid_file)
{
	if (pid_file && !(rd->pid_file = strdup(pid_file)))
		return -ENOMEM;
	return set_names(rd, path);
}

/* Makes and locks the directory. */
static int take_directory(struct rundir *rd, struct strbuf *error)
{
	const char *path = rd->path;
	const uid_t heir = rd->heir ? rd->heir->uid : geteuid();
	pid_t holder = 0;
	struct stat st;
	STRBUF(why, PATH_MAX + 256);
	int r = safe_path_make_dir(path, &rd->dir_fd, &why);

	if (r < 0)
		return strbuf_fail(error, r,
				   "cannot use the run directory %s: %s; set run_dir in [broker]",
				   path, why.text);
	/* One that was given to the broker's user is left over, as he could not remove it. */
	if (fstat(rd->dir_fd, &st) < 0 || (st.st_mode & S_IWOTH) ||
	    (st.st_uid != geteuid() && st.st_uid != heir))
		return strbuf_fail(error, -EPERM,
				   "run directory %s is not a directory that belongs to this user "
				   "alone; remove it "
				   "or set run_dir in [broker]",
				   path);
	r = lock_file(rd->lock, 0600, rd->heir, getpid(), &rd->lock_fd, &holder, &why);
	if (r == -EBUSY)
		return strbuf_fail(
			error, r,
			"another broker (pid %d) runs with the run directory %s; stop it, or give "
			"this one its own with run_dir in [broker]",
			(int)holder, path);
	if (r < 0)
		return strbuf_fail(error, r, "cannot lock %s: %s", rd->lock, why.text);
	/*
	 * What we make in it is not changed under our hands. 0711: others may pass through to the
	 * rendezvous socket, but not look around. What must stay private in it has a mode of its
	 * own.
	 */
	if (fchown(rd->dir_fd, geteuid(), (gid_t)-1) < 0 ||
	    fchmod(rd->dir_fd, rd->shared ? 0711 : 0700) < 0)
		return strbuf_fail(error, -errno, "cannot take the run directory %s: %m", path);
	return 0;
}

int rundir_open(struct rundir *rd, const char *path, bool shared, struct strbuf *error)
{
	int r;

	rd->shared = shared;
	r = set_names(rd, path);
	if (r == 0)
		r = take_directory(rd, error);
	return r < 0 ? r : open_rendezvous(rd, error);
}

int rundir_write_pid(struct rundir *rd, const char *pid_file, struct strbuf *error)
{
	pid_t holder = 0;
	STRBUF(why, PATH_MAX + 256);
	int r = lock_file(pid_file, 0644, NULL, starter_pid(), &rd->pid_fd, &holder, &why);

	if (r == -EBUSY)
		return strbuf_fail(error, r,
				   "another broker (pid %d) holds the pid file %s; stop it, or set "
				   "pid_file in [broker]",
				   (int)holder, pid_file);
	if (r < 0)
		return strbuf_fail(error, r,
				   "cannot write the pid file %s: %s; set pid_file in [broker]",
				   pid_file, why.text);
	rd->pid_file = strdup(pid_file);
	return rd->pid_file ? 0 : -ENOMEM;
}

static void add_made(struct strbuf *made, const char *path)
{
	strbuf_addf(made, "%s%s", made->len ? ", " : "", path);
}

int rundir_restore(struct rundir *rd, int *ret_old, struct strbuf *made, struct strbuf *error)
{
	_cleanup_free_ char *pid_file = NULL;
	int was = rd->rendezvous_fd, r = 0;

	if (!rundir_is_ours(rd)) {
		retire_fd(&rd->dir_fd);
		retire_fd(&rd->lock_fd);
		add_made(made, access(rd->path, F_OK) == 0 ? rd->lock : rd->path);
		r = take_directory(rd, error);
	}
	if (r == 0 && (made->len || unix_is_lost(rd->rendezvous, rd->rendezvous_fd))) {
		add_made(made, rd->rendezvous);
		r = open_rendezvous(rd, error);
	}
	*ret_old = rd->rendezvous_fd == was ? -1 : was;
	if (r == 0 && rd->pid_file && !is_named(rd->pid_file, rd->pid_fd)) {
		add_made(made, rd->pid_file);
		retire_fd(&rd->pid_fd);
		pid_file = rd->pid_file;
		rd->pid_file = NULL;
		r = rundir_write_pid(rd, pid_file, error);
	}
	return r;
}

int rundir_let_group_through(struct rundir *rd, gid_t group, struct strbuf *error)
{
	if (fchown(rd->dir_fd, (uid_t)-1, group) == 0 &&
	    fchmod(rd->dir_fd, rd->shared ? 0711 : 0710) == 0)
		return 0;
	return strbuf_fail(error, -errno, "cannot open the run directory %s for control_group: %m",
			   rd->path);
}

int rundir_hand_over(struct rundir *rd)
{
	const uid_t uid = rd->heir->uid;

	/*
	 * The directory last: what is in it is under our hands. Its group may be the one that is
	 * let through; otherwise it means nothing.
	 */
	if (lchown(rd->rendezvous, uid, rd->heir->gid) < 0 ||
	    fchown(rd->lock_fd, uid, rd->heir->gid) < 0 || fchown(rd->dir_fd, uid, (gid_t)-1) < 0)
		return -errno;
	return 0;
}

void rundir_close(struct rundir *rd)
{
	struct stat st;

	if (rd->pid_file && fstat(rd->pid_fd, &st) == 0) {
		/* Where we have no right to the directory: at least no stale pid. */
		(void)!ftruncate(rd->pid_fd, 0);
		safe_path_remove(rd->pid_file, st.st_dev, st.st_ino);
	}
	/* If it vanished, another broker may have one of that name. */
	if (rundir_is_ours(rd)) {
		if (rd->rendezvous_fd >= 0)
			(void)unlink(rd->rendezvous);
		/* While the lock is held: whatever opens the name next gets a file of its own. */
		(void)unlink(rd->lock);
		(void)rmdir(rd->path);
	}
	fd_closep(&rd->rendezvous_fd);
	fd_closep(&rd->pid_fd);
	fd_closep(&rd->lock_fd);
	fd_closep(&rd->dir_fd);
	free(rd->path);
	free(rd->lock);
	free(rd->rendezvous);
	free(rd->pid_file);
	*rd = RUNDIR_INIT;
}
