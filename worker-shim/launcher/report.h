/*
 * report.h - what was found about a program, for another program to read: --report.
 *
 * Lines of key=value on standard output, each key once but "script". What could not be found out
 * is left out; worker-shim(1) lists the keys.
 */
#ifndef LAUNCHER_REPORT_H
#define LAUNCHER_REPORT_H

#include "program.h"

/* Writes the report on @program, as far as it is filled, with the verdict of @reason. */
void report_write(const struct program *program, const struct reason *reason);

#endif
