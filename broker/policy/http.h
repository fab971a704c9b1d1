/*
 * http - the little of HTTP/1.0 and 1.1 (RFC 9110, 9112) that a probe and a scrape need:
 * requests without a body in, answers with a known length out.
 *
 * Strict where being lenient has made others unsafe: lines end with CR LF, a field has no blank
 * before its colon and is never folded, HTTP/1.1 names one Host, and a body is refused.
 */
#pragma once

#include "base/strbuf.h"

#define HTTP_HEAD_MAX 8192 /* bytes of a request: beyond it the answer is 431 */

enum http_status {
	HTTP_INCOMPLETE = 0, /* no status: more bytes are needed. They may never come */
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_NOT_FOUND = 404,
	HTTP_NOT_ALLOWED = 405, /* the method */
	HTTP_TOO_LARGE = 431,
	HTTP_UNAVAILABLE = 503,
	HTTP_BAD_VERSION = 505,
};

enum http_media { HTTP_MEDIA_OPENMETRICS, HTTP_MEDIA_TEXT, HTTP_MEDIA_N };

struct http_request {
	bool head;	  /* HEAD: the answer has no body */
	const char *path; /* without the query; in the caller's bytes */
	enum http_media
		accepts; /* TEXT only where plain text is asked for and OpenMetrics is not */
};

/*
 * Reads the head of a request, and ignores what follows it. HTTP_OK: *@ret is filled;
 * HTTP_INCOMPLETE: @bytes are as they were; or the status of the answer that it gets instead.
 */
enum http_status http_parse(char *bytes, size_t n, struct http_request *ret);

/* Head and, unless it is for HEAD, body of an answer after which the connection is closed. */
void http_answer(struct strbuf *out, enum http_status status, const char *type, const char *body,
		 size_t len, bool head);
