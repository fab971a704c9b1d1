/*
 * receive.h - what include/ has for both sides, for this library, whose calls must not be our hooks
 * again.
 */
#pragma once

#include "real.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define close	    real.close
#define connect	    real.connect
#define fcntl	    real.fcntl
#define getsockname real.getsockname
#define recvmsg	    real.recvmsg
#define sendmsg	    real.sendmsg
#define setsockopt  real.setsockopt
#include "handoff_meet.h"
#include "handoff_take.h"
#undef close
#undef connect
#undef fcntl
#undef getsockname
#undef recvmsg
#undef sendmsg
#undef setsockopt

#define _cleanup_real_fd_ __attribute__((cleanup(handoff_close_fd)))
