#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/units.h"
#include "sys/rights.h"

#ifdef BROKER_STATIC
/* A static glibc has no NSS: only the files are read, which is what is said in the manual. */
static struct passwd *find_user(const char *name, uid_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *pw = NULL;

	while (f && (pw = fgetpwent(f)))
		if (name ? !strcmp(pw->pw_name, name) : pw->pw_uid == uid)
			break;
	if (f)
		fclose(f);
	return pw;
}

static struct group *find_group(const char *name)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *gr = NULL;

	while (f && (gr = fgetgrent(f)))
		if (!strcmp(gr->gr_name, name))
			break;
	if (f)
		fclose(f);
	return gr;
}

static void add_groups(const struct passwd *pw, struct spawn_ids *ids)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *gr;

	while (f && ids->n_groups < SPAWN_MAX_GROUPS && (gr = fgetgrent(f)))
		for (char **m = gr->gr_mem; *m; m++)
			if (!strcmp(*m, pw->pw_name) && gr->gr_gid != ids->gid)
				ids->groups[ids->n_groups++] = gr->gr_gid;
	if (f)
		fclose(f);
}
#else
static struct passwd *find_user(const char *name, uid_t uid)
{
	return name ? getpwnam(name) : getpwuid(uid);
}

static struct group *find_group(const char *name)
{
	return getgrnam(name);
}

static void add_groups(const struct passwd *pw, struct spawn_ids *ids)
{
	int n = SPAWN_MAX_GROUPS;

	if (getgrouplist(pw->pw_name, ids->gid, ids->groups, &n) >= 0)
		ids->n_groups = n;
}
#endif

static bool parse_id(const char *text, unsigned *ret)
{
	int64_t id;

	/* (uid_t)-1 means "leave it" to setresuid(2). */
	if (units_parse_count(text, &id) != 0 || id >= UINT32_MAX)
		return false;
	*ret = (unsigned)id;
	return true;
}

void user_name(uid_t uid, char *ret, size_t size)
{
	const struct passwd *pw = find_user(NULL, uid);

	if (pw)
		snprintf(ret, size, "%s", pw->pw_name);
	else
		snprintf(ret, size, "%u", (unsigned)uid);
}

int user_find_group(const char *group, gid_t *ret, struct strbuf *error)
{
	struct group *gr;
	unsigned id;

	if (parse_id(group, &id)) {
		*ret = id;
		return 0;
	}
	gr = find_group(group);
	if (!gr)
		return strbuf_fail(error, -ENOENT, "there is no group \"%s\" on this machine",
				   group);
	*ret = gr->gr_gid;
	return 0;
}

int user_lookup(const char *user, const char *group, struct user_info *ret, struct strbuf *error)
{
	struct user_info info = { .ids = { .uid = geteuid(), .gid = getegid() } };
	struct passwd *pw = NULL;
	unsigned id;

	if (user) {
		bool number = parse_id(user, &id);

		pw = number ? find_user(NULL, id) : find_user(user, 0);
		if (!pw && !number)
			return strbuf_fail(error, -ENOENT,
					   "there is no user \"%s\" on this machine", user);
		info.ids.uid = number ? id : pw->pw_uid;
	}
	if (group) {
		int r = user_find_group(group, &info.ids.gid, error);

		if (r < 0)
			return r;
	} else if (pw) {
		info.ids.gid = pw->pw_gid;
	}
	if (pw) {
		snprintf(info.name, sizeof(info.name), "%s", pw->pw_name);
		snprintf(info.home, sizeof(info.home), "%s", pw->pw_dir);
		add_groups(pw, &info.ids);
	}
	if (info.ids.n_groups == 0)
		info.ids.groups[info.ids.n_groups++] = info.ids.gid;

	info.ids.change = info.ids.uid != geteuid() || info.ids.gid != getegid();
	if (info.ids.change && geteuid() != 0)
		return strbuf_fail(
			error, -EPERM,
			"only root can change to user %s, group %s; start the broker as root or "
			"remove user and group",
			user ? user : "(unchanged)", group ? group : "(of the user)");
	*ret = info;
	return 0;
}

int user_become(const struct spawn_ids *ids, struct strbuf *error)
{
	int r;

	if (!ids->change)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return strbuf_fail(error, -errno, "cannot keep the right to bind low ports: %m");
	r = spawn_change_ids(ids, error);
	if (r < 0)
		return r;
	rights_hide(); /* the change of the user has reset that */
	r = rights_reduce(RIGHT_NET_BIND_SERVICE);
	return r < 0 ? strbuf_fail(error, r, "cannot reduce the capabilities: %m") : 0;
}
