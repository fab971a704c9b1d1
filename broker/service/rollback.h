/*
 * rollback - the workers that the last reload has replaced are put back, in one step.
 */
#ifndef BROKER_SERVICE_ROLLBACK_H
#define BROKER_SERVICE_ROLLBACK_H

#include "service/types.h"

/*
 * Puts the generation before the last reload back: all workers of it that are left serve again at
 * once, then the new ones leave. Its configuration is in force again, and its number of workers,
 * whatever was said by hand since. Slots whose old worker has ended get a new one. 0; -errno with
 * @error in words and nothing changed: what service_check_steering() says, -ENOENT: nothing to go
 * back to, or none of the old workers is left; or why a listener cannot be opened.
 */
int service_rollback(struct service *s, struct strbuf *error);

#endif
