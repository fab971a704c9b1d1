/*
 * conf_diff - what a reload changes.
 *
 * Each says whether the two differ in an option that applies as @apply says,
 * APPLY_N: in any, and adds the keys of those options to @ret_keys ("queue,
 * listen"), in the order of the table. Lines and origins do not count, nor do
 * names of services.
 *
 * v6only shows in the addresses too: a change of it names listen as well.
 */
#pragma once

#include "config/option_type.h"

bool service_conf_differs(const struct service_conf *a, const struct service_conf *b,
			  enum option_apply apply, struct strbuf *ret_keys);

bool broker_conf_differs(const struct broker_conf *a, const struct broker_conf *b,
			 enum option_apply apply, struct strbuf *ret_keys);
