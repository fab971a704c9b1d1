/* links: broker/base/words broker/base/strbuf broker/base/units worker-shim/preload/fdinfo */
/* links: worker-shim/preload/real */
/* Files of variables, lines of /proc/PID/fdinfo, and words that were misspelt. */
#include "base/words.h"
#include "preload/fdinfo.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const candidates[] = { "workers", "command", "listen", NULL, "user" };
	char *text = fuzz_text(data, size);
	struct epoll_item item;
	char **list = NULL;
	STRBUF(error, 1024);

	if (env_file_parse("env", text, size, &list, &error) != 0)
		MUST(error.len);
	for (char **v = list; v && *v; v++)
		MUST(words_name_len(*v));
	strlist_free(list);
	(void)fdinfo_parse_epoll(text, &item);
	(void)nearest(text, candidates, sizeof(candidates) / sizeof(candidates[0]));
	(void)nearest_signal(text);
	free(text);
	return 0;
}
