/* links: broker/base/json broker/base/strbuf */
/* JSON, read and written: any text becomes one line that can be read, and steers no terminal. */
#include "base/json.h"
#include "fuzz.h"

static struct json_doc doc;

static void walk(const struct json_value *value)
{
	if (value->kind == JSON_STRING)
		MUST(strlen(value->text) == value->len);
	(void)json_doc_text(value, "type");
	(void)json_doc_number(value, "pid");
	(void)json_doc_truth(value, "ok");
	for (const struct json_value *v = json_doc_first(value); v; v = json_doc_next(v)) {
		MUST(!v->key || strlen(v->key) < SIZE_MAX);
		walk(v);
	}
}

static void read_it(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	if (json_doc_read(text, size, &doc) == 0) {
		MUST(doc.n > 0 && doc.n <= JSON_DOC_VALUES_MAX);
		walk(&doc.value[0]);
	}
	free(text);
}

static void write_it(const uint8_t *data, size_t size)
{
	struct strbuf out = STRBUF_GROWS(1 << 24);
	char *text = fuzz_text(data, size);

	json_begin(&out, "fuzz");
	json_str(&out, text, text);
	json_object(&out, "in");
	json_int(&out, "n", size);
	json_close(&out);
	json_end(&out);
	MUST(!out.cut && out.text[out.len - 1] == '\n');
	for (size_t i = 0; i + 1 < out.len; i++)
		MUST((unsigned char)out.text[i] >= 0x20 && out.text[i] != 0x7f);
	MUST(json_doc_read(out.text, out.len, &doc) == 0);
	if (strcmp(text, "n") != 0)
		MUST(json_doc_number(json_doc_member(&doc.value[0], "in"), "n") == (int64_t)size ||
		     !strcmp(text, "in"));
	strbuf_deinit(&out);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_it(data, size);
	write_it(data, size);
	return 0;
}
