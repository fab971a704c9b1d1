/*
 * publish - what a reload does to the listeners of its service. Those that it brings are only
 * bound, and refuse clients, until its first slot is proven. Those that it takes away are closed
 * when it is done. If it is aborted, all are as before.
 */
#pragma once

#include "service/types.h"

/* The rollout under way has a proven worker. An address that cannot be listened on aborts it. */
void publish_new(struct service *s);

/* Closes a listener that the configuration does not want, unless the app itself asks for it. */
void publish_drop(struct listener *l);

void publish_done(struct service *s); /* the rollout has ended so; its configuration is in force */
void publish_undone(
	struct service *s); /* it was aborted or dropped: service::conf stays in force */
