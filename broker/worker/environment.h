/*
 * environment - what a process that is started for a service finds in its environment.
 */
#pragma once

#include "sys/user.h"
#include "worker/types.h"

/* Where commands of @sc are looked for. */
const char *environment_path(const struct service_conf *sc);

/*
 * What @sc says replaces what the broker was started with, and a process of @w (NULL: of none) is
 * told so; a helper, see helper_start(), not how to listen. 0 or -ENOMEM; *@ret is the caller's in
 * either case, for strlist_free().
 */
int environment_make(const struct service_conf *sc, const struct user_info *user,
		     const struct worker *w, bool is_helper, char ***ret);
