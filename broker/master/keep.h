/*
 * keep - the state of a broker that outlives it, as the bytes of policy/kept.h.
 */
#pragma once

#include "base/buf.h"
#include "master/master.h"

/* Adds all of it. Costs no system call; for want of memory @out has failed. */
void master_keep(const struct master *m, struct buf *out);
