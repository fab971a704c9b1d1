/*
 * json - writes JSON objects, one a line, into a strbuf; and reads one.
 *
 *	json_begin(out, "worker");
 *	json_int(out, "pid", 812);
 *	json_object(out, "ledger");
 *	json_int(out, "accepted", 9);
 *	json_close(out);
 *	json_end(out);			{"type":"worker","pid":812,"ledger":{"accepted":9}}
 *
 * Commas come by themselves. Text that is not UTF-8, or that could steer a terminal, is
 * escaped: what comes out is always one valid line, whatever goes in.
 */
#pragma once

#include "base/strbuf.h"

void json_begin(struct strbuf *out, const char *type); /* begins with "type":@type */

void json_str(struct strbuf *out, const char *key, const char *value); /* NULL: null */
void json_bytes(struct strbuf *out, const char *key, const char *value, size_t n);
void json_int_if(struct strbuf *out, const char *key, bool known, long long value); /* else null */

/* What is no text, as @fmt makes it. */
void json_raw(struct strbuf *out, const char *key, const char *fmt, ...) PRINTF(3, 4);

#define json_int(out, key, value)  json_raw(out, key, "%lld", (long long)(value))
#define json_uint(out, key, value) json_raw(out, key, "%llu", (unsigned long long)(value))
#define json_bool(out, key, value) json_raw(out, key, "%s", (value) ? "true" : "false")

#define json_object(out, key) json_raw(out, key, "{")
#define json_array(out, key)  json_raw(out, key, "[")
#define json_close(out)	      strbuf_add(out, "}")
#define json_close_array(out) strbuf_add(out, "]")
#define json_end(out)	      strbuf_add(out, "}\n")

/* Elements of an array have no key: pass NULL. */

/*
 * --- reading one ------------------------------------------------------------------------------
 *
 * Reads one JSON object (RFC 8259), such as a line of an answer of the broker.
 *
 * Strict: what is not JSON is refused, as are a NUL in a string and text behind the object.
 * Bounded: so many values, so many levels, no allocation. In place: the text is
 * changed, strings are unescaped and terminated where they stand, and the values point into it.
 *
 * null means the same as absent to all that look a member up. Of members with the same name
 * the first counts. What looks into a value may be given NULL: nothing is in it then.
 */

#define JSON_DOC_VALUES_MAX 1024
#define JSON_DOC_DEPTH_MAX  6

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_value {
	enum json_kind kind;
	bool is_true;	  /* BOOL */
	bool is_integer;  /* NUMBER: without fraction and exponent, and it fits */
	unsigned first;	  /* ARRAY, OBJECT: how far behind this the first value in it is; 0: none */
	unsigned next;	  /* how far behind this the next value in the same one is; 0: none */
	int64_t integer;  /* NUMBER, if is_integer */
	const char *key;  /* of a member of an object, else NULL */
	const char *text; /* STRING, unescaped; NUMBER: as it stands, not terminated */
	size_t len;	  /* of text */
};

struct json_doc {
	/* [0] is the object. They may be copied together, as they name each other by distance. */
	struct json_value value[JSON_DOC_VALUES_MAX];
	unsigned n;
};

/*
 * Reads @len bytes of @text, of which text[len] must be writable or '\0' already. 0: *@ret is
 * good as long as @text is. -EINVAL: it is not one JSON object. -E2BIG: too many values or levels.
 * After an error neither *@ret nor @text is of any use.
 */
int json_doc_read(char *text, size_t len, struct json_doc *ret);

/* A member of @object. NULL: absent, or null. */
const struct json_value *json_doc_member(const struct json_value *object, const char *key);

/* The same, as what is expected. Absent or of another kind: "", -1, false. */
const char *json_doc_text(const struct json_value *object, const char *key);
int64_t json_doc_number(const struct json_value *object, const char *key);
bool json_doc_truth(const struct json_value *object, const char *key);
bool json_doc_is(const struct json_value *object, const char *key, const char *text);

/* What is in an array or object, one after the other; NULL after the last. */
const struct json_value *json_doc_first(const struct json_value *container);
const struct json_value *json_doc_next(const struct json_value *value);
