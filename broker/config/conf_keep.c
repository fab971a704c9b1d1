#include "conf_keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/words.h"
#include "config/conf_source.h"

int conf_unkeep(const char *bytes, size_t len, const struct conf_command *command,
		struct conf **ret, struct strbuf *error)
{
	const char *file, *text;
	struct conf_facts facts;
	size_t n;

	if (!conf_source_read(bytes, len, &file, &text, &n, &facts))
		return strbuf_fail(error, -EINVAL, "a configuration in it cannot be read");
	if (file)
		return conf_parse(file, text, n, &facts, ret, error);
	if (!command->argv)
		return strbuf_fail(error, -EINVAL, "it is of a command line, which is not given");
	return conf_from_command(command->argv, command->workers, command->listen,
				 command->n_listen, &facts, ret, error);
}

void service_conf_keep(const struct service_conf *sc, struct strbuf *out)
{
	strbuf_addf(out, "%u%c%s%c%s%c", sc->source->number, 0, sc->name, 0,
		    sc->release ? sc->release : "", 0);
	for (char *const *e = sc->file_environment; e && *e; e++)
		strbuf_add_bytes(out, *e, strlen(*e) + 1);
}

struct service_conf *service_conf_unkeep(const char *bytes, size_t len, struct conf *const *confs,
					 size_t n)
{
	const char *at = bytes, *end = bytes + len, *variable;
	const char *number = conf_source_next(&at, end), *name = conf_source_next(&at, end);
	const char *release = conf_source_next(&at, end);
	size_t which = release ? strtoul(number, NULL, 10) : 0;
	struct service_conf *sc =
		which && which <= n ? conf_find_service(confs[which - 1], name) : NULL;

	if (!sc || sc->release || sc->file_environment)
		return NULL;
	if (*release && !(sc->release = strdup(release)))
		return NULL;
	while ((variable = conf_source_next(&at, end)))
		if (strlist_append(&sc->file_environment, variable) < 0)
			return NULL;
	return sc;
}
