/*
 * receive.h - what include/ has for both sides, for this library, whose calls must not be our hooks
 * again.
 */
#pragma once

#include "real.h"

#define connect	    real.connect
#define getsockname real.getsockname
#define recvmsg	    real.recvmsg
#define sendmsg	    real.sendmsg
#define setsockopt  real.setsockopt
#include "handoff_meet.h"
#undef connect
#undef getsockname
#undef recvmsg
#undef sendmsg
#undef setsockopt
