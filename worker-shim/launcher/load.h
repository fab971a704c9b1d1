/*
 * load.h - where nobody may trace the program (trap.h), this process becomes it without execve(2):
 *
 *	map the program, its linker, the blob		image.h says where
 *	close and reset what execve(2) would
 *	call the blob, which puts its handler and its filter in place, removes all that was mapped
 *	before, and goes on at the entry of the program
 *
 * What is different then: /proc/self/exe names this program, but for readlink(2) and execve(2).
 */
#pragma once

#include "program.h"

/* Becomes @program with @argv. Returns only if that fails, false, with the reason. */
bool load_program(const struct program *program, char **argv, int status_fd);
