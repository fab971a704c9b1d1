/*
 * signals - what each signal to the broker does; broker(8) has the list.
 */
#pragma once

#include "types.h"

/* Begins the loop of a struct run, which gets them. 0 or -errno. */
int signals_begin(struct loop *loop);
