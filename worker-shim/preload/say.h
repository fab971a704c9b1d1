/*
 * say.h - the lines that this library writes, without which nobody would know why a call failed.
 *
 * They go to the standard error that the worker was started with. An app may have put something
 * else at that number, a client's connection even: then they go nowhere.
 */
#pragma once

#include "table.h"

/* Learns what descriptor 2 is, from BROKER_STDERR or, without it, by looking now. */
void say_init(void);

/* "worker-shim: listen on ADDRESS: ", @text, @more (NULL: nothing), and a newline. Keeps errno. */
void say(const struct slot *slot, const char *text, const char *more);
