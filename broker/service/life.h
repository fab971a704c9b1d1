/*
 * life - a service begins and ends.
 */
#pragma once

#include "service/types.h"

/* NULL: no memory. Takes a reference to @conf. Nothing is started yet. */
struct service *service_new(struct broker *b, struct service_conf *conf);
void service_free(struct service *s); /* no worker may be left */
