/*
 * part - a part of the broker above the services that a reload changes, too: all parts prepare; if
 * one of them cannot, all discard, and nothing has changed.
 */
#pragma once

#include "base/list.h"
#include "base/strbuf.h"
#include "config/conf.h"

struct reload_part {
	struct list link; /* master::parts, in the order in which they prepare */
	/*
	 * Opens what @bc wants and @old (NULL: nothing) does not have. 0: apply() or discard()
	 * comes next. -errno with @error, and nothing is open.
	 */
	int (*prepare)(struct reload_part *p, const struct broker_conf *old,
		       const struct broker_conf *bc, struct strbuf *error);
	void (*apply)(struct reload_part *p, const struct broker_conf *bc); /* cannot fail */
	void (*discard)(struct reload_part *p, const struct broker_conf *bc);
};
