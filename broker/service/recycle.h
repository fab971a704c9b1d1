/*
 * recycle - workers that have lived long enough are replaced, one at a time, each new one ready
 * before its old one leaves: max_connections, max_age, max_memory.
 */
#pragma once

#include "service/types.h"

void service_recycle_expired(struct loop_timer *timer); /* service::recycle */
