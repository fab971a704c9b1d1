/* links: broker/ctl/status_text broker/ctl/workers_table broker/ctl/text broker/ctl/view */
/* links: broker/base/json broker/base/strbuf broker/base/words broker/base/units */
/*
 * Answers of a broker, on the screen of brokerctl: whatever stands in them, no line is too wide and
 * nothing steers the terminal.
 */
#include "ctl/status_text.h"
#include "fuzz.h"

static void show(struct view *view, unsigned columns, bool color)
{
	struct strbuf out = STRBUF_GROWS(1 << 24);
	struct screen s = { .columns = columns,
			    .rows = 24,
			    .color = color,
			    .out = &out,
			    .left = columns == TEXT_UNLIMITED ? SIZE_MAX : 23 };
	size_t width = 0; /* of a line of ASCII; other characters may have two columns, or none */
	bool ascii = true;

	status_text(view, &s);
	for (size_t i = 0; i < out.len && !color; i++) {
		unsigned char c = (unsigned char)out.text[i];

		MUST(c == '\n' || (c >= 0x20 && c != 0x7f));
		width = c == '\n' ? 0 : width + 1;
		ascii = c == '\n' || (ascii && c < 0x80);
		MUST(columns == TEXT_UNLIMITED || !ascii || width <= columns);
	}
	strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *line;
	struct view view = { 0 };

	for (char *rest = text; (line = strsep(&rest, "\n"));)
		(void)view_add(&view, line, strlen(line));
	if (view_rank(&view)) {
		show(&view, 80, false);
		show(&view, 200, true);
		show(&view, TEXT_UNLIMITED, false);
	}
	view_deinit(&view);
	free(text);
	return 0;
}
