#include "ports.h"

/* Reads a decimal number of at most 65535 at *@p and moves past it. */
static bool read_port(const char **p, uint16_t *ret)
{
	unsigned value = 0;
	const char *start = *p;

	while (**p >= '0' && **p <= '9') {
		value = value * 10 + (unsigned)(**p - '0');
		if (value > UINT16_MAX)
			return false;
		(*p)++;
	}
	*ret = (uint16_t)value;
	return *p != start && value != 0;
}

static bool read_range(const char **p, struct port_range *ret)
{
	if (!read_port(p, &ret->first))
		return false;
	ret->last = ret->first;
	if (**p == '-') {
		(*p)++;
		if (!read_port(p, &ret->last))
			return false;
	}
	return ret->first <= ret->last;
}

static bool is_separator(char c)
{
	return c == ',' || c == ' ';
}

bool ports_parse(const char *text, struct ports *ret)
{
	const char *p = text;
	bool good = true;

	ret->n = 0;
	while (p && *p) {
		struct port_range range;

		if (is_separator(*p)) {
			p++;
			continue;
		}
		if (read_range(&p, &range) && (!*p || is_separator(*p)) && ret->n < PORTS_MAX)
			ret->ranges[ret->n++] = range;
		else
			good = false;
		while (*p && !is_separator(*p))
			p++;
	}
	return good;
}

bool ports_has(const struct ports *ports, uint16_t port)
{
	for (size_t i = 0; i < ports->n; i++)
		if (port >= ports->ranges[i].first && port <= ports->ranges[i].last)
			return true;
	return false;
}
