#include "http.h"

#include <ctype.h>
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

/* A token of RFC 9110: a method, or the name of a field. */
static bool is_token(struct span s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.at[i]) &&
		    !memchr(others, s.at[i], sizeof(others) - 1))
			return false;
	return s.n > 0;
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

static enum http_status parse_request_line(struct span line, struct http_request *ret,
					   bool *ret_is_11)
{
	struct span method = cut(&line, ' '), target = cut(&line, ' ');

	if (!is_token(method) || !target.n || line.n != 8 || memcmp(line.at, "HTTP/", 5) != 0 ||
	    !isdigit((unsigned char)line.at[5]) || line.at[6] != '.' ||
	    !isdigit((unsigned char)line.at[7]))
		return HTTP_BAD_REQUEST;
	if (line.at[5] != '1')
		return HTTP_BAD_VERSION;
	*ret_is_11 = line.at[7] != '0';
	/* The names of methods are case-sensitive. */
	ret->head = method.n == 4 && !memcmp(method.at, "HEAD", 4);
	if (!ret->head && !(method.n == 3 && !memcmp(method.at, "GET", 3)))
		return HTTP_NOT_ALLOWED;
	return parse_target(target, ret) ? HTTP_OK : HTTP_BAD_REQUEST;
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

/* False: the line is no field. */
static bool parse_field(struct span line, struct fields *fields)
{
	struct span value = line, name = cut(&value, ':');

	/* No blank in the name: neither a folded line nor "Name : value" gets through. */
	if (name.n == line.n || !is_token(name))
		return false;
	value = trim(value);
	if (span_is(name, "Host"))
		fields->hosts++;
	else if (span_is(name, "Transfer-Encoding"))
		fields->body = true;
	else if (span_is(name, "Content-Length"))
		fields->body = fields->body || !span_is(value, "0");
	else if (span_is(name, "Accept"))
		parse_accept(value, fields);
	return true;
}

/* All lines are there. */
static enum http_status parse_head(struct span head, struct http_request *ret)
{
	struct fields fields = { 0 };
	struct span line;
	bool is_11 = false;
	enum http_status status;

	if (!cut_line(&head, &line))
		return HTTP_BAD_REQUEST;
	status = parse_request_line(line, ret, &is_11);
	if (status != HTTP_OK)
		return status;
	do
		if (!cut_line(&head, &line) || (line.n && !parse_field(line, &fields)))
			return HTTP_BAD_REQUEST;
	while (line.n);
	if (fields.body || fields.hosts > 1 || (is_11 && fields.hosts == 0))
		return HTTP_BAD_REQUEST;
	ret->accepts =
		fields.text && !fields.openmetrics ? HTTP_MEDIA_TEXT : HTTP_MEDIA_OPENMETRICS;
	return HTTP_OK;
}

enum http_status http_parse(const char *bytes, size_t n, struct http_request *ret)
{
	struct http_request request = { 0 };
	enum http_status status;

	/* The head ends with an empty line, in whatever way its lines end. */
	if (!memmem(bytes, n, "\r\n\r\n", 4) && !memmem(bytes, n, "\n\n", 2))
		return n >= HTTP_HEAD_MAX ? HTTP_TOO_LARGE : HTTP_INCOMPLETE;
	status = parse_head((struct span){ bytes, n }, &request);
	if (status == HTTP_OK)
		*ret = request;
	return status;
}

bool http_path_is(const struct http_request *request, const char *path)
{
	return request->path_len == strlen(path) && !memcmp(request->path, path, request->path_len);
}

static const char *const reasons[] = {
	[HTTP_OK] = "OK",
	[HTTP_BAD_REQUEST] = "Bad Request",
	[HTTP_NOT_FOUND] = "Not Found",
	[HTTP_NOT_ALLOWED] = "Method Not Allowed",
	[HTTP_TOO_LARGE] = "Request Header Fields Too Large",
	[HTTP_UNAVAILABLE] = "Service Unavailable",
	[HTTP_BAD_VERSION] = "HTTP Version Not Supported",
};

void http_answer(struct buf *out, enum http_status status, const char *type, const char *body,
		 size_t len, bool head)
{
	buf_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", (int)status,
		 reasons[status], type, len);
	if (status == HTTP_NOT_ALLOWED)
		buf_add_str(out, "Allow: GET, HEAD\r\n");
	buf_add_str(out, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
	if (!head)
		buf_add(out, body, len);
}
