#include "http.h"

#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t n;
};

static bool span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && !strncasecmp(s.at, text, s.n);
}

/* A character of RFC 9110's token: of methods and field names. */
static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts what stands before the first @c off the front of *@s; all of it if there is none. */
static struct span cut(struct span *s, char c)
{
	const char *end = memchr(s->at, c, s->n);
	struct span part = { s->at, end ? (size_t)(end - s->at) : s->n };
	size_t used = part.n + (end != NULL);

	s->at += used;
	s->n -= used;
	return part;
}

static struct span trim(struct span s)
{
	while (s.n && is_blank(*s.at)) {
		s.at++;
		s.n--;
	}
	while (s.n && is_blank(s.at[s.n - 1]))
		s.n--;
	return s;
}

/* The next line, without its CR LF. False: it does not end so, or has a control character. */
static bool cut_line(struct span *s, struct span *ret)
{
	struct span line = cut(s, '\n');

	if (!line.n || line.at[line.n - 1] != '\r')
		return false;
	line.n--;
	for (size_t i = 0; i < line.n; i++)
		if (((unsigned char)line.at[i] < 0x20 && line.at[i] != '\t') || line.at[i] == 0x7f)
			return false;
	*ret = line;
	return true;
}

/* "/path?query", or "http://host/path?query" as a proxy is asked. */
static bool parse_target(struct span target, struct http_request *ret)
{
	static const char scheme[] = "http://";
	const size_t scheme_len = sizeof(scheme) - 1;
	struct span path;

	if (target.n > scheme_len && !strncasecmp(target.at, scheme, scheme_len)) {
		const char *slash = memchr(target.at + scheme_len, '/', target.n - scheme_len);

		if (!slash)
			return false;
		target.n -= (size_t)(slash - target.at);
		target.at = slash;
	}
	if (!target.n || *target.at != '/')
		return false;
	path = cut(&target, '?');
	ret->path = path.at;
	ret->path_len = path.n;
	return true;
}

static int parse_request_line(struct span line, struct http_request *ret, bool *ret_is_11)
{
	struct span method = cut(&line, ' '), target = cut(&line, ' ');

	if (!method.n || !target.n)
		return HTTP_BAD_REQUEST;
	for (size_t i = 0; i < method.n; i++)
		if (!is_token(method.at[i]))
			return HTTP_BAD_REQUEST;
	if (line.n != 8 || memcmp(line.at, "HTTP/", 5) != 0 || line.at[5] < '0' ||
	    line.at[5] > '9' || line.at[6] != '.' || line.at[7] < '0' || line.at[7] > '9')
		return HTTP_BAD_REQUEST;
	if (line.at[5] != '1')
		return HTTP_BAD_VERSION;
	*ret_is_11 = line.at[7] != '0';
	/* The names of methods are case-sensitive. */
	ret->head = method.n == 4 && !memcmp(method.at, "HEAD", 4);
	if (!ret->head && !(method.n == 3 && !memcmp(method.at, "GET", 3)))
		return HTTP_NOT_ALLOWED;
	return parse_target(target, ret) ? 0 : HTTP_BAD_REQUEST;
}

struct fields {
	unsigned hosts;
	bool body;
	bool openmetrics, text; /* in Accept */
};

/* "q=0", "q=0.000": not wanted at all. */
static bool is_refused(struct span parameters)
{
	while (parameters.n) {
		struct span p = trim(cut(&parameters, ';'));

		if (p.n < 3 || strncasecmp(p.at, "q=", 2) != 0)
			continue;
		for (size_t i = 2; i < p.n; i++)
			if (p.at[i] != '0' && p.at[i] != '.')
				return false;
		return true;
	}
	return false;
}

static void parse_accept(struct span value, struct fields *fields)
{
	while (value.n) {
		struct span range = cut(&value, ',');
		struct span type = trim(cut(&range, ';'));

		if (is_refused(range))
			continue;
		if (span_is(type, "application/openmetrics-text"))
			fields->openmetrics = true;
		else if (span_is(type, "text/plain") || span_is(type, "text/*"))
			fields->text = true;
	}
}

static int parse_field(struct span line, struct fields *fields)
{
	struct span name, value = line;

	if (!memchr(line.at, ':', line.n))
		return HTTP_BAD_REQUEST;
	name = cut(&value, ':');
	if (!name.n)
		return HTTP_BAD_REQUEST;
	/* A blank is none: neither a folded line nor "Name : value" gets through. */
	for (size_t i = 0; i < name.n; i++)
		if (!is_token(name.at[i]))
			return HTTP_BAD_REQUEST;
	value = trim(value);
	if (span_is(name, "Host"))
		fields->hosts++;
	else if (span_is(name, "Transfer-Encoding"))
		fields->body = true;
	else if (span_is(name, "Content-Length"))
		fields->body = fields->body || !span_is(value, "0");
	else if (span_is(name, "Accept"))
		parse_accept(value, fields);
	return 0;
}

/* All lines are there. */
static int parse_head(struct span head, struct http_request *ret)
{
	struct fields fields = { 0 };
	struct span line;
	bool is_11 = false;
	int r;

	if (!cut_line(&head, &line))
		return HTTP_BAD_REQUEST;
	r = parse_request_line(line, ret, &is_11);
	while (r == 0) {
		if (!cut_line(&head, &line))
			return HTTP_BAD_REQUEST;
		if (!line.n)
			break;
		r = parse_field(line, &fields);
	}
	if (r)
		return r;
	if (fields.body || fields.hosts > 1 || (is_11 && fields.hosts == 0))
		return HTTP_BAD_REQUEST;
	ret->accepts =
		fields.text && !fields.openmetrics ? HTTP_MEDIA_TEXT : HTTP_MEDIA_OPENMETRICS;
	return 0;
}

int http_parse(const char *bytes, size_t n, struct http_request *ret)
{
	struct http_request request = { 0 };
	int r;

	/* The head ends with an empty line, in whatever way its lines end. */
	if (!memmem(bytes, n, "\r\n\r\n", 4) && !memmem(bytes, n, "\n\n", 2))
		return n >= HTTP_HEAD_MAX ? HTTP_TOO_LARGE : HTTP_INCOMPLETE;
	r = parse_head((struct span){ bytes, n }, &request);
	if (r == 0)
		*ret = request;
	return r;
}

bool http_path_is(const struct http_request *request, const char *path)
{
	return request->path_len == strlen(path) && !memcmp(request->path, path, request->path_len);
}

static const char *reason_of(enum http_status status)
{
	switch (status) {
	case HTTP_OK:
		return "OK";
	case HTTP_BAD_REQUEST:
		return "Bad Request";
	case HTTP_NOT_FOUND:
		return "Not Found";
	case HTTP_NOT_ALLOWED:
		return "Method Not Allowed";
	case HTTP_TOO_LARGE:
		return "Request Header Fields Too Large";
	case HTTP_UNAVAILABLE:
		return "Service Unavailable";
	case HTTP_BAD_VERSION:
		return "HTTP Version Not Supported";
	}
	return "";
}

void http_answer(struct buf *out, enum http_status status, const char *type, const char *body,
		 size_t len, bool head)
{
	buf_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", (int)status,
		 reason_of(status), type, len);
	if (status == HTTP_NOT_ALLOWED)
		buf_add_str(out, "Allow: GET, HEAD\r\n");
	buf_add_str(out, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
	if (!head)
		buf_add(out, body, len);
}
