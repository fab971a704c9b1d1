#include "reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reason reason;

bool reason_set(enum launch_exit code, const char *fmt, ...)
{
	char text[sizeof(reason.text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A file name may hold anything; the reader expects one line. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	strcpy(reason.text, text);
	reason.code = code;
	return false;
}
