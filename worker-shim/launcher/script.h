/*
 * script.h - a "#!" line as the kernel reads it, and what env(1) makes of it. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* BINPRM_BUF_SIZE: the kernel reads no more of the line. */
#define SCRIPT_LINE 256

struct script {
	char interpreter[SCRIPT_LINE];
	char argument[SCRIPT_LINE]; /* all the rest of the line, or "" */
};

/* Whether that is the beginning of a script. An interpreter cut off by the kernel is none. */
bool script_parse(const void *buf, size_t len, struct script *ret);

/* "#!/usr/bin/env -S A=1 node --flag": what env will look for in PATH. False: it is not env. */
bool script_env_name(const struct script *script, char ret[SCRIPT_LINE]);
