/*
 * confine - what the kernel lets a process have: limits, priority, processors.
 */
#pragma once

#include "base/strbuf.h"
#include "config/conf.h"

/*
 * Applies @p to this process, the one of @slot, before it gives up rights. 0 or -errno with @error,
 * which names the option.
 */
int confine(const struct conf_process *p, unsigned slot, struct strbuf *error);
