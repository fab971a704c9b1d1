#include "answer.h"

#include <stdint.h>
#include <string.h>

#define MAX_DEPTH 16
#define KEY_SIZE  64

struct reader {
	const char *at, *end;
};

/* Where decoded text goes; without storage it is only checked. */
struct sink {
	char *text;
	size_t len, size;
	bool overflow; /* or a NUL, which C text cannot hold */
};

static void sink_put(struct sink *sink, char c)
{
	if (!sink->text)
		return;
	if (!c || sink->len + 1 >= sink->size) {
		sink->overflow = true;
		return;
	}
	sink->text[sink->len++] = c;
	sink->text[sink->len] = '\0';
}

static void skip_space(struct reader *r)
{
	while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at)
		r->at++;
}

static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool read_hex4(struct reader *r, uint32_t *ret)
{
	uint32_t value = 0;

	if (r->end - r->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = *r->at++;

		if (c >= '0' && c <= '9')
			value = value * 16 + (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + (uint32_t)((c | 0x20) - 'a') + 10;
		else
			return false;
	}
	*ret = value;
	return true;
}

static void put_utf8(struct sink *sink, uint32_t cp)
{
	if (cp < 0x80) {
		sink_put(sink, (char)cp);
		return;
	}
	if (cp < 0x800) {
		sink_put(sink, (char)(0xc0 | cp >> 6));
	} else {
		if (cp < 0x10000) {
			sink_put(sink, (char)(0xe0 | cp >> 12));
		} else {
			sink_put(sink, (char)(0xf0 | cp >> 18));
			sink_put(sink, (char)(0x80 | (cp >> 12 & 0x3f)));
		}
		sink_put(sink, (char)(0x80 | (cp >> 6 & 0x3f)));
	}
	sink_put(sink, (char)(0x80 | (cp & 0x3f)));
}

static bool read_unicode(struct reader *r, struct sink *sink)
{
	uint32_t cp, low;

	if (!read_hex4(r, &cp))
		return false;
	if (cp >= 0xd800 && cp < 0xdc00) {
		if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
			return false;
		r->at += 2;
		if (!read_hex4(r, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
	} else if (cp >= 0xdc00 && cp <= 0xdfff) {
		return false;
	}
	put_utf8(sink, cp);
	return true;
}

static bool read_escape(struct reader *r, struct sink *sink)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (r->at == r->end || !*r->at)
		return false;
	if (*r->at == 'u') {
		r->at++;
		return read_unicode(r, sink);
	}
	found = strchr(from, *r->at++);
	if (!found)
		return false;
	sink_put(sink, to[found - from]);
	return true;
}

static bool read_string(struct reader *r, struct sink *sink)
{
	if (!take(r, '"'))
		return false;
	while (r->at < r->end) {
		char c = *r->at++;

		if (c == '"')
			return true;
		if ((unsigned char)c < ' ')
			return false;
		if (c != '\\')
			sink_put(sink, c);
		else if (!read_escape(r, sink))
			return false;
	}
	return false;
}

static size_t read_digits(struct reader *r, struct sink *sink)
{
	size_t n = 0;

	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; n++)
		sink_put(sink, *r->at++);
	return n;
}

static bool take_into(struct reader *r, struct sink *sink, const char *any)
{
	if (r->at == r->end || !*r->at || !strchr(any, *r->at))
		return false;
	sink_put(sink, *r->at++);
	return true;
}

static bool read_number(struct reader *r, struct sink *sink)
{
	(void)take_into(r, sink, "-");
	/* No leading zero: "01" leaves a digit that nothing expects. */
	if (!take_into(r, sink, "0") && !read_digits(r, sink))
		return false;
	if (take_into(r, sink, ".") && !read_digits(r, sink))
		return false;
	if (take_into(r, sink, "eE")) {
		(void)take_into(r, sink, "+-");
		return read_digits(r, sink) > 0;
	}
	return true;
}

static bool read_word(struct reader *r, struct sink *sink, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return false;
	r->at += n;
	for (; sink && *word; word++)
		sink_put(sink, *word);
	return true;
}

static bool read_value(struct reader *r, struct sink *sink, int depth);

/* The members of an object or an array, after its opening bracket. Nothing in it is asked for. */
static bool pass_over(struct reader *r, char close, int depth)
{
	if (depth >= MAX_DEPTH)
		return false;
	if (take(r, close))
		return true;
	do {
		struct sink nowhere = { .text = NULL };

		if (close == '}' && (!read_string(r, &nowhere) || !take(r, ':')))
			return false;
		if (!read_value(r, &nowhere, depth + 1))
			return false;
	} while (take(r, ','));
	return take(r, close);
}

static bool read_value(struct reader *r, struct sink *sink, int depth)
{
	skip_space(r);
	if (r->at == r->end)
		return false;
	switch (*r->at) {
	case '"':
		return read_string(r, sink);
	case '{':
		r->at++;
		return pass_over(r, '}', depth);
	case '[':
		r->at++;
		return pass_over(r, ']', depth);
	case 't':
		return read_word(r, sink, "true");
	case 'f':
		return read_word(r, sink, "false");
	case 'n':
		return read_word(r, NULL, "null");
	}
	return read_number(r, sink);
}

static struct sink sink_for(const char *key, struct answer_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(fields[i].key, key)) {
			fields[i].value[0] = '\0';
			return (struct sink){ .text = fields[i].value, .size = fields[i].size };
		}
	return (struct sink){ .text = NULL };
}

static bool read_member(struct reader *r, struct answer_field *fields, size_t n)
{
	char key[KEY_SIZE] = "";
	struct sink name = { .text = key, .size = sizeof(key) };
	struct sink value = { .text = NULL };

	if (!read_string(r, &name) || !take(r, ':'))
		return false;
	/* Longer than any that we ask for: none of ours, though it may begin like one. */
	if (!name.overflow)
		value = sink_for(key, fields, n);
	return read_value(r, &value, 0) && !value.overflow;
}

bool answer_read(const char *line, size_t len, struct answer_field *fields, size_t n)
{
	struct reader r = { line, line + len };

	for (size_t i = 0; i < n; i++)
		fields[i].value[0] = '\0';
	if (!take(&r, '{'))
		return false;
	if (!take(&r, '}')) {
		do
			if (!read_member(&r, fields, n))
				return false;
		while (take(&r, ','));
		if (!take(&r, '}'))
			return false;
	}
	skip_space(&r);
	return r.at == r.end;
}
