#include "text.h"

#include <string.h>
#include "handoff_addr.h"

#define PIECE (1ull << 32)

/* Hexadecimal or decimal digits, and the character @end after them. */
static bool read_field(const char **p, unsigned base, char end, uint64_t *ret)
{
	return handoff_read_digits(p, base, UINT64_MAX, ret) && *(*p)++ == end;
}

bool text_add_range(uint64_t from, uint64_t to, struct trap_params *ret)
{
	while (from < to) {
		uint64_t last = from | (PIECE - 1), end = last < to - 1 ? last + 1 : to;

		if (ret->n_ranges == TRAP_RANGES)
			return false;
		ret->text[ret->n_ranges++] = (struct trap_range){ from, end };
		from = end;
	}
	return true;
}

/* "00400000-0048b000 r-xp 00001000 fe:01 1234   /usr/bin/app" */
bool text_add(const char *line, uint64_t ino, struct trap_params *ret)
{
	uint64_t from, to, unused, file;
	const char *p = line, *flags;

	if (!read_field(&p, 16, '-', &from) || !read_field(&p, 16, ' ', &to) || from >= to)
		return true;
	flags = p;
	p += strcspn(p, " ");
	if (p - flags < 3 || flags[2] != 'x' || *p++ != ' ' || !read_field(&p, 16, ' ', &unused) ||
	    !read_field(&p, 16, ':', &unused) || !read_field(&p, 16, ' ', &unused) ||
	    !handoff_read_digits(&p, 10, UINT64_MAX, &file) || file != ino)
		return true;
	return text_add_range(from, to, ret);
}

void text_add_old(const char *line, struct trap_params *ret)
{
	struct trap_range *last = ret->n_old ? &ret->old[ret->n_old - 1] : NULL;
	const char *p = line, *name = strchr(line, '[');
	uint64_t from, to;

	if ((name && strncmp(name, "[heap]", 6) != 0) || !read_field(&p, 16, '-', &from) ||
	    !read_field(&p, 16, ' ', &to))
		return;
	if (last && last->to == from)
		last->to = to;
	else if (ret->n_old < TRAP_RANGES)
		ret->old[ret->n_old++] = (struct trap_range){ from, to };
}
