/*
 * handler.h - what the launcher has told the blob.
 */
#pragma once

#include "params.h"

extern struct trap_params trap_params;
