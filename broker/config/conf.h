/*
 * conf - shares, prints and frees a configuration, and finds things in it.
 *
 * A struct conf is built whole or not at all (conf_build.h) and never changes
 * afterwards. A reload builds a second one beside it; workers keep the struct
 * service_conf they were started with for as long as they live.
 */
#pragma once

#include "config/types.h"

void conf_free(struct conf *conf); /* NULL is fine. Services live on while somebody holds them. */

struct service_conf *service_conf_ref(struct service_conf *sc);
void service_conf_unref(struct service_conf *sc); /* NULL is fine */

/* Whether anything is served there. */
static inline bool conf_serve_is_on(const struct conf_serve *serve)
{
	return serve->addr.family != 0 || serve->path;
}

/* NULL if there is none of that name. */
struct service_conf *conf_find_service(const struct conf *conf, const char *name);

/* What the link in .directory led to; NULL: there is none on the way. */
static inline const char *conf_release(const struct service_conf *sc)
{
	return sc->release && strcmp(sc->release, sc->directory) != 0 ? sc->release : NULL;
}

/* Where the workers of @sc run; NULL: where the broker does. */
static inline const char *conf_directory(const struct service_conf *sc)
{
	return sc->release ? sc->release : sc->directory;
}

/* The words that come before the command in @slot; NULL: none do. */
char *const *conf_find_wrap(const struct service_conf *sc, unsigned slot);

/* Whether @port is one of private_ports: the app binds it itself. */
bool conf_port_is_private(const struct service_conf *sc, uint16_t port);

/*
 * Every option with its value and, in a comment, where that came from. The text is a valid file
 * that means the same: [defaults] and what depends on the machine are in it as the values that they
 * came to, paths are absolute. (Words of a command line may hold what cannot stand in a file.)
 * 0: *@ret_text is the caller's to free. -ENOMEM.
 */
int conf_print(const struct conf *conf, char **ret_text);
