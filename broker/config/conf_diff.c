#include "conf_diff.h"

#include "config/option.h"

static unsigned diff(enum option_section section, const void *a, const void *b, unsigned named,
		     struct strbuf *ret_keys)
{
	unsigned classes = 0;
	bool any = false;

	for (size_t i = 0; i < option_count; i++) {
		const struct option *option = &option_table[i];

		if (option->section != section || option_equal(option, a, b))
			continue;
		if (named & CONF_DIFF(option->apply)) {
			strbuf_addf(ret_keys, "%s%s", any ? ", " : "", option->key);
			any = true;
		}
		classes |= CONF_DIFF(option->apply);
	}
	return classes;
}

unsigned service_conf_diff(const struct service_conf *a, const struct service_conf *b,
			   unsigned named, struct strbuf *ret_keys)
{
	return diff(OPTION_SERVICE, a, b, named, ret_keys);
}

unsigned broker_conf_diff(const struct broker_conf *a, const struct broker_conf *b, unsigned named,
			  struct strbuf *ret_keys)
{
	return diff(OPTION_BROKER, a, b, named, ret_keys);
}
