/*
 * watch - while connections wait or workers drain, it looks at what no event reports.
 */
#ifndef BROKER_SERVICE_WATCH_H
#define BROKER_SERVICE_WATCH_H

#include "service/service.h"
#include "sys/sockdiag.h"

void watch_init(struct broker *b);
void watch_stopped(struct worker *w, bool stopped);
void watch_look_if_stopped(struct worker *w); /* somebody looks anyway: no need to wait for it */

/* Connections of the listeners of @s that some process still has. Sorted. 0 or -errno. */
int watch_open_connections(const struct service *s, struct inode_set *ret);

/*
 * How many connections the processes of @w hold. Negative: some process could not be read, so
 * nothing is known.
 */
int watch_count_connections(const struct worker *w, const struct inode_set *connections);

#endif
