/*
 * receive.h - handoff_rights.h for this library, whose calls must not be our hooks again.
 */
#pragma once

#include "real.h"

#define recvmsg real.recvmsg
#define sendmsg real.sendmsg
#include "handoff_rights.h"
#undef recvmsg
#undef sendmsg
