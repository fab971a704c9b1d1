#include "http.h"

#include "base/words.h"

#include <ctype.h>
#include <strings.h>

/* A token of RFC 9110: a method, or the name of a field. */
static bool is_token(const char *s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (!*s)
		return false;
	while (isalnum((unsigned char)*s) || (*s && strchr(others, *s)))
		s++;
	return !*s;
}

/* The next line, without its CR LF. NULL: it does not end so, or has a control character. */
static char *cut_line(char **head)
{
	char *line = strsep(head, "\n");
	size_t n = line ? strlen(line) : 0;

	if (!n || line[n - 1] != '\r')
		return NULL;
	line[n - 1] = '\0';
	for (const char *c = line; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return NULL;
	return line;
}

static enum http_status parse_request_line(char *line, struct http_request *ret, bool *ret_is_11)
{
	char *method = strsep(&line, " "), *target = strsep(&line, " ");

	if (!is_token(method) || !target || !*target || !line || strlen(line) != 8 ||
	    strncmp(line, "HTTP/", 5) != 0 || !isdigit((unsigned char)line[5]) || line[6] != '.' ||
	    !isdigit((unsigned char)line[7]))
		return HTTP_BAD_REQUEST;
	if (line[5] != '1')
		return HTTP_BAD_VERSION;
	*ret_is_11 = line[7] != '0';
	/* The names of methods are case-sensitive. */
	ret->head = !strcmp(method, "HEAD");
	if (!ret->head && strcmp(method, "GET") != 0)
		return HTTP_NOT_ALLOWED;
	/* "/path?query", or "http://host/path?query" as a proxy is asked. */
	if (!strncasecmp(target, "http://", 7))
		target = strchr(target + 7, '/');
	if (!target || *target != '/')
		return HTTP_BAD_REQUEST;
	ret->path = strsep(&target, "?");
	return HTTP_OK;
}

struct fields {
	unsigned hosts;
	bool body;
	bool openmetrics, text; /* in Accept */
};

/* "q=0", "q=0.000": not wanted at all. */
static bool is_refused(char *parameters)
{
	char *p;

	while ((p = strsep(&parameters, ";"))) {
		p = words_trim(p);
		if (!strncasecmp(p, "q=", 2) && p[2])
			return !p[2 + strspn(p + 2, "0.")];
	}
	return false;
}

static void parse_accept(char *value, struct fields *fields)
{
	char *range;

	while ((range = strsep(&value, ","))) {
		const char *type = words_trim(strsep(&range, ";"));

		if (is_refused(range))
			continue;
		if (!strcasecmp(type, "application/openmetrics-text"))
			fields->openmetrics = true;
		else if (!strcasecmp(type, "text/plain") || !strcasecmp(type, "text/*"))
			fields->text = true;
	}
}

/* False: the line is no field. */
static bool parse_field(char *line, struct fields *fields)
{
	char *value = line;
	const char *name = strsep(&value, ":");

	/* No blank in the name: neither a folded line nor "Name : value" gets through. */
	if (!value || !is_token(name))
		return false;
	value = words_trim(value);
	if (!strcasecmp(name, "Host"))
		fields->hosts++;
	else if (!strcasecmp(name, "Transfer-Encoding"))
		fields->body = true;
	else if (!strcasecmp(name, "Content-Length"))
		fields->body = fields->body || strcmp(value, "0") != 0;
	else if (!strcasecmp(name, "Accept"))
		parse_accept(value, fields);
	return true;
}

/* All lines are there. */
static enum http_status parse_head(char *head, struct http_request *ret)
{
	struct fields fields = { 0 };
	char *line = cut_line(&head);
	bool is_11 = false;
	enum http_status status = line ? parse_request_line(line, ret, &is_11) : HTTP_BAD_REQUEST;

	if (status != HTTP_OK)
		return status;
	do {
		line = cut_line(&head);
		if (!line || (*line && !parse_field(line, &fields)))
			return HTTP_BAD_REQUEST;
	} while (*line);
	if (fields.body || fields.hosts > 1 || (is_11 && fields.hosts == 0))
		return HTTP_BAD_REQUEST;
	ret->accepts =
		fields.text && !fields.openmetrics ? HTTP_MEDIA_TEXT : HTTP_MEDIA_OPENMETRICS;
	return HTTP_OK;
}

enum http_status http_parse(char *bytes, size_t n, struct http_request *ret)
{
	/* The head ends with an empty line, in whatever way its lines end. */
	char *end = n ? memmem(bytes, n, "\r\n\r\n", 4) : NULL, *last = end ? end + 3 : NULL;
	struct http_request request = { 0 };
	enum http_status status = HTTP_BAD_REQUEST;

	if (n && !end && (end = memmem(bytes, n, "\n\n", 2)))
		last = end + 1;
	if (!last)
		return n >= HTTP_HEAD_MAX ? HTTP_TOO_LARGE : HTTP_INCOMPLETE;
	*last = '\0';
	/* Else there is a zero byte in it. */
	if (strlen(bytes) == (size_t)(last - bytes))
		status = parse_head(bytes, &request);
	if (status == HTTP_OK)
		*ret = request;
	return status;
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

void http_answer(struct strbuf *out, enum http_status status, const char *type, const char *body,
		 size_t len, bool head)
{
	strbuf_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
		    (int)status, reasons[status], type, len);
	if (status == HTTP_NOT_ALLOWED)
		strbuf_add(out, "Allow: GET, HEAD\r\n");
	strbuf_add(out, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
	if (!head)
		strbuf_add_bytes(out, body, len);
}
