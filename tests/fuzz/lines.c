/* links: broker/policy/lines broker/base/strbuf */
/* What a worker prints, in pieces of any size: no line that goes to a log can steer a terminal. */
#include "policy/lines.h"
#include "base/strbuf.h"
#include "fuzz.h"

static void shown(void *arg, const char *line, size_t n)
{
	size_t *total = arg;
	struct strbuf out = STRBUF_GROWS(8 * LINES_MAX);

	*total += n;
	MUST(n <= LINES_MAX && !memchr(line, '\n', n) && !memchr(line, '\0', n));
	strbuf_add_escaped(&out, line, n);
	MUST(!out.cut);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.text[i];

		MUST(c >= 0x20 && c != 0x7f);
		/* C1 as UTF-8 has it */
		MUST(c != 0xc2 || (unsigned char)out.text[i + 1] >= 0xa0);
	}
	strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines = { 0 };
	size_t total = 0;

	for (size_t at = 0, n; at < size; at += n) {
		char *part;

		n = data[at] * 16 + 1;
		n = n < size - at ? n : size - at;
		part = fuzz_bytes(data + at, n);
		lines_feed(&lines, part, n, shown, &total);
		free(part);
		MUST(lines.tail.len <= LINES_TAIL);
	}
	lines_finish(&lines, shown, &total);
	MUST(total <= size);
	lines_deinit(&lines);
	return 0;
}
