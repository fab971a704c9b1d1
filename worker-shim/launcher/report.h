/*
 * report.h - what was found about a program, for another program to read: --report.
 *
 * Lines of key=value, each key once but "script". What could not be found out
 * is left out; worker-shim(1) lists the keys.
 */
#pragma once

#include "program.h"

#define REPORT_SIZE 65536 /* of the longest report, with five scripts of the longest names */

/* The report on @program, as far as that is filled, with the verdict @code. Terminated. */
void report_text(const struct program *program, enum launch_exit code, char ret[REPORT_SIZE]);
