/*
 * conf_check - what is wrong between values that are good one by one.
 */
#pragma once

#include "config/conf_error.h"

void conf_check_service(const struct service_conf *sc, struct conf_errors *errors);

/* Two listen addresses of which Linux binds only one, in all services and the broker's own. */
void conf_check_listeners(const struct conf *conf, struct conf_errors *errors);
