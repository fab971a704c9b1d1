/*
 * ports.h - the list of private ports, "9229,9400-9409": the app binds them itself.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORTS_MAX 64

struct port_range {
	uint16_t first, last; /* both included */
};

struct ports {
	size_t n;
	struct port_range ranges[PORTS_MAX];
};

/*
 * Reads @text (NULL: an empty list). Words that are no port or range, and
 * ranges beyond PORTS_MAX, are passed over: the broker wrote the list from a
 * checked config, and there is nobody here to complain to.
 */
void ports_parse(const char *text, struct ports *ret);

bool ports_has(const struct ports *ports, uint16_t port);
