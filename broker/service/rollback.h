/*
 * rollback - the workers that the last reload has replaced are put back, in one step.
 */
#pragma once

#include "service/types.h"

/*
 * Brings back the generation before the last reload. All its workers that still live serve again
 * at once, then the new ones leave. Its configuration and its number of workers are in force
 * again, whatever was set by hand since. Slots whose old worker has ended get a new one. 0; -errno
 * with @error in words and nothing changed: as service_check_steering(); -ENOENT: there is nothing
 * to go back to, or no old worker is left; or the reason why a listener cannot be opened.
 */
int service_rollback(struct service *s, struct strbuf *error);
