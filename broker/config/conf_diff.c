#include "conf_diff.h"

#include "config/option.h"

static bool differs(enum option_section section, const void *a, const void *b,
		    enum option_apply apply, struct strbuf *ret_keys)
{
	bool any = false;

	for (size_t i = 0; i < option_count; i++) {
		const struct option *option = &option_table[i];

		if (option->section != section || (apply != APPLY_N && option->apply != apply) ||
		    option_equal(option, a, b))
			continue;
		strbuf_addf(ret_keys, "%s%s", any ? ", " : "", option->key);
		any = true;
	}
	return any;
}

bool service_conf_differs(const struct service_conf *a, const struct service_conf *b,
			  enum option_apply apply, struct strbuf *ret_keys)
{
	return differs(OPTION_SERVICE, a, b, apply, ret_keys);
}

bool broker_conf_differs(const struct broker_conf *a, const struct broker_conf *b,
			 enum option_apply apply, struct strbuf *ret_keys)
{
	return differs(OPTION_BROKER, a, b, apply, ret_keys);
}
