#include "ports.h"

#include "number.h"

#include <string.h>

#define SEPARATORS ", "

static bool read_port(const char **p, uint16_t *ret)
{
	uint64_t value;

	if (!number_read(p, 10, UINT16_MAX, &value))
		return false;
	*ret = (uint16_t)value;
	return value != 0;
}

/* Reads the whole word at @p. */
static bool read_range(const char *p, struct port_range *ret)
{
	if (!read_port(&p, &ret->first))
		return false;
	ret->last = ret->first;
	if (*p == '-') {
		p++;
		if (!read_port(&p, &ret->last))
			return false;
	}
	return ret->first <= ret->last && (!*p || strchr(SEPARATORS, *p));
}

void ports_parse(const char *text, struct ports *ret)
{
	const char *p = text ? text : "";

	ret->n = 0;
	while (*(p += strspn(p, SEPARATORS))) {
		if (ret->n < PORTS_MAX && read_range(p, &ret->ranges[ret->n]))
			ret->n++;
		p += strcspn(p, SEPARATORS);
	}
}

bool ports_has(const struct ports *ports, uint16_t port)
{
	for (size_t i = 0; i < ports->n; i++)
		if (port >= ports->ranges[i].first && port <= ports->ranges[i].last)
			return true;
	return false;
}
