/* links: broker/policy/command broker/policy/pins broker/base/words broker/base/units */
/* links: broker/base/strbuf */
/* A line of the control socket: words, a command, and the sources of pins. */
#include "policy/command.h"
#include "base/words.h"
#include "policy/pins.h"
#include "fuzz.h"

#define LINE_MAX_BYTES 4096

/* A word of a line can be written so that it is read as the same word. */
static void quote(const char *word)
{
	struct strbuf out = STRBUF_GROWS(8 * WORDS_BYTES_MAX);
	STRBUF(error, 512);
	char **again = NULL;
	size_t len;

	for (const char *c = word; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			return; /* it cannot stand in a file */
	words_add_quoted(&out, word);
	MUST(words_split(WORDS_COMMAND, out.text, &again, &len, &error) == 1);
	MUST(!strcmp(again[0], word));
	strbuf_deinit(&out);
	free(again);
}

static void source(const char *text)
{
	struct pin_source is, again;
	STRBUF(error, 512);

	if (!text || pin_source_parse(text, &is, &error) != 0)
		return;
	MUST(is.family == 0 || is.family == 4 || is.family == 6);
	if (is.family == 0)
		return;
	MUST(pin_source_parse(pin_source_text(&is).text, &again, &error) == 0);
	MUST(!memcmp(&is, &again, sizeof(is)));
}

static void command(char **words, size_t n)
{
	struct request request;
	STRBUF(error, 1024);

	if (command_parse(words, n, &request, &error) != COMMAND_OK) {
		MUST(error.len);
		return;
	}
	MUST(request.command && command_find(request.command->name) == request.command);
	(void)request_right(&request);
	for (int i = 0; i < COMMAND_ARGUMENTS; i++)
		source(request.arguments[i].text);
	error.len = 0;
	command_usage(request.command, &error);
	MUST(error.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES);

	for (int kind = WORDS_VALUE; kind <= WORDS_COMMAND; kind++) {
		char **words = NULL;
		size_t len = 0;
		STRBUF(error, 1024);
		int n = words_split((enum words_kind)kind, text, &words, &len, &error);

		MUST(n >= 0 ? len <= strlen(text) : error.len > 0);
		for (int i = 0; i < n; i++)
			quote(words[i]);
		if (n > 0)
			command(words, (size_t)n);
		free(words);
	}
	free(text);
	return 0;
}
