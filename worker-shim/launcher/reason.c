#include "reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REASON_SIZE 1024

static char reason[REASON_SIZE];
static enum launch_exit reason_exit;

bool reason_set(enum launch_exit code, const char *fmt, ...)
{
	char text[REASON_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A file name may hold anything; the reader expects one line. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	strcpy(reason, text);
	reason_exit = code;
	return false;
}

const char *reason_text(void)
{
	return reason;
}

enum launch_exit reason_code(void)
{
	return reason_exit;
}
