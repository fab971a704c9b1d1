/*
 * reload - from a configuration to services: at the start, and whenever it changes.
 */
#pragma once

#include "master/master.h"
#include "config/conf_plan.h"

/*
 * Makes the services of m->conf and opens their listeners, without starting a worker. 0 or
 * -errno with @error.
 */
int master_open_services(struct master *m, struct strbuf *error);

/*
 * Reads the file again and applies the difference; SIGHUP, and by hand. Without a file all workers
 * are replaced. @only_service: the file must be right as a whole, but only its section is applied,
 * and only its workers are replaced; NULL: all. Returns when that has begun. 0; -errno with @error
 * (of CONF_ERROR_BYTES), and nothing is changed; it has been logged, unless the broker is stopping.
 */
int master_reload(struct master *m, const char *only_service, struct strbuf *error);

/*
 * Tells what master_reload() would do, and changes nothing. 0; -errno with @error: what it would
 * be refused for, as far as that can be seen without opening a listener. Debuggers are those that
 * the last survey has found.
 */
int master_plan(struct master *m, const char *only_service, conf_plan_fn *fn, void *arg,
		struct strbuf *error);
