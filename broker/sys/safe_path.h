/*
 * safe_path - the paths of a configuration, used so that nobody else can lead us to another file.
 *
 * A path is walked from / on, a directory at a time and by descriptors. For root, each directory
 * belongs to root (or to the owner of /, as root of a user namespace has it) and is writable by
 * nobody else. Where it has the sticky bit, as /tmp, others may write, but what we use in it must
 * be root's. A symbolic link is followed if it is root's. Such a path leads to the same place the
 * next time, too: its users may name it again.
 *
 * For another user, as a developer in a home or project of several users, only a directory that
 * everybody may write is refused, and what another user has put into one with the sticky bit.
 *
 * What a stranger could change is used with no more than the rights of the user for whom it is.
 */
#pragma once

#include <sys/stat.h>
#include "sys/user.h"

/* Whether only root and our user may write the file or directory of @st. */
bool safe_path_is_ours(const struct stat *st);

/*
 * The directory @path itself, which is made if it is missing (0700; those above it 0755): only what
 * is above it is checked. 0: *@ret_fd is the caller's, close-on-exec. -EPERM, -errno with @error.
 */
int safe_path_make_dir(const char *path, int *ret_fd, struct strbuf *error);

/*
 * Opens the file @path with @flags of open(2), which never waits, close-on-exec and O_NONBLOCK. A
 * missing one is made with @mode (O_CREAT). A link in its place is followed, but for O_NOFOLLOW.
 *
 * To be read, the file itself must be ours alone to write, or belong to @as. Where a group may
 * write the directory, as /var/log on some systems, a file to be written (O_CREAT without
 * O_NOFOLLOW) must be root's, or of @as. A file that strangers could exchange is opened with the
 * rights of @as (NULL, or root: refused), and must be a regular one; elsewhere it may be a
 * device, or a FIFO that is read. 0: *@ret_fd is the caller's; -EPERM, -errno with @error.
 */
int safe_path_open(const char *path, int flags, mode_t mode, const struct spawn_ids *as,
		   int *ret_fd, struct strbuf *error);

/*
 * What is done with @path until safe_path_end() is safe: nobody else can change its directories, or
 * it is done with the rights of @as (NULL, or root: refused). 0; -EPERM, -errno with @error.
 */
struct safe_path {
	bool as_other; /* these are what we go back to: */
	gid_t gid, groups[SPAWN_MAX_GROUPS];
	int n_groups;
};
int safe_path_begin(const char *path, const struct spawn_ids *as, struct safe_path *ret,
		    struct strbuf *error);
void safe_path_end(struct safe_path *scope);
#define _cleanup_safe_path_ __attribute__((cleanup(safe_path_end)))

/* Removes @path if it is the file of @device and @inode; no link above it is followed elsewhere. */
void safe_path_remove(const char *path, dev_t device, ino_t inode);
