/*
 * conf - builds, keeps, shares, prints and frees a configuration, and finds things in it.
 *
 * A struct conf is built whole or not at all, and never changes afterwards. A reload builds a
 * second one beside it; workers keep the struct service_conf they were started with, and so all
 * that it is part of, for as long as they live.
 *
 * Pure: it opens no file, looks up no user, binds no address and logs nothing. The caller brings
 * the text and the few facts of the machine.
 */
#pragma once

#include "config/types.h"

/*
 * Reads @text (@len bytes, the whole file called @file in messages). 0: *@ret is the caller's, see
 * conf_free. -EINVAL: @error holds one message a line, in the order of the file, each "FILE:LINE:
 * what is wrong, what was given, what is allowed" (without FILE:LINE where none is to blame, such
 * as $WORKER_COUNT); the last one ends without a newline. -ENOMEM: @error is empty.
 *
 * @error NULL: reads the [broker] section alone, as far as it can, and passes mistakes over. It
 * serves to find a broker that runs with what the file was before.
 */
int conf_parse(const char *file, const char *text, size_t len, const struct conf_facts *facts,
	       struct conf **ret, struct strbuf *error);

/* The command line that a configuration may come from: broker -w N -l ADDRESS -- command... */
struct conf_command {
	char *const *argv;			     /* NULL: none */
	const char *workers;			     /* NULL: the default */
	const char *listen[CONF_COMMAND_LISTEN_MAX]; /* texts as in a `listen` line */
	size_t n_listen;
};

/*
 * As conf_parse() from the command line. The service is called after the command ("app" where its
 * name will not do). Messages begin without FILE:LINE.
 */
int conf_from_command(const struct conf_command *command, const struct conf_facts *facts,
		      struct conf **ret, struct strbuf *error);

/*
 * Reads again, maybe in another program, exactly what was read once, so that every value, origin
 * and line is the same, whatever has become of the file. @bytes: conf_source.bytes. 0: *@ret is the
 * caller's; -EINVAL, -ENOMEM with @error.
 */
int conf_unkeep(const char *bytes, size_t len, const struct conf_command *command,
		struct conf **ret, struct strbuf *error);

/* Of a service: the .number of its source, its name, and what the disk had said. */
void service_conf_keep(const struct service_conf *sc, struct strbuf *out);

/* The one of that name in @confs[number - 1], filled; NULL: there is none, or no memory. */
struct service_conf *service_conf_unkeep(const char *bytes, size_t len, struct conf *const *confs,
					 size_t n);

void conf_free(struct conf *conf); /* NULL is fine. It lives on while somebody holds a service. */

/* @conf and all in it hold @names, which may be NULL. */
void conf_set_names(struct conf *conf, struct conf_names *names);
void conf_names_unref(struct conf_names *names); /* NULL is fine */

struct service_conf *service_conf_ref(struct service_conf *sc);
void service_conf_unref(struct service_conf *sc); /* NULL is fine */

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

/*
 * Every option with its value and, in a comment, where that came from. The text is a valid file
 * that means the same: [defaults] and what depends on the machine are in it as the values that they
 * came to, paths are absolute. (Words of a command line may hold what cannot stand in a file.)
 * 0: *@ret_text is the caller's to free. -ENOMEM.
 */
int conf_print(const struct conf *conf, char **ret_text);
