#include "json.h"

static void add_string(struct strbuf *out, const char *text, size_t n)
{
	static const char special[] = "\"\\\n\t", letters[] = "\"\\nt";
	const char *found;
	uint32_t cp;
	size_t plain = 0; /* where the part begins that goes out as it is */

	strbuf_add_bytes(out, "\"", 1);
	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		len = text[i] == '"' || text[i] == '\\' ? 0 : utf8_len(text + i, n - i);
		cp = utf8_decode(text + i, len ? len : 1);
		if (len && !utf8_reorders(cp))
			continue;
		strbuf_add_bytes(out, text + plain, i - plain);
		found = memchr(special, text[i], sizeof(special) - 1);
		if (found)
			strbuf_addf(out, "\\%c", letters[found - special]);
		else /* if not UTF-8, each byte as the character of its number (Latin-1) */
			strbuf_addf(out, "\\u%04x", (unsigned)cp);
		plain = i + (len ? len : 1);
	}
	strbuf_add_bytes(out, text + plain, n - plain);
	strbuf_add_bytes(out, "\"", 1);
}

/* A comma, unless this is the first in its object or array; then the key. */
static void open_member(struct strbuf *out, const char *key)
{
	if (out->len && out->text[out->len - 1] != '{' && out->text[out->len - 1] != '[')
		strbuf_add_bytes(out, ",", 1);
	if (!key)
		return;
	add_string(out, key, strlen(key));
	strbuf_add_bytes(out, ":", 1);
}

void json_begin(struct strbuf *out, const char *type)
{
	strbuf_add_bytes(out, "{", 1);
	json_str(out, "type", type);
}

void json_bytes(struct strbuf *out, const char *key, const char *value, size_t n)
{
	open_member(out, key);
	add_string(out, value, n);
}

void json_str(struct strbuf *out, const char *key, const char *value)
{
	if (value)
		json_bytes(out, key, value, strlen(value));
	else
		json_raw(out, key, "null");
}

void json_raw(struct strbuf *out, const char *key, const char *fmt, ...)
{
	open_member(out, key);
	strbuf_add_arguments(out, fmt);
}

void json_int_if(struct strbuf *out, const char *key, bool known, long long value)
{
	if (known)
		json_int(out, key, value);
	else
		json_str(out, key, NULL);
}

/* --- reading one --------------------------------------------------------------------- */

/* The text ends with a NUL, which nothing takes. */
struct reader {
	char *at;
	struct json_doc *doc;
};

static bool take(struct reader *r, char c)
{
	bool there = *r->at == c;

	r->at += there;
	return there;
}

static void skip_blanks(struct reader *r)
{
	r->at += strspn(r->at, " \t\r\n");
}

static bool take_mark(struct reader *r, char c)
{
	skip_blanks(r);
	return take(r, c);
}

static bool take_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);
	bool there = !strncmp(r->at, word, len);

	r->at += there ? len : 0;
	return there;
}

/* The four digits of \uXXXX. -1: they are none. */
static long take_hex(struct reader *r)
{
	char digits[5] = "";

	if (strspn(r->at, "0123456789abcdefABCDEF") < 4)
		return -1;
	memcpy(digits, r->at, 4);
	r->at += 4;
	return strtol(digits, NULL, 16);
}

/* Behind "\u". Writes UTF-8 to *@out, which is never longer than what it was read from. */
static bool take_unicode(struct reader *r, char **out)
{
	long code = take_hex(r), low;
	char *o = *out;
	int more; /* bytes behind the first */

	/* A NUL would end the string for every reader. */
	if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff))
		return false;
	if (code >= 0xd800 && code <= 0xdbff) {
		low = take_word(r, "\\u") ? take_hex(r) : -1;
		if (low < 0xdc00 || low > 0xdfff)
			return false;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	if (code < 0x80) {
		*o++ = (char)code;
	} else {
		more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
		*o++ = (char)(0xf80 >> more | code >> 6 * more);
		while (more--)
			*o++ = (char)(0x80 | (code >> 6 * more & 0x3f));
	}
	*out = o;
	return true;
}

static bool take_escape(struct reader *r, char **out)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (take(r, 'u'))
		return take_unicode(r, out);
	name = *r->at ? strchr(names, *r->at) : NULL;
	if (!name)
		return false;
	r->at++;
	*(*out)++ = bytes[name - names];
	return true;
}

static bool take_string(struct reader *r, const char **ret_text, size_t *ret_len)
{
	char *start = r->at + 1, *out = start;

	if (!take(r, '"'))
		return false;
	while (!take(r, '"')) {
		size_t len = *r->at == 0x7f ? 1 : utf8_len(r->at, 4); /* a NUL ends it */

		if (take(r, '\\')) {
			if (!take_escape(r, &out))
				return false;
			continue;
		}
		if (len == 0)
			return false;
		memmove(out, r->at, len);
		out += len;
		r->at += len;
	}
	*out = '\0';
	*ret_text = start;
	*ret_len = (size_t)(out - start);
	return true;
}

static size_t take_digits(struct reader *r)
{
	size_t n = strspn(r->at, "0123456789");

	r->at += n;
	return n;
}

static bool take_number(struct reader *r, struct json_value *v)
{
	char *start = r->at, *digits, *rest;
	size_t n;

	(void)take(r, '-');
	digits = r->at;
	n = take_digits(r);
	if (n == 0 || (n > 1 && *digits == '0'))
		return false;
	if (take(r, '.') && take_digits(r) == 0)
		return false;
	if (take(r, 'e') || take(r, 'E')) {
		(void)(take(r, '+') || take(r, '-'));
		if (take_digits(r) == 0)
			return false;
	}
	errno = 0;
	v->integer = strtoll(start, &rest, 10);
	v->is_integer = errno == 0 && rest == r->at;
	v->kind = JSON_NUMBER;
	v->text = start;
	v->len = (size_t)(r->at - start);
	return true;
}

static int take_all(struct reader *r, struct json_value *parent, unsigned depth);

static int take_value(struct reader *r, struct json_value *v, unsigned depth)
{
	switch (*r->at) {
	case '"':
		v->kind = JSON_STRING;
		return take_string(r, &v->text, &v->len) ? 0 : -EINVAL;
	case '{':
	case '[':
		v->kind = *r->at++ == '{' ? JSON_OBJECT : JSON_ARRAY;
		return take_all(r, v, depth);
	case 't':
	case 'f':
		v->kind = JSON_BOOL;
		v->is_true = *r->at == 't';
		return take_word(r, v->is_true ? "true" : "false") ? 0 : -EINVAL;
	case 'n':
		return take_word(r, "null") ? 0 : -EINVAL;
	default:
		return take_number(r, v) ? 0 : -EINVAL;
	}
}

/* What is in @parent, behind its bracket; it is at @depth itself. */
static int take_all(struct reader *r, struct json_value *parent, unsigned depth)
{
	bool object = parent->kind == JSON_OBJECT;
	struct json_value *last = NULL;
	size_t key_len;

	if (depth == JSON_DOC_DEPTH_MAX)
		return -E2BIG;
	while (!take_mark(r, object ? '}' : ']')) {
		struct json_value *v = &r->doc->value[r->doc->n];
		int e;

		if (r->doc->n == JSON_DOC_VALUES_MAX)
			return -E2BIG;
		r->doc->n++;
		*v = (struct json_value){ .kind = JSON_NULL };
		if (last && !take_mark(r, ','))
			return -EINVAL;
		skip_blanks(r);
		if (object && (!take_string(r, &v->key, &key_len) || !take_mark(r, ':')))
			return -EINVAL;
		skip_blanks(r);
		e = take_value(r, v, depth + 1);
		if (e < 0)
			return e;
		if (last)
			last->next = (unsigned)(v - last);
		else
			parent->first = (unsigned)(v - parent);
		last = v;
	}
	return 0;
}

int json_doc_read(char *text, size_t len, struct json_doc *ret)
{
	struct reader r = { .at = text, .doc = ret };
	int e;

	if (text[len])
		text[len] = '\0';
	ret->n = 1;
	ret->value[0] = (struct json_value){ .kind = JSON_OBJECT };
	e = take_mark(&r, '{') ? take_all(&r, &ret->value[0], 0) : -EINVAL;
	skip_blanks(&r);
	return e == 0 && r.at < text + len ? -EINVAL : e;
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

bool json_doc_is(const struct json_value *object, const char *key, const char *text)
{
	return !strcmp(json_doc_text(object, key), text);
}
