/* links: worker-shim/launcher/text */
/* Lines of /proc/PID/maps, of which the program chooses the names. */
#include "launcher/text.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *lines = fuzz_text(data, size), *rest = lines, *line;
	struct trap_params text = { 0 };

	while ((line = strsep(&rest, "\n")) && text_add(line, 1, &text))
		continue;
	MUST(text.n_ranges <= TRAP_RANGES);
	for (size_t i = 0; i < text.n_ranges; i++) {
		const struct trap_range *r = &text.text[i];

		MUST(r->from < r->to && r->from >> 32 == (r->to - 1) >> 32);
	}
	free(lines);
	return 0;
}
