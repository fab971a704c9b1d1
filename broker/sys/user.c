#include "user.h"

#include <sys/prctl.h>
#include <unistd.h>
#include "base/units.h"
#include "sys/rights.h"
#include "sys/starter.h"

static_assert(SPAWN_MAX_GROUPS == CONF_GROUPS_MAX, "all of them are copied");

bool user_parse_id(const char *text, unsigned *ret)
{
	int64_t id;

	if (units_parse_count(text, &id) != 0 || id >= UINT32_MAX)
		return false;
	*ret = (unsigned)id;
	return true;
}

static const struct conf_name *find(const struct conf_names *names, bool is_group,
				    const char *asked)
{
	for (size_t i = 0; names && i < names->n; i++)
		if (names->of[i].is_group == is_group && !strcmp(names->of[i].asked, asked))
			return &names->of[i];
	return NULL;
}

/* @name: what is known of it, or NULL. */
static int fail(const struct conf_name *name, const char *kind, const char *asked,
		struct strbuf *error)
{
	if (name || strlen(asked) >= CONF_NAME_SIZE)
		return strbuf_fail(error, -ENOENT, "there is no %s \"%s\" on this machine", kind,
				   asked);
	return strbuf_fail(
		error, -ENOENT,
		"%s \"%s\" was not looked up: the file did not have it then; reload again", kind,
		asked);
}

int user_find_group(const struct conf_names *names, const char *group, gid_t *ret,
		    struct strbuf *error)
{
	const struct conf_name *name;
	unsigned id;

	if (user_parse_id(group, &id)) {
		*ret = id;
		return 0;
	}
	name = find(names, true, group);
	if (!name || name->state != NAME_KNOWN)
		return fail(name, "group", group, error);
	*ret = name->gid;
	return 0;
}

int user_lookup(const struct conf_names *names, const char *user, const char *group,
		struct user_info *ret, struct strbuf *error)
{
	struct user_info info = { .ids = { .uid = geteuid(), .gid = getegid() } };
	const struct conf_name *name = NULL;
	unsigned gid;
	bool number = user && user_parse_id(user, &info.ids.uid);
	int r = 0;

	/* Numbers for both are taken as they are, whoever else asks for this user. */
	if (user && (!number || !group || !user_parse_id(group, &gid)))
		name = find(names, false, user);
	if (name && name->state == NAME_KNOWN) {
		info.ids.uid = name->uid;
		info.ids.gid = name->gid;
		memcpy(info.name, name->name, sizeof(info.name));
		memcpy(info.home, name->home, sizeof(info.home));
		memcpy(info.ids.groups, name->groups, sizeof(info.ids.groups));
		info.ids.n_groups = name->n_groups;
	} else if (user && !number) {
		return fail(name, "user", user, error);
	}
	if (group)
		r = user_find_group(names, group, &info.ids.gid, error);
	if (r < 0)
		return r;
	/* It is the first of them, or in the place of the user's own. */
	info.ids.groups[0] = info.ids.gid;
	info.ids.n_groups += info.ids.n_groups == 0;

	info.ids.change = info.ids.uid != geteuid() || info.ids.gid != getegid();
	if (info.ids.change && !starter_changes_user())
		return strbuf_fail(
			error, -EPERM,
			"only root can change to user %s, group %s; start the broker as root or "
			"remove user and group",
			user ? user : "(unchanged)", group ? group : "(of the user)");
	*ret = info;
	return 0;
}

int user_check_services(const struct conf *conf, struct strbuf *error)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];
		struct user_info user;
		int r;

		strbuf_addf(error, "[service:%s]: ", sc->name);
		r = user_lookup(sc->names, sc->user, sc->group, &user, error);
		if (r < 0)
			return r;
		error->text[error->len = 0] = '\0';
	}
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
