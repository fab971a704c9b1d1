/*
 * signals - what each signal to the broker does; broker(8) has the list.
 */
#pragma once

#include "types.h"

extern const int signals_handled[];
extern const size_t signals_n_handled;

/* @loop is that of a struct run. */
void signals_received(struct loop *loop, int signo);
