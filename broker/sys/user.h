/*
 * user - what the users and groups of a configuration are, by what the name service has said of
 * them (name_service.h); and giving up the broker's own rights.
 */
#pragma once

#include "sys/spawn.h"

struct user_info {
	struct spawn_ids ids;
	char name[64]; /* empty: a number without an entry */
	char home[256];
};

/*
 * Finds @user and @group, names or numbers, in @names; NULL: the broker's own, and ids.change stays
 * false if both are. A user without @group gets its own groups; with numbers for both it has no
 * other, no name and no home. 0; -ENOENT, -EPERM with @error.
 */
int user_lookup(const struct conf_names *names, const char *user, const char *group,
		struct user_info *ret, struct strbuf *error);

/* A group by its name or number. 0, or -ENOENT with @error. */
int user_find_group(const struct conf_names *names, const char *group, gid_t *ret,
		    struct strbuf *error);

/* The users and groups of all services. 0; -ENOENT, -EPERM with @error: the first that is none. */
int user_check_services(const struct conf *conf, struct strbuf *error);

/* A number that stands for itself: no user -1, which means "leave it" to setresuid(2). */
bool user_parse_id(const char *text, unsigned *ret);

/*
 * Changes the broker itself to @ids, as spawn_change_ids(). CAP_NET_BIND_SERVICE is kept if it was
 * there, so that a listener on a port below 1024 can still be added; see also rights_hide(). 0 or
 * -errno with @error.
 */
int user_become(const struct spawn_ids *ids, struct strbuf *error);
