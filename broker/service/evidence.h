/*
 * evidence - what the kernel says of the connections of a service.
 */
#pragma once

#include "service/types.h"
#include "sys/sockdiag.h"

/* Connections of the listeners of @s that some process still has. Sorted. 0 or -errno. */
int service_open_connections(const struct service *s, struct inode_set *ret);
