/*
 * reload - from a configuration to services: at the start, and whenever it changes.
 */
#ifndef BROKER_CORE_RELOAD_H
#define BROKER_CORE_RELOAD_H

#include "core/master.h"

/*
 * Makes the services of m->conf and opens their listeners, without starting a worker. 0 or
 * -errno with @error.
 */
int master_open_services(struct master *m, struct strbuf *error);

/* SIGHUP: reads the file again and applies the difference. What is wrong is logged. */
void master_reload(struct master *m);

#endif
