#include "name_service.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "sys/user.h"

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

/* Its own is the first of them. */
static void add_groups(const struct passwd *pw, struct conf_name *a)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *gr;

	a->groups[a->n_groups++] = pw->pw_gid;
	while (f && a->n_groups < CONF_GROUPS_MAX && (gr = fgetgrent(f)))
		for (char **m = gr->gr_mem; *m && a->n_groups < CONF_GROUPS_MAX; m++)
			if (!strcmp(*m, pw->pw_name) && gr->gr_gid != pw->pw_gid)
				a->groups[a->n_groups++] = gr->gr_gid;
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

static void add_groups(const struct passwd *pw, struct conf_name *a)
{
	int n = CONF_GROUPS_MAX;

	if (getgrouplist(pw->pw_name, pw->pw_gid, a->groups, &n) >= 0)
		a->n_groups = n;
}
#endif

static struct conf_name answer(const char *question)
{
	struct conf_name a = { .state = NAME_UNKNOWN, .is_group = *question == LOOK_UP_GROUP };
	const char *asked = question + 1;
	const struct passwd *pw;
	const struct group *gr;
	unsigned id;

	snprintf(a.asked, sizeof(a.asked), "%s", asked);
	if (a.is_group) {
		gr = find_group(asked);
		if (!gr)
			return a;
		a.gid = gr->gr_gid;
	} else {
		pw = user_parse_id(asked, &id) ? find_user(NULL, id) : find_user(asked, 0);
		if (!pw)
			return a;
		a.uid = pw->pw_uid;
		a.gid = pw->pw_gid;
		snprintf(a.name, sizeof(a.name), "%s", pw->pw_name);
		snprintf(a.home, sizeof(a.home), "%s", pw->pw_dir);
		add_groups(pw, &a);
	}
	a.state = NAME_KNOWN;
	return a;
}

int name_service_answer(char *const *questions)
{
	(void)prctl(PR_SET_NAME, "broker-look-up");
	for (; *questions; questions++) {
		const struct conf_name a = answer(*questions);

		if (write(SPAWN_STATUS_FD, &a, sizeof(a)) != sizeof(a))
			return 1;
	}
	return 0;
}

void name_service_name(uid_t uid, char *ret, size_t size)
{
	const struct passwd *pw = find_user(NULL, uid);

	if (pw)
		snprintf(ret, size, "%s", pw->pw_name);
	else
		snprintf(ret, size, "%u", (unsigned)uid);
}
