/* links: worker-shim/launcher/script */
/* A "#!" line. */
#include "launcher/script.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *bytes = fuzz_bytes(data, size);
	char name[SCRIPT_LINE];
	struct script script;

	if (script_parse(bytes, size, &script)) {
		MUST(size > 2 && !memcmp(data, "#!", 2));
		MUST(*script.interpreter && strlen(script.interpreter) < SCRIPT_LINE);
		MUST(strlen(script.argument) < SCRIPT_LINE);
		if (script_env_name(&script, name))
			MUST(*name && strlen(name) < SCRIPT_LINE);
	}
	free(bytes);
	return 0;
}
