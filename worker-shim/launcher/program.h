/*
 * program.h - finds the file that will really run, and whether the preload library can serve it.
 */
#pragma once

#include <limits.h>
#include "elf.h"
#include "reason.h"
#include "script.h"

/* The kernel follows as many interpreters of interpreters before it says ELOOP. */
#define PROGRAM_SCRIPTS 5

struct program {
	char path[PATH_MAX];   /* what execve(2) is given: the command, perhaps a script */
	char binary[PATH_MAX]; /* the ELF file: path itself or the last interpreter */
	struct elf_info elf;   /* of binary; all zero until it is read */
	char scripts[PROGRAM_SCRIPTS][PATH_MAX];      /* on the way from path to binary, in order */
	char arguments[PROGRAM_SCRIPTS][SCRIPT_LINE]; /* behind their interpreters; "": none */
	int n_scripts;
	bool by_env; /* an interpreter is env(1), which executes what comes next */
};

/* Looks as a shell does, in PATH unless @command has a slash. False: the reason says where. */
bool program_find(const char *command, char ret[PATH_MAX]);

/* Follows "#!" lines from ret->path to the ELF file and reads it: fills binary and elf. */
bool program_read(struct program *program);

/* What sees the calls of the program: the library that it loads, a filter, or nothing. */
enum backend { BACKEND_AUTO, BACKEND_PRELOAD, BACKEND_TRAP, BACKEND_NATIVE };

/*
 * Whether *@backend, perhaps with @library, will see its calls; AUTO becomes what does. NATIVE:
 * whether it can be executed.
 */
bool program_check(const struct program *program, enum backend *backend, const char *library);

/* "setuid", or what else makes the linker drop LD_PRELOAD, as @path gains rights; or NULL. */
const char *program_privilege(const char *path);

/* The name of an ELF machine for people. */
const char *program_machine(uint16_t machine);
