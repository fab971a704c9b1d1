/*
 * adopt - channels and listeners as records, and made of records that another program has written.
 */
#pragma once

#include "dispatch/types.h"

void channel_keep(const struct channel *c, struct strbuf *out);
struct kept_listener listener_keep(const struct listener *l);

/* It has no holder yet. 0, with *@ret the taker's; -errno: its descriptors stay the caller's. */
int channel_adopt(struct taker *t, struct endpoint *e, const struct kept_channel *k,
		  struct channel **ret);

/* @e: what it feeds; NULL: nothing yet. As listener_new(). */
struct listener *listener_adopt(struct dispatch *d, struct endpoint *e,
				const struct kept_listener *k);
