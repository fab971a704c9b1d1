#include "json.h"

#include <string.h>
#include "base/utf8.h"

static void add_string(struct buf *out, const char *text, size_t n)
{
	static const char special[] = "\"\\\n\t", letters[] = "\"\\nt";
	const unsigned char *s = (const unsigned char *)text;
	const char *found;
	size_t plain = 0; /* where the part begins that goes out as it is */

	buf_add(out, "\"", 1);
	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		bool same = s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\';

		len = same ? 1 : utf8_len(s + i, n - i);
		if (len)
			continue;
		buf_add(out, text + plain, i - plain);
		found = memchr(special, s[i], sizeof(special) - 1);
		if (found)
			buf_addf(out, "\\%c", letters[found - special]);
		else /* if not UTF-8, each byte as the character of its number (Latin-1) */
			buf_addf(out, "\\u%04x", s[i]);
		plain = i + 1;
	}
	buf_add(out, text + plain, n - plain);
	buf_add(out, "\"", 1);
}

/* A comma, unless this is the first in its object or array; then the key. */
static void open_member(struct buf *out, const char *key)
{
	if (out->len && out->bytes[out->len - 1] != '{' && out->bytes[out->len - 1] != '[')
		buf_add(out, ",", 1);
	if (!key)
		return;
	add_string(out, key, strlen(key));
	buf_add(out, ":", 1);
}

void json_begin(struct buf *out, const char *type)
{
	buf_add(out, "{", 1);
	json_str(out, "type", type);
}

void json_end(struct buf *out)
{
	buf_add(out, "}\n", 2);
}

void json_bytes(struct buf *out, const char *key, const char *value, size_t n)
{
	open_member(out, key);
	add_string(out, value, n);
}

void json_str(struct buf *out, const char *key, const char *value)
{
	if (value) {
		json_bytes(out, key, value, strlen(value));
	} else {
		open_member(out, key);
		buf_add_str(out, "null");
	}
}

void json_int(struct buf *out, const char *key, long long value)
{
	open_member(out, key);
	buf_addf(out, "%lld", value);
}

void json_int_if(struct buf *out, const char *key, bool known, long long value)
{
	if (known)
		json_int(out, key, value);
	else
		json_str(out, key, NULL);
}

void json_uint(struct buf *out, const char *key, unsigned long long value)
{
	open_member(out, key);
	buf_addf(out, "%llu", value);
}

void json_bool(struct buf *out, const char *key, bool value)
{
	open_member(out, key);
	buf_add_str(out, value ? "true" : "false");
}

void json_object(struct buf *out, const char *key)
{
	open_member(out, key);
	buf_add(out, "{", 1);
}

void json_array(struct buf *out, const char *key)
{
	open_member(out, key);
	buf_add(out, "[", 1);
}

void json_close(struct buf *out)
{
	buf_add(out, "}", 1);
}

void json_close_array(struct buf *out)
{
	buf_add(out, "]", 1);
}
