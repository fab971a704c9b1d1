/*
 * utf8.h - is this text, and may it be shown?
 */
#pragma once

#include "base/util.h"

/*
 * Length of the UTF-8 sequence of 2 to 4 bytes at @s, which has @n bytes (RFC
 * 3629: shortest form, no surrogates, no C1 control); 0 if there is none. ASCII
 * is the caller's: each has its own opinion of control characters.
 */
static inline size_t utf8_len(const unsigned char *s, size_t n)
{
	unsigned long cp;
	size_t len;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	cp = s[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if ((len == 3 && cp < 0x800) || (len == 4 && (cp < 0x10000 || cp > 0x10ffff)))
		return 0;
	if (cp >= 0xd800 && cp <= 0xdfff)
		return 0;
	/* C1 controls move a terminal's cursor as C0 do. */
	return cp < 0xa0 ? 0 : len;
}
