/*
 * strbuf - text built up in a buffer of fixed size, or in one that grows on the heap.
 *
 * What does not fit is cut and remembered, never an error. That is for messages, where a cut tail
 * beats no message. One that grows is for answers that must be whole: once it could not, it takes
 * nothing more, and its owner gives up the answer.
 */
#pragma once

#include <errno.h> /* this and string.h are for all who build text */
#include <stdarg.h>
#include <string.h>
#include "base/util.h"

/*
 * Length of the character at @s, which has @n bytes, at least one; 0 if there is none that may be
 * shown: a control character (C0, DEL, C1: they move a terminal's cursor), or what is no UTF-8 (RFC
 * 3629: shortest form, no surrogates).
 */
size_t utf8_len(const char *s, size_t n);

/* The number of the character at @s, of which utf8_len() is @len; with 1: the byte. */
uint32_t utf8_decode(const char *s, size_t len);

/*
 * Whether @cp would make a reader see a line in another order, or as two: the directional controls
 * of UAX #9 (U+202E turns "gnp.exe" round), and the line and paragraph separators.
 */
bool utf8_reorders(uint32_t cp);

struct strbuf {
	char *text; /* terminated. The caller's storage; if it grows, owned, and NULL at first */
	size_t len; /* without the terminator */
	size_t size;
	size_t max; /* it grows, but .len never beyond this; 0: it does not */
	bool cut;
};

#define STRBUF_QUOTED_MAX     80 /* bytes: enough to recognise one's own text by */
#define STRBUF_GROWS(max_len) ((struct strbuf){ .max = (max_len) })

/* Declares a strbuf @name over an array of @bytes on the stack. */
#define STRBUF(name, bytes)                                                                        \
	char name##_storage_[bytes] = "";                                                          \
	struct strbuf name = { .text = name##_storage_, .size = (bytes) }

void strbuf_deinit(struct strbuf *b); /* of one that grows: frees; may be used again afterwards */

/* Forgets the first @n bytes of one that grows. Frees the storage when nothing is left. */
void strbuf_consume(struct strbuf *b, size_t n);

void strbuf_init(struct strbuf *b, char *storage, size_t size);
void strbuf_add(struct strbuf *b, const char *text);
void strbuf_add_bytes(struct strbuf *b, const void *bytes, size_t n);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) PRINTF(2, 3);
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap) PRINTF(2, 0);

/* In a function that takes @fmt and what belongs to it: adds that. */
#define strbuf_add_arguments(b, fmt)                                                               \
	do {                                                                                       \
		va_list ap_;                                                                       \
		va_start(ap_, fmt);                                                                \
		strbuf_vaddf(b, fmt, ap_);                                                         \
		va_end(ap_);                                                                       \
	} while (0)

/*
 * Adds why something failed with @r, -errno, and returns @r. In @fmt %m is what @r means:
 *
 *	return strbuf_fail(error, -errno, "cannot read %s: %m", path);
 */
int strbuf_fail(struct strbuf *b, int r, const char *fmt, ...) PRINTF(3, 4);

/*
 * Adds @n bytes that may come from a hostile peer or file: what is not printable ASCII or valid
 * UTF-8, or utf8_reorders(), becomes \xNN, so that neither a terminal nor the reader of a log is
 * steered by it.
 */
void strbuf_add_escaped(struct strbuf *b, const char *bytes, size_t n);

/* Adds @text with @value for each @place, such as {pid}, in it. */
void strbuf_add_filled(struct strbuf *b, const char *text, const char *place, const char *value);

/* Text that somebody gave, for a message: escaped, in double quotes, and cut where it gets long. */
struct strbuf_quoted {
	char text[4 * STRBUF_QUOTED_MAX + sizeof("\"...\"")];
};
struct strbuf_quoted strbuf_quote_bytes(const char *text, size_t n);
struct strbuf_quoted strbuf_quote(const char *text);

/* Adds what is wrong with @text, after it: "@text" is not a port. Returns -EINVAL. */
int strbuf_refuse(struct strbuf *b, const char *text, const char *fmt, ...) PRINTF(3, 4);
