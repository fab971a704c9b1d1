/*
 * check - whether a command can be a worker at all, asked of the launcher before anything starts.
 */
#pragma once

#include "base/strbuf.h"
#include "core/broker.h"

/*
 * Asks the launcher whether the command of @sc can be a worker, and each of its wrappers can be
 * executed, without running them: waits for the answers, at most ten seconds each. 0; -EINVAL with
 * @error: the key, what was found and what to do.
 */
int launch_check(const struct broker *b, const struct service_conf *sc, struct strbuf *error);
