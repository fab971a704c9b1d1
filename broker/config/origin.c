#include "origin.h"

#include <errno.h>
#include <string.h>

static struct conf_origins *origins_of(const struct option *opt, const void *conf)
{
	struct conf_origins *all = opt->section == OPTION_BROKER
					   ? ((const struct broker_conf *)conf)->origins
					   : ((const struct service_conf *)conf)->origins;

	return &all[opt - option_table];
}

const struct conf_origin *origin_find(const struct option *opt, const void *conf, size_t entry)
{
	const struct conf_origins *origins = origins_of(opt, conf);

	return entry < origins->n ? &origins->of[entry] : NULL;
}

unsigned origin_line(const struct option *opt, const void *conf, size_t entry)
{
	const struct conf_origin *found = origin_find(opt, conf, entry);

	return found ? found->line : 0;
}

int origin_set(const struct option *opt, void *conf, size_t entry, size_t n,
	       struct conf_origin origin)
{
	struct conf_origins *origins = origins_of(opt, conf);
	struct conf_origin *of = realloc(origins->of, (entry + n) * sizeof(*of));

	if (!of)
		return -ENOMEM;
	for (size_t i = entry; i < entry + n; i++)
		of[i] = origin;
	*origins = (struct conf_origins){ .of = of, .n = entry + n };
	return 0;
}

void origin_remove(const struct option *opt, void *conf, size_t entry)
{
	struct conf_origins *origins = origins_of(opt, conf);

	origins->n--;
	memmove(&origins->of[entry], &origins->of[entry + 1],
		(origins->n - entry) * sizeof(*origins->of));
}
