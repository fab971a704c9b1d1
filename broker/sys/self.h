/*
 * self - what the broker itself costs.
 */
#pragma once

#include "base/util.h"

struct self_usage {
	uint64_t cpu_ns;    /* user and system */
	uint64_t rss_bytes; /* resident memory */
	uint64_t open_fds, max_fds;
};

/* What cannot be read is 0. */
void self_usage(struct self_usage *ret);
