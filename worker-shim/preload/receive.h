/*
 * receive.h - handoff_rights.h for this library, whose own recvmsg() must not be our hook again.
 */
#pragma once

#include "real.h"

#define recvmsg real.recvmsg
#include "handoff_rights.h"
#undef recvmsg
