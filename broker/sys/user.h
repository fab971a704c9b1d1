/*
 * user - names of users and groups to numbers, and giving up the broker's own rights.
 */
#pragma once

#include "base/strbuf.h"
#include "sys/spawn.h"

struct user_info {
	struct spawn_ids ids;
	char name[64]; /* empty: a number without an entry */
	char home[256];
};

/*
 * Looks up @user and @group, names or numbers; NULL: the broker's own, and ids.change stays
 * false if both are. A user without @group gets its own groups. 0; -ENOENT, -EPERM with @error.
 */
int user_lookup(const char *user, const char *group, struct user_info *ret, struct strbuf *error);

/* The name of @uid; its number where it has none. */
void user_name(uid_t uid, char *ret, size_t size);

/* A group by its name or number. 0, or -ENOENT with @error. */
int user_find_group(const char *group, gid_t *ret, struct strbuf *error);

/*
 * Changes the broker itself to @ids, as spawn_change_ids(). CAP_NET_BIND_SERVICE is kept if it was
 * there, so that a listener on a port below 1024 can still be added; see also rights_hide(). 0 or
 * -errno with @error.
 */
int user_become(const struct spawn_ids *ids, struct strbuf *error);
