#include "quote.h"

#include <errno.h>
#include <string.h>

#define SHOWN_MAX 80 /* bytes: enough to recognise one's own text by */

void quote_add_bytes(struct strbuf *out, const char *text, size_t len)
{
	size_t shown = len;

	if (len > SHOWN_MAX) {
		shown = SHOWN_MAX;
		/* Not in the middle of a UTF-8 sequence. */
		while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
			shown--;
	}
	strbuf_add(out, "\"");
	strbuf_add_escaped(out, text, shown);
	strbuf_add(out, shown < len ? "...\"" : "\"");
}

void quote_add(struct strbuf *out, const char *text)
{
	quote_add_bytes(out, text, strlen(text));
}

int quote_refuse(struct strbuf *out, const char *text, const char *fmt, ...)
{
	va_list ap;

	quote_add(out, text);
	strbuf_add(out, " ");
	va_start(ap, fmt);
	strbuf_vaddf(out, fmt, ap);
	va_end(ap);
	return -EINVAL;
}
