/*
 * watch - looks for what no event reports, every WATCH_MS (core/broker.c) while connections wait or
 * workers drain. An idle broker has no timer at all.
 *
 *	- the connections of a channel are not taken: is the worker stopped, or stuck?
 *	- a worker drains: does it still have connections?
 *	- a worker was stopped: does it run again?
 */
#pragma once

#include "service/types.h"

void watch_expired(struct loop_timer *timer); /* broker::watch */
