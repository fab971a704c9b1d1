/*
 * hold - the commands that take a worker out of the round and let it in again: hold, release.
 */
#pragma once

#include "base/util.h"

struct client;
struct worker;

void control_hold(struct client *c, struct worker *w);
void control_release(struct client *c, struct worker *w);

/* False: @w gets no connections anyway, so the command is refused; the client has been told. */
bool hold_is_possible(struct client *c, const struct worker *w);

/* Ends the answer, with a warning if @w was the last worker in the round. */
void hold_end(struct client *c, const struct worker *w);
