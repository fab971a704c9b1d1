/*
 * in_force - the configuration that a service runs on.
 */
#pragma once

#include "service/types.h"

/* @conf (whose reference it takes over) and its number are in force from now on. */
void service_put_in_force(struct service *s, struct service_conf *conf, unsigned generation);

/*
 * The live settings may have changed: workers are told, and the deadlines that run are reckoned
 * again.
 */
void service_rearm(struct service *s);
