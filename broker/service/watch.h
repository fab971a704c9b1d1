/*
 * watch - every WATCH_MS (core/broker.c), while connections wait or workers drain, it looks at what
 *no event reports. An idle broker has no timer at all.
 *
 *	- a channel whose connections nobody takes: is the worker stopped, or stuck?
 *	- a worker that drains: has it still connections?
 *	- a worker that was stopped: does it run again?
 */
#ifndef BROKER_SERVICE_WATCH_H
#define BROKER_SERVICE_WATCH_H

#include "service/types.h"

void watch_init(struct broker *b);

#endif
