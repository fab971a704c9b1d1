#include "rights.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "sys/program.h"

bool rights_are_given_by(const char *name, const char *path, const char *directory)
{
	char file[PATH_MAX];
	struct stat st;

	if (program_find(name, path, directory, file) < 0 || stat(file, &st) < 0)
		return false;
	/* Without the x bit the setgid bit means mandatory locking. */
	return (st.st_mode & S_ISUID) ||
	       (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
	       getxattr(file, "security.capability", NULL, 0) > 0;
}

enum { EFFECTIVE, PERMITTED, INHERITABLE, SETS };

/* By capset(2), which libc leaves to a library of its own. */
static int change(uint64_t keep, uint64_t use)
{
	uint32_t version_and_pid[] = { 0x20080522, 0 }, sets[2][SETS];

	if (syscall(SYS_capget, version_and_pid, sets) < 0)
		return -errno;
	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
		sets[i][PERMITTED] &= (uint32_t)(keep >> 32 * i);
		sets[i][EFFECTIVE] = sets[i][PERMITTED] & (uint32_t)(use >> 32 * i);
		sets[i][INHERITABLE] &= sets[i][PERMITTED];
	}
	return syscall(SYS_capset, version_and_pid, sets) < 0 ? -errno : 0;
}

int rights_reduce(uint64_t keep)
{
	return change(keep, RIGHTS_ALL);
}

int rights_use(uint64_t use)
{
	return change(RIGHTS_ALL, use);
}

void rights_inherit(uint64_t inherit)
{
	uint32_t version_and_pid[] = { 0x20080522, 0 }, sets[2][SETS];

	if (syscall(SYS_capget, version_and_pid, sets) < 0)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++)
		sets[i][INHERITABLE] = sets[i][PERMITTED] & (uint32_t)(inherit >> 32 * i);
	(void)syscall(SYS_capset, version_and_pid, sets);
}

void rights_pass_on(bool on)
{
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* What may not be passed on is refused, and stays behind. */
	for (unsigned cap = 0; on && cap < 64; cap++)
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

int rights_gain_none(uint64_t bound)
{
	/* Who has no right to do so (CAP_SETPCAP) is no root that could use them. */
	for (unsigned cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(bound >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
		    errno != EPERM)
			return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

void rights_hide(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
