#include "quote.h"

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
