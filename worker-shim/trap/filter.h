/*
 * filter.h - the seccomp filter that tells which calls become SIGSYS. Pure.
 */
#pragma once

#include <stddef.h>
#include "params.h"

/* The kernel's ABI (linux/filter.h), spelled out: musl's compiler wrapper sees no kernel headers.
 */
struct filter_instruction {
	uint16_t code;
	uint8_t yes, no;
	uint32_t number;
};

#define FILTER_CALLS 16
#define FILTER_MAX   (8 + FILTER_CALLS + 5 * TRAP_RANGES)

#define FILTER_ANY (-1)

/*
 * Writes a filter for @n_calls system calls, by their numbers on architecture @arch, that come from
 * @text. @fd: only if it is their first argument; FILTER_ANY: in any case. Returns the length.
 */
size_t filter_build(const struct trap_params *text, uint32_t arch, const int *calls, size_t n_calls,
		    int fd, struct filter_instruction ret[FILTER_MAX]);
