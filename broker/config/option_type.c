#include "option_type.h"

#include <errno.h>
#include <stdarg.h>

int option_refuse(const struct option_input *in, const char *word, const char *fmt, ...)
{
	va_list ap;

	strbuf_add_quoted(in->why, word);
	strbuf_add(in->why, " ");
	va_start(ap, fmt);
	strbuf_vaddf(in->why, fmt, ap);
	va_end(ap);
	return -EINVAL;
}
