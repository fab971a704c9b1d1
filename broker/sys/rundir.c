#include "rundir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "sys/proc.h"
#include "sys/unix_socket.h"

char *rundir_default(const char *config_file)
{
	char real[PATH_MAX];
	const char *runtime = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	uint32_t h = 2166136261u; /* FNV-1a of the file's real path */
	char *path = NULL, name[32];
	int n;

	if (config_file && realpath(config_file, real)) {
		for (const char *c = real; *c; c++)
			h = (h ^ (unsigned char)*c) * 16777619u;
		snprintf(name, sizeof(name), "%08x", h);
	} else {
		snprintf(name, sizeof(name), "pid-%d", (int)getpid());
	}
	if (runtime && *runtime == '/')
		n = asprintf(&path, "%s/broker/%s", runtime, name);
	else
		n = asprintf(&path, "/tmp/broker-%u/%s", (unsigned)geteuid(), name);
	return n < 0 ? NULL : path;
}

/* mkdir -p, without a say on what exists already. */
static int make_dirs(char *path)
{
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		int r;

		*slash = '\0';
		r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
		*slash = '/';
		if (r < 0)
			return r;
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_own_pid(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	if (pwrite(fd, text, (size_t)n, 0) != n)
		return errno ? -errno : -EIO;
	return 0;
}

#define LOCK_STEP_MS 10
#define LOCK_STEPS   300

/*
 * Opens and locks @path, and writes our pid into it. A broker that was killed while it started a
 * worker is waited for: that child has its lock and its sockets until it is about to execute its
 * program. -EBUSY: somebody has it; *@ret_holder is the
 * pid written in it, or 0. Such a file is removed only under its lock. So a file that we have
 * locked but that has no name any more was removed between our open and our lock, and the name is
 * tried again.
 */
static int lock_file(const char *path, mode_t mode, int *ret_fd, pid_t *ret_holder)
{
	for (int tries = 0; tries < LOCK_STEPS; tries++) {
		_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
		struct stat st;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			char text[32] = "";

			if (errno != EWOULDBLOCK)
				return -errno;
			if (read(fd, text, sizeof(text) - 1) > 0)
				*ret_holder = atoi(text);
			if (*ret_holder <= 0 || !proc_stat(*ret_holder).ending)
				return -EBUSY;
			(void)usleep(LOCK_STEP_MS * 1000);
			continue;
		}
		if (fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
			return -EINVAL; /* made to be another file, which is not ours to write */
		if (st.st_nlink > 0) {
			*ret_fd = fd_take(&fd);
			return write_own_pid(*ret_fd);
		}
	}
	return *ret_holder ? -EBUSY : -EAGAIN;
}

static int open_rendezvous(struct rundir *rd, bool shared, struct strbuf *error)
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
	r = unix_bind(rd->rendezvous, SOCK_SEQPACKET, shared ? 0111 : 0177, &rd->rendezvous_fd);
	if (r == 0 && listen(rd->rendezvous_fd, 512) < 0)
		r = -errno;
	return r < 0 ? strbuf_fail(error, r, "cannot listen on %s: %m", rd->rendezvous) : 0;
}

/*
 * A broker that has given it to its user, and has become that user, cannot remove it from a
 * directory of root's. Where others may write, anybody could have moved it there.
 */
static bool is_left_over(const struct rundir *rd, const struct stat *st)
{
	_cleanup_free_ char *above = NULL;
	struct stat dir;

	return rd->heir && st->st_uid == rd->heir && asprintf(&above, "%s/..", rd->path) > 0 &&
	       stat(above, &dir) == 0 && dir.st_uid == geteuid() && !(dir.st_mode & 0022);
}

int rundir_open(struct rundir *rd, const char *path, bool shared, struct strbuf *error)
{
	struct stat st;
	pid_t holder = 0;
	int r;

	rd->path = strdup(path);
	if (!rd->path || asprintf(&rd->lock, "%s/lock", path) < 0 ||
	    asprintf(&rd->rendezvous, "%s/" RENDEZVOUS_NAME, path) < 0)
		return -ENOMEM;
	r = make_dirs(rd->path);
	if (r < 0)
		return strbuf_fail(
			error, r, "cannot create the run directory %s: %m; set run_dir in [broker]",
			path);
	/* In /tmp anybody could have made it before us, to be the one who answers our workers. */
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    (st.st_uid != geteuid() && !is_left_over(rd, &st)))
		return strbuf_fail(
			error, -EPERM,
			"run directory %s is not a directory that belongs to this user; remove it "
			"or set run_dir in [broker]",
			path);
	/*
	 * 0711: others may pass through to the rendezvous socket, but not look around. What must
	 * stay private in it has a mode of its own.
	 */
	if (chmod(path, shared ? 0711 : 0700) < 0)
		return -errno;
	r = lock_file(rd->lock, 0600, &rd->lock_fd, &holder);
	if (r == -EBUSY)
		return strbuf_fail(
			error, r,
			"another broker (pid %d) runs with the run directory %s; stop it, or give "
			"this one its own with run_dir in [broker]",
			(int)holder, path);
	if (r < 0)
		return strbuf_fail(error, r, "cannot lock %s: %m", rd->lock);
	/* What we make in it is not changed under our hands. */
	if (st.st_uid != geteuid() && lchown(path, geteuid(), (gid_t)-1) < 0)
		return -errno;
	return open_rendezvous(rd, shared, error);
}

int rundir_write_pid(struct rundir *rd, const char *pid_file, struct strbuf *error)
{
	pid_t holder = 0;
	int r = lock_file(pid_file, 0644, &rd->pid_fd, &holder);

	if (r == -EBUSY)
		return strbuf_fail(error, r,
				   "another broker (pid %d) holds the pid file %s; stop it, or set "
				   "pid_file in [broker]",
				   (int)holder, pid_file);
	if (r < 0)
		return strbuf_fail(error, r,
				   "cannot write the pid file %s: %m; set pid_file in [broker]",
				   pid_file);
	rd->pid_file = strdup(pid_file);
	return rd->pid_file ? 0 : -ENOMEM;
}

int rundir_let_group_through(struct rundir *rd, gid_t group, struct strbuf *error)
{
	struct stat st;

	if (stat(rd->path, &st) == 0 && chown(rd->path, (uid_t)-1, group) == 0 &&
	    chmod(rd->path, (st.st_mode & 0711) | 0010) == 0)
		return 0;
	return strbuf_fail(error, -errno, "cannot open the run directory %s for control_group: %m",
			   rd->path);
}

int rundir_chown(struct rundir *rd, uid_t uid, gid_t gid)
{
	/* Its group may be the one that is let through; otherwise it means nothing. */
	if (chown(rd->path, uid, (gid_t)-1) < 0 || chown(rd->rendezvous, uid, gid) < 0 ||
	    fchown(rd->lock_fd, uid, gid) < 0 ||
	    (rd->pid_fd >= 0 && fchown(rd->pid_fd, uid, gid) < 0))
		return -errno;
	return 0;
}

void rundir_close(struct rundir *rd)
{
	if (rd->rendezvous_fd >= 0)
		(void)unlink(rd->rendezvous);
	if (rd->pid_file && unlink(rd->pid_file) < 0 && rd->pid_fd >= 0)
		(void)!ftruncate(rd->pid_fd,
				 0); /* no right to the directory: at least no stale pid */
	if (rd->lock_fd >= 0) {
		/* While the lock is held: whatever opens the name next gets a file of its own. */
		(void)unlink(rd->lock);
		(void)rmdir(rd->path);
	}
	fd_closep(&rd->rendezvous_fd);
	fd_closep(&rd->pid_fd);
	fd_closep(&rd->lock_fd);
	free(rd->path);
	free(rd->lock);
	free(rd->rendezvous);
	free(rd->pid_file);
	*rd = RUNDIR_INIT;
}
