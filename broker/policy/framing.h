/*
 * framing - where a message of HTTP/1 ends (RFC 9112): of those that are only passed on.
 *
 * It reads the bytes as they come, in pieces of any size, and keeps no more of them than one line.
 * Strict: whatever another program may read in another way is FRAMING_BAD, and then nothing is
 * known of the connection any more. Lines end with CR LF, a field has no blank before its colon and
 * is not folded, a length is said once and in one way.
 */
#pragma once

#include "base/util.h"

enum framing_part {
	FRAMING_START, /* the first line: of a request, or of an answer */
	FRAMING_FIELDS,
	FRAMING_BODY,	   /* .left bytes */
	FRAMING_SIZE,	   /* the line before a chunk */
	FRAMING_CHUNK,	   /* .left bytes */
	FRAMING_CHUNK_END, /* the end of line behind it */
	FRAMING_TRAILER,
	FRAMING_WHOLE,	 /* that was all of it */
	FRAMING_ENDLESS, /* up to the end of the connection, or what follows is no HTTP/1 */
	FRAMING_BAD,
};

#define FRAMING_LINE 80 /* of a longer one, only the end is kept, and of a field the beginning */
#define FRAMING_HEAD (64 << 10) /* a longer head is bad */

/* All zero but .answer before the first byte. */
struct framing {
	enum framing_part part;
	bool answer; /* it is one, else a request */
	bool bare;   /* an answer without a body whatever its head says: to HEAD */
	bool head;   /* the request is HEAD */
	bool bound;  /* it, or what follows, depends on this connection: Upgrade, CONNECT, NTLM */
	bool chunked, sized;
	bool interim;  /* an answer of 1xx: another one follows */
	unsigned read; /* bytes of the head, or of the trailer */
	uint64_t left;
	bool cr;  /* the byte before was one */
	bool cut; /* the line is longer than .line */
	uint8_t n;
	char line[FRAMING_LINE];
};

static inline bool framing_ended(const struct framing *f)
{
	return f->part >= FRAMING_WHOLE;
}

/* Whether its head has been read. */
static inline bool framing_has_head(const struct framing *f)
{
	return f->part > FRAMING_FIELDS;
}

/*
 * Reads @n bytes more. Returns how many of them belong to the message: fewer than @n only if it has
 * ended, and 0 if it had before.
 */
size_t framing_read(struct framing *f, const char *bytes, size_t n);
