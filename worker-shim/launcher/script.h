/*
 * script.h - reads a "#!" line as the kernel does, and what env(1) makes of it.
 *
 * Pure: reads nothing but the buffer.
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

/*
 * True if the @len bytes at @buf, the beginning of a file, are a script with an
 * interpreter. An interpreter that is cut off by the kernel's limit is none: execve(2)
 * would answer ENOEXEC.
 */
bool script_parse(const void *buf, size_t len, struct script *ret);

/*
 * "#!/usr/bin/env node", "#!/usr/bin/env -S A=1 node --flag": writes the name that env will look
 * for in PATH. False if the interpreter is not env, or names nothing.
 */
bool script_env_name(const struct script *script, char ret[SCRIPT_LINE]);
