/*
 * handler.h - what the launcher has told the blob.
 */
#pragma once

#include "params.h"

extern struct trap_params trap_params;

/* What @path is to a program that the launcher has loaded: its own file, if it asks for that. */
const char *exec_path(const char *path);
