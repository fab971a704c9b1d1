#include "json_doc.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

struct reader {
	unsigned char *at, *end;
	struct json_doc *doc;
	struct {
		unsigned value; /* index of the array or object */
		unsigned last;	/* index of the last value in it; 0: it is empty */
	} open[JSON_DOC_DEPTH_MAX];
	unsigned depth;
};

static void skip_blanks(struct reader *r)
{
	static const char blanks[] = { ' ', '\t', '\r', '\n' };

	while (r->at < r->end && memchr(blanks, *r->at, sizeof(blanks)))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != (unsigned char)c)
		return false;
	r->at++;
	return true;
}

static bool take_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

/* The four digits of \uXXXX. -1: they are none. */
static long take_hex(struct reader *r)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	long code = 0;

	if (r->end - r->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const char *digit = *r->at ? strchr(digits, *r->at) : NULL;

		if (!digit)
			return -1;
		code = code << 4 | ((digit - digits) & 15);
		r->at++;
	}
	return code;
}

/* Behind "\u". Writes UTF-8 to *@out, which is never longer than what it was read from. */
static int take_unicode(struct reader *r, unsigned char **out)
{
	long code = take_hex(r), low;
	unsigned char *o = *out;
	int more; /* bytes behind the first */

	/* A NUL would end the string for every reader. */
	if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff))
		return -EINVAL;
	if (code >= 0xd800 && code <= 0xdbff) {
		if (!take_word(r, "\\u"))
			return -EINVAL;
		low = take_hex(r);
		if (low < 0xdc00 || low > 0xdfff)
			return -EINVAL;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	if (code < 0x80) {
		*o++ = (unsigned char)code;
	} else {
		more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
		*o++ = (unsigned char)(0xf80 >> more | code >> 6 * more);
		while (more--)
			*o++ = (unsigned char)(0x80 | (code >> 6 * more & 0x3f));
	}
	*out = o;
	return 0;
}

static int take_escape(struct reader *r, unsigned char **out)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (take(r, 'u'))
		return take_unicode(r, out);
	name = r->at < r->end && *r->at ? strchr(names, *r->at) : NULL;
	if (!name)
		return -EINVAL;
	r->at++;
	*(*out)++ = (unsigned char)bytes[name - names];
	return 0;
}

static int take_string(struct reader *r, const char **ret_text, size_t *ret_len)
{
	unsigned char *start = r->at + 1, *out = start;

	if (!take(r, '"'))
		return -EINVAL;
	while (r->at < r->end) {
		size_t len = 1;
		int e;

		if (take(r, '"')) {
			*out = '\0';
			*ret_text = (const char *)start;
			*ret_len = (size_t)(out - start);
			return 0;
		}
		if (take(r, '\\')) {
			e = take_escape(r, &out);
			if (e < 0)
				return e;
			continue;
		}
		if (*r->at < 0x20)
			return -EINVAL;
		if (*r->at >= 0x80)
			len = utf8_len(r->at, (size_t)(r->end - r->at));
		if (len == 0)
			return -EINVAL;
		memmove(out, r->at, len);
		out += len;
		r->at += len;
	}
	return -EINVAL;
}

static size_t take_digits(struct reader *r)
{
	unsigned char *start = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - start);
}

static int take_number(struct reader *r, struct json_value *v)
{
	unsigned char *start = r->at, *digits;
	bool minus = take(r, '-');
	size_t n;

	digits = r->at;
	n = take_digits(r);
	if (n == 0 || (n > 1 && *digits == '0'))
		return -EINVAL;
	v->is_integer = true;
	for (size_t i = 0; i < n && v->is_integer; i++) {
		/* Below zero all the way, as there is one number more. */
		v->is_integer = !__builtin_mul_overflow(v->integer, 10, &v->integer) &&
				!__builtin_sub_overflow(v->integer, digits[i] - '0', &v->integer);
	}
	if (v->is_integer && !minus)
		v->is_integer = !__builtin_sub_overflow(0, v->integer, &v->integer);
	if (take(r, '.')) {
		v->is_integer = false;
		if (take_digits(r) == 0)
			return -EINVAL;
	}
	if (take(r, 'e') || take(r, 'E')) {
		v->is_integer = false;
		(void)(take(r, '+') || take(r, '-'));
		if (take_digits(r) == 0)
			return -EINVAL;
	}
	v->kind = JSON_NUMBER;
	v->text = (const char *)start;
	v->len = (size_t)(r->at - start);
	return 0;
}

static int take_value(struct reader *r, struct json_value *v)
{
	if (r->at == r->end)
		return -EINVAL;
	switch (*r->at) {
	case '"':
		v->kind = JSON_STRING;
		return take_string(r, &v->text, &v->len);
	case '{':
	case '[':
		v->kind = *r->at++ == '{' ? JSON_OBJECT : JSON_ARRAY;
		return 0;
	case 't':
	case 'f':
		v->kind = JSON_BOOL;
		v->is_true = *r->at == 't';
		return take_word(r, v->is_true ? "true" : "false") ? 0 : -EINVAL;
	case 'n':
		return take_word(r, "null") ? 0 : -EINVAL;
	default:
		return take_number(r, v);
	}
}

/* Puts @v behind the last value of the innermost open array or object, and opens it if it is one.
 */
static int add(struct reader *r, const struct json_value *v)
{
	struct json_doc *doc = r->doc;
	unsigned i = doc->n;

	if (i == JSON_DOC_VALUES_MAX)
		return -E2BIG;
	doc->value[doc->n++] = *v;
	if (r->depth > 0) {
		unsigned last = r->open[r->depth - 1].last, parent = r->open[r->depth - 1].value;

		if (last)
			doc->value[last].next = i - last;
		else
			doc->value[parent].first = i - parent;
		r->open[r->depth - 1].last = i;
	}
	if (v->kind != JSON_OBJECT && v->kind != JSON_ARRAY)
		return 0;
	if (r->depth == JSON_DOC_DEPTH_MAX)
		return -E2BIG;
	r->open[r->depth].value = i;
	r->open[r->depth++].last = 0;
	return 0;
}

/* The next member or element, or the end, of the innermost open array or object. */
static int step(struct reader *r)
{
	bool object = r->doc->value[r->open[r->depth - 1].value].kind == JSON_OBJECT;
	struct json_value v = { .kind = JSON_NULL };
	size_t key_len;
	int e;

	skip_blanks(r);
	if (take(r, object ? '}' : ']')) {
		r->depth--;
		return 0;
	}
	if (r->open[r->depth - 1].last && !take(r, ','))
		return -EINVAL;
	skip_blanks(r);
	if (object) {
		e = take_string(r, &v.key, &key_len);
		if (e < 0)
			return e;
		skip_blanks(r);
		if (!take(r, ':'))
			return -EINVAL;
		skip_blanks(r);
	}
	e = take_value(r, &v);
	return e < 0 ? e : add(r, &v);
}

int json_doc_read(char *text, size_t len, struct json_doc *ret)
{
	struct reader r = { .at = (unsigned char *)text,
			    .end = (unsigned char *)text + len,
			    .doc = ret };
	struct json_value root = { .kind = JSON_OBJECT };
	int e;

	ret->n = 0;
	skip_blanks(&r);
	if (!take(&r, '{'))
		return -EINVAL;
	e = add(&r, &root);
	/* Every turn takes at least one character. */
	while (e == 0 && r.depth > 0)
		e = step(&r);
	if (e < 0)
		return e;
	skip_blanks(&r);
	return r.at == r.end ? 0 : -EINVAL;
}

const struct json_value *json_doc_first(const struct json_value *container)
{
	return container && container->first ? container + container->first : NULL;
}

const struct json_value *json_doc_next(const struct json_value *value)
{
	return value->next ? value + value->next : NULL;
}

const struct json_value *json_doc_member(const struct json_value *object, const char *key)
{
	const struct json_value *v = json_doc_first(object);

	/* An element of an array has no key. */
	while (v && (!v->key || strcmp(v->key, key) != 0))
		v = json_doc_next(v);
	return v && v->kind != JSON_NULL ? v : NULL;
}

const char *json_doc_text(const struct json_value *object, const char *key)
{
	const struct json_value *v = json_doc_member(object, key);

	return v && v->kind == JSON_STRING ? v->text : "";
}

int64_t json_doc_number(const struct json_value *object, const char *key)
{
	const struct json_value *v = json_doc_member(object, key);

	return v && v->is_integer ? v->integer : -1;
}

bool json_doc_truth(const struct json_value *object, const char *key)
{
	const struct json_value *v = json_doc_member(object, key);

	return v && v->kind == JSON_BOOL && v->is_true;
}
