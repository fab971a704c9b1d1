#include "safe_path.h"

#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/param.h>
#include <sys/vfs.h>
#include "base/fd.h"

#define LINKS_MAX	 40	/* as the kernel */
#define PROC_SUPER_MAGIC 0x9fa0 /* linux/magic.h, which musl's compiler wrapper does not find */

enum {
	FOLLOW = 1 << 0,   /* the last part may be a link */
	GROUPS = 1 << 1,   /* a group may write the directories; then .shared */
	INTO_LAST = 1 << 2 /* that is a directory, anybody's; those missing are made */
};

struct walk {
	unsigned how;
	int dir; /* O_PATH: where we are */
	struct stat st;
	bool shared; /* strangers may write where we are, or a group somewhere above */
	unsigned links;
	char name[NAME_MAX + 2]; /* the last part; the kernel refuses one that is cut */
	char left[PATH_MAX];	 /* still to be walked */
};

/* --- what is safe ------------------------------------------------------------------------ */

static bool is_trusted(uid_t uid)
{
	struct stat top;

	return uid == 0 || uid == geteuid() || (stat("/", &top) == 0 && uid == top.st_uid);
}

/* Everybody, or for root a group. */
static bool others_may_write(const struct stat *st)
{
	return st->st_mode & (geteuid() == 0 && st->st_gid != 0 ? S_IWGRP | S_IWOTH : S_IWOTH);
}

bool safe_path_is_ours(const struct stat *st)
{
	return is_trusted(st->st_uid) && !others_may_write(st);
}

/* The kernel alone decides what is there. */
static bool is_proc(int dir)
{
	struct statfs fs;

	return fstatfs(dir, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static int refuse(int dir, const struct stat *st, const char *name, struct strbuf *error)
{
	bool theirs = !is_trusted(st->st_uid);
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (*name)
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", name);
	strbuf_addf(error, "%s %s ", S_ISDIR(st->st_mode) ? "the directory" : "the file", path);
	if (theirs)
		strbuf_addf(error, "belongs to another user (%u)", (unsigned)st->st_uid);
	else if (others_may_write(st))
		strbuf_addf(error, "can be written by %s",
			    st->st_mode & S_IWOTH ? "everybody" : "its group");
	else
		strbuf_add(error, "has another name, too, in a place where others may write");
	return strbuf_fail(error, -EPERM,
			   ", and so cannot be trusted: %s %s, or choose another path",
			   theirs		  ? "chown root"
			   : others_may_write(st) ? "chmod go-w"
						  : "remove",
			   path);
}

/* Whether a directory in @above is one that strangers could change. */
static bool is_at_fault(struct walk *w, int dir, const struct stat *st, const struct stat *above)
{
	bool everybody = st->st_mode & S_IWOTH;

	if (is_proc(dir))
		return false;
	if (!is_trusted(st->st_uid) && (geteuid() == 0 || everybody || others_may_write(above)))
		return true;
	if (!others_may_write(st) || (st->st_mode & S_ISVTX))
		return false;
	w->shared = true;
	return everybody || !(w->how & GROUPS);
}

/* --- the walk ---------------------------------------------------------------------------- */

/* Moves the next part of .left to .name, empty if there is none. True: it is the last one. */
static bool take_name(struct walk *w)
{
	char *from = w->left + strspn(w->left, "/");
	size_t len = strcspn(from, "/"), n = MIN(len, sizeof(w->name) - 1);

	memcpy(w->name, from, n);
	w->name[n] = '\0';
	from += len;
	from += strspn(from, "/");
	memmove(w->left, from, strlen(from) + 1);
	return !*w->left;
}

static int enter(struct walk *w, const char *name, bool checks, struct strbuf *error)
{
	_cleanup_fd_ int fd = openat(w->dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return strbuf_fail(error, -errno, "%m");
	if (checks && is_at_fault(w, fd, &st, w->dir < 0 ? &st : &w->st))
		return refuse(fd, &st, "", error);
	fd_closep(&w->dir);
	w->dir = fd_take(&fd);
	w->st = st;
	return 0;
}

/* What it leads to comes before the rest. */
static int follow(struct walk *w, const struct stat *st, struct strbuf *error)
{
	char to[PATH_MAX];
	ssize_t n = readlinkat(w->dir, w->name, to, sizeof(to));
	size_t rest = strlen(w->left);

	if (n < 0)
		return strbuf_fail(error, -errno, "%m");
	if (!is_trusted(st->st_uid) && (geteuid() == 0 || others_may_write(&w->st)))
		return refuse(w->dir, st, w->name, error);
	if (++w->links > LINKS_MAX || (size_t)n + rest + 2 > sizeof(w->left))
		return strbuf_fail(error, -ELOOP, "%m");
	memmove(w->left + n + 1, w->left, rest + 1);
	memcpy(w->left, to, (size_t)n);
	w->left[n] = '/';
	if (!rest)
		w->left[n] = '\0';
	return *to == '/' ? enter(w, "/", true, error) : 0;
}

static int walk(struct walk *w, const char *path, unsigned how, struct strbuf *error)
{
	int r;

	*w = (struct walk){ .how = how, .dir = -1 };
	if (*path != '/' && !getcwd(w->left, sizeof(w->left)))
		return strbuf_fail(error, -errno, "%m");
	if (strlen(w->left) + strlen(path) + 1 >= sizeof(w->left))
		return strbuf_fail(error, -ENAMETOOLONG, "%m");
	strcat(w->left, "/");
	strcat(w->left, path);
	r = enter(w, "/", true, error);
	while (r == 0) {
		bool last = take_name(w), into_last = last && (how & INTO_LAST), missing, link;
		struct stat st;

		if (!*w->name)
			break;
		missing = fstatat(w->dir, w->name, &st, AT_SYMLINK_NOFOLLOW) < 0;
		if (missing && errno != ENOENT)
			return strbuf_fail(error, -errno, "%m");
		link = !missing && S_ISLNK(st.st_mode) && !into_last;
		if (last && !into_last && (!link || !(how & FOLLOW) || is_proc(w->dir)))
			break;
		if (missing && (how & INTO_LAST) &&
		    mkdirat(w->dir, w->name, last ? 0700 : 0755) < 0 && errno != EEXIST)
			return strbuf_fail(error, -errno, "%m");
		r = link ? follow(w, &st, error) : enter(w, w->name, !into_last, error);
	}
	w->shared |= others_may_write(&w->st);
	return r;
}

static void walk_end(struct walk *w)
{
	fd_closep(&w->dir);
}
#define _cleanup_walk_ __attribute__((cleanup(walk_end)))

/* --- with the rights of another user ------------------------------------------------------ */

static int become(const struct spawn_ids *ids, struct safe_path *scope, struct strbuf *error)
{
	scope->gid = getegid();
	scope->n_groups = getgroups(SPAWN_MAX_GROUPS, scope->groups);
	if (scope->n_groups < 0 || setgroups((size_t)ids->n_groups, ids->groups) < 0)
		return strbuf_fail(error, -errno, "%m");
	scope->as_other = true;
	(void)setfsgid(ids->gid);
	(void)setfsuid(ids->uid); /* tells nothing, but what it was */
	if ((uid_t)setfsuid((uid_t)-1) == ids->uid && (gid_t)setfsgid((gid_t)-1) == ids->gid)
		return 0;
	return strbuf_fail(error, -EPERM, "cannot take on the rights of user %u",
			   (unsigned)ids->uid);
}

void safe_path_end(struct safe_path *scope)
{
	if (!scope->as_other)
		return;
	(void)setfsuid(geteuid());
	(void)setfsgid(scope->gid);
	(void)!setgroups((size_t)scope->n_groups, scope->groups);
	scope->as_other = false;
}

static bool can_become(const struct spawn_ids *as)
{
	return as && as->uid != 0 && geteuid() == 0;
}

int safe_path_begin(const char *path, const struct spawn_ids *as, struct safe_path *ret,
		    struct strbuf *error)
{
	_cleanup_walk_ struct walk w;
	STRBUF(why, PATH_MAX + 256);
	int r = walk(&w, path, 0, &why);

	ret->as_other = false;
	if (r == -EPERM && can_become(as))
		return become(as, ret, error);
	strbuf_add(error, why.text);
	return r;
}

/* --- files and directories --------------------------------------------------------------- */

static int open_at(const struct walk *w, int flags, mode_t mode)
{
	int fd = openat(w->dir, w->name, flags & ~O_CREAT);

	/* In two steps: a kernel that protects files in /tmp refuses O_CREAT for one of others. */
	for (int i = 0; i < 10 && fd < 0 && errno == ENOENT && (flags & O_CREAT); i++) {
		fd = openat(w->dir, w->name, flags | O_EXCL, mode);
		if (fd < 0 && errno == EEXIST)
			fd = openat(w->dir, w->name, flags & ~O_CREAT);
	}
	return fd;
}

/* What is read must be ours. What is appended to need not be where only we can make a file. */
static bool is_good(const struct walk *w, int flags, const struct stat *st,
		    const struct spawn_ids *as)
{
	if (as && as->uid == st->st_uid)
		return true;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return safe_path_is_ours(st);
	return !w->shared ||
	       (is_trusted(st->st_uid) && !(S_ISREG(st->st_mode) && st->st_nlink > 1));
}

static int open_file(const char *path, int flags, mode_t mode, const struct spawn_ids *as,
		     int *ret_fd, struct strbuf *error)
{
	const unsigned how = flags & O_NOFOLLOW ? 0 : flags & O_CREAT ? FOLLOW | GROUPS : FOLLOW;
	_cleanup_walk_ struct walk w;
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r = walk(&w, path, how, error);

	if (r < 0)
		return r;
	fd = open_at(&w, flags | (is_proc(w.dir) ? 0 : O_NOFOLLOW), mode);
	if (fd < 0 && errno == ENXIO)
		return strbuf_fail(error, -ENXIO,
				   "no process reads this FIFO: start its reader first");
	if (fd < 0 || fstat(fd, &st) < 0)
		return strbuf_fail(error, -errno, "%m");
	if (!is_good(&w, flags, &st, as))
		return refuse(w.dir, &st, w.name, error);
	*ret_fd = fd_take(&fd);
	return 0;
}

int safe_path_open(const char *path, int flags, mode_t mode, const struct spawn_ids *as,
		   int *ret_fd, struct strbuf *error)
{
	_cleanup_safe_path_ struct safe_path scope = { .as_other = false };
	_cleanup_fd_ int fd = -1;
	STRBUF(why, PATH_MAX + 256);
	struct stat st;
	int r;

	flags |= O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	r = open_file(path, flags, mode, as, ret_fd, &why);
	if (r != -EPERM || !can_become(as)) {
		strbuf_add(error, why.text);
		return r;
	}
	r = become(as, &scope, error);
	if (r < 0)
		return r;
	fd = open(path, flags | O_NOFOLLOW, mode);
	if (fd < 0 || fstat(fd, &st) < 0)
		return strbuf_fail(error, -errno, "%m, as user %u (%s)", (unsigned)as->uid,
				   why.text);
	if (!S_ISREG(st.st_mode))
		return strbuf_fail(error, -EPERM, "it is not a regular file, and %s", why.text);
	*ret_fd = fd_take(&fd);
	return 0;
}

int safe_path_make_dir(const char *path, int *ret_fd, struct strbuf *error)
{
	_cleanup_walk_ struct walk w;
	int r = walk(&w, path, INTO_LAST, error);

	if (r < 0)
		return r;
	*ret_fd = openat(w.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? strbuf_fail(error, -errno, "%m") : 0;
}

void safe_path_remove(const char *path, dev_t device, ino_t inode)
{
	char above[PATH_MAX], last[PATH_MAX];
	_cleanup_fd_ int dir = -1;
	struct stat st;

	if (strlen(path) >= sizeof(above))
		return;
	dir = open(dirname(strcpy(above, path)), O_PATH | O_DIRECTORY | O_CLOEXEC);
	path = basename(strcpy(last, path));
	if (dir >= 0 && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == device &&
	    st.st_ino == inode)
		(void)unlinkat(dir, path, 0);
}
