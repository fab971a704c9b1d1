/*
 * filter.h - the seccomp filter that tells which calls become SIGSYS. Pure.
 */
#pragma once

#include <stdbool.h>
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
#define FILTER_MAX   (9 + FILTER_CALLS + 5 * TRAP_RANGES)

/* The lower half of an argument must be, or with @differs must not be, @value. */
struct filter_condition {
	unsigned argument; /* from 0 */
	uint32_t value;
	bool differs;
};

/*
 * Writes a filter for @n_calls system calls, by their numbers on architecture @arch, that come from
 * @text, if @condition holds; NULL: in any case. Returns the length.
 */
size_t filter_build(const struct trap_params *text, uint32_t arch, const int *calls, size_t n_calls,
		    const struct filter_condition *condition,
		    struct filter_instruction ret[FILTER_MAX]);
