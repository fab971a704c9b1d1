#include "reason.h"

#include <stdarg.h>
#include <stdio.h>

enum launch_exit reason_set(struct reason *reason, enum launch_exit code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reason->text, sizeof(reason->text), fmt, ap);
	va_end(ap);
	/* A file name may hold anything; the reader expects one line. */
	for (char *p = reason->text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	reason->code = code;
	return code;
}
