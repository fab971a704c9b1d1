/*
 * number.h - numbers as text. Pure: strtoul(3) has a name in new glibc that musl lacks, and
 * snprintf(3) is no function for a signal handler.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads a number of base 10 or 16 (lower-case digits) at *@p and moves past it. False, with *@ret
 * undefined, if there is none, or if it is above @max.
 */
static inline bool number_read(const char **p, unsigned base, uint64_t max, uint64_t *ret)
{
	const char *start = *p;

	for (*ret = 0;; (*p)++) {
		unsigned digit = (unsigned)(unsigned char)**p - '0';

		if (digit > 9)
			digit = **p >= 'a' && **p <= 'f' ? (unsigned)(**p - 'a') + 10 : base;
		if (digit >= base)
			return *p != start;
		if (*ret > (max - digit) / base)
			return false;
		*ret = *ret * base + digit;
	}
}

/* Writes @value, terminated, and returns its end. */
static inline char *number_write(char *out, unsigned value, unsigned base)
{
	char digits[10];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[value % base];
	while ((value /= base) != 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
	return out;
}
