/* links: broker/policy/http broker/base/strbuf */
/*
 * A request of HTTP, as the network cuts it: whether it is taken does not depend on how much of
 * what follows has come already, and while it is incomplete its bytes stay as they are.
 */
#include "policy/http.h"
#include "fuzz.h"

static enum http_status parse(const uint8_t *data, size_t size)
{
	struct http_request request = { 0 };
	char *bytes = fuzz_bytes(data, size);
	enum http_status status = http_parse(bytes, size, &request);
	struct strbuf out = STRBUF_GROWS(1 << 20);

	if (status == HTTP_INCOMPLETE)
		MUST(!memcmp(bytes, data, size));
	if (status == HTTP_OK) {
		MUST(request.path >= bytes && request.path + strlen(request.path) < bytes + size);
		MUST(*request.path == '/' && request.accepts < HTTP_MEDIA_N);
		http_answer(&out, status, "text/plain", request.path, strlen(request.path),
			    request.head);
		MUST(out.len && !out.cut);
	}
	strbuf_deinit(&out);
	free(bytes);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size / 16 + 1;
	enum http_status all;

	if (size > HTTP_HEAD_MAX)
		size = HTTP_HEAD_MAX;
	all = parse(data, size);
	for (size_t n = 1; n < size; n += step) {
		enum http_status status = parse(data, n);

		/* Of several reasons to refuse it, another may come first. */
		MUST(status == HTTP_INCOMPLETE || (status == HTTP_OK) == (all == HTTP_OK));
	}
	return 0;
}
