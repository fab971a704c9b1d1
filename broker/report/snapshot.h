/*
 * snapshot - all numbers of the broker, of one moment. Status and metrics are two ways to write it.
 */
#pragma once

#include "policy/metrics.h"

struct master;

/*
 * Services and their listeners are in the order of their lists. 0, and metrics_snapshot_deinit()
 * is due; or -ENOMEM: it is due, too.
 */
int snapshot_take(const struct master *m, struct metrics_snapshot *ret);
