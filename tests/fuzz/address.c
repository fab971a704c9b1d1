/* links: broker/base/address broker/base/units broker/base/strbuf tests/harness/fuzz_paths */
/* Addresses as people write them: what is read is written so that it is read as the same. */
#include "base/address.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct handoff_addr addr, again;
	STRBUF(error, 1024);
	bool port_only;
	uint16_t port;

	if (address_parse(text, &addr, &port_only, &error) == 0) {
		struct address_text is = address_text(&addr);

		MUST(handoff_addr_ok(&addr) && addr.port);
		MUST(address_parse(is.text, &again, &port_only, &error) == 0);
		MUST(address_equal(&addr, &again) && address_overlap(&addr, &again));
		MUST(address_app_port(address_app(&addr)) == addr.port);
	} else {
		MUST(error.len);
	}
	error.len = 0;
	if (address_of_unix(text, &addr, &error) == 0) {
		MUST(!strcmp(address_unix(&addr), text) && !strcmp(address_text(&addr).text, text));
		MUST(paths_find(*text == '@' ? text : text, strlen(text)));
	} else {
		MUST(error.len);
	}
	if (address_parse_port(text, &port) == 0)
		MUST(port && strlen(text) && strspn(text, "0123456789") == strlen(text));
	free(text);
	fuzz_forget_paths();
	return 0;
}
