#include "conf_source.h"

#include <stdlib.h>
#include <string.h>

/* Terminated: the number of processors, file, directory, $WORKER_COUNT; then the text. */
struct conf_source *conf_source_new(const char *file, const char *text, size_t len,
				    const struct conf_facts *facts)
{
	struct strbuf b = STRBUF_GROWS(CONF_FILE_MAX + (64 << 10));
	struct conf_source *s = NULL;

	strbuf_addf(&b, "%u%c%s%c%s%c%s%c", facts->cpus, 0, file ? file : "", 0, facts->base_dir, 0,
		    facts->worker_count ? facts->worker_count : "", 0);
	strbuf_add_bytes(&b, text, len);
	if (!b.cut)
		s = malloc(sizeof(*s) + b.len);
	if (s) {
		*s = (struct conf_source){ .refs = 1, .len = b.len };
		memcpy(s->bytes, b.text, b.len);
	}
	strbuf_deinit(&b);
	return s;
}

struct conf_source *conf_source_ref(struct conf_source *s)
{
	s->refs++;
	return s;
}

void conf_source_unref(struct conf_source *s)
{
	if (s && --s->refs == 0)
		free(s);
}

const char *conf_source_next(const char **at, const char *end)
{
	const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	*at = nul ? nul + 1 : end;
	return nul ? text : NULL;
}

bool conf_source_read(const char *bytes, size_t len, const char **ret_file, const char **ret_text,
		      size_t *ret_len, struct conf_facts *ret_facts)
{
	const char *at = bytes, *end = bytes + len;
	const char *cpus = conf_source_next(&at, end), *file = conf_source_next(&at, end);
	const char *directory = conf_source_next(&at, end), *count = conf_source_next(&at, end);

	if (!count || *directory != '/')
		return false;
	*ret_facts = (struct conf_facts){ .worker_count = *count ? count : NULL,
					  .cpus = (unsigned)strtoul(cpus, NULL, 10),
					  .base_dir = directory };
	*ret_file = *file ? file : NULL;
	*ret_text = at;
	*ret_len = (size_t)(end - at);
	return true;
}
