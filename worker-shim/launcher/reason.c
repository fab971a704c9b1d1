#include "reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

bool environment_put(const char *fmt, ...)
{
	char *entry;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&entry, fmt, ap);
	va_end(ap);
	return n >= 0 && putenv(entry) == 0;
}

bool environment_preload(const char *first, const char *library)
{
	const char *set = getenv("LD_PRELOAD"), *before = set ? set : "";

	return environment_put("LD_PRELOAD=%s%s%s%s%s", first, *first ? ":" : "", library,
			       *before ? ":" : "", before);
}
