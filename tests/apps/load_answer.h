/*
 * load_answer.h - what a right answer is. Pure: looks at bytes, keeps nothing.
 */
#ifndef TESTS_LOAD_ANSWER_H
#define TESTS_LOAD_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Looks up to the empty line, never into the body. */
static inline bool answer_header(const char *head, const char *name, const char **ret_value)
{
	size_t n = strlen(name);

	for (const char *p = strstr(head, "\r\n"); p && p[2] != '\r'; p = strstr(p + 2, "\r\n")) {
		if (strncasecmp(p + 2, name, n) || p[2 + n] != ':')
			continue;
		*ret_value = p + 2 + n + 1 + strspn(p + 2 + n + 1, " ");
		return true;
	}
	return false;
}

enum verdict { VERDICT_MORE, VERDICT_RIGHT, VERDICT_WRONG, VERDICT_DUPLICATE };

/* @text must be "BEFORE PID BETWEEN ID" and at most a newline. */
static inline enum verdict answer_check_body(const char *text, size_t len, const char *before,
					     const char *between, const char *id, unsigned *ret_pid)
{
	size_t skip = strlen(before);
	unsigned long pid;
	char *end;

	if (len < skip || strncmp(text, before, skip))
		return VERDICT_WRONG;
	pid = strtoul(text + skip, &end, 10);
	if (end == text + skip || pid == 0 || pid > INT32_MAX)
		return VERDICT_WRONG;
	if (strncmp(end, between, strlen(between)))
		return VERDICT_WRONG;
	end += strlen(between);
	if (strncmp(end, id, strlen(id)))
		return VERDICT_WRONG;
	end += strlen(id);
	if (*end == '\n')
		end++;
	if (end != text + len)
		return strstr(end, id) || strstr(end, before) ? VERDICT_DUPLICATE : VERDICT_WRONG;
	*ret_pid = (unsigned)pid;
	return VERDICT_RIGHT;
}

/*
 * Judges the @len bytes of @buf, which a NUL follows. *@ret_keep: the server will take another
 * request on this connection. An answer without a length is complete at end of file only.
 */
static inline enum verdict answer_check_http(const char *buf, size_t len, const char *id, bool eof,
					     bool *ret_keep, unsigned *ret_pid)
{
	const char *body = strstr(buf, "\r\n\r\n");
	const char *value;
	size_t n;

	if (!body)
		return VERDICT_MORE;
	body += 4;
	n = len - (size_t)(body - buf);
	if (strncmp(buf, "HTTP/1.", 7) || strncmp(buf + 8, " 200", 4))
		return VERDICT_WRONG;
	*ret_keep = buf[7] == '1';
	if (answer_header(buf, "connection", &value))
		*ret_keep = !strncasecmp(value, "keep-alive", 10);
	if (answer_header(buf, "transfer-encoding", &value))
		return VERDICT_WRONG;
	if (answer_header(buf, "content-length", &value)) {
		size_t want = strtoul(value, NULL, 10);

		if (n < want)
			return VERDICT_MORE;
		if (n > want)
			return VERDICT_DUPLICATE;
	} else {
		*ret_keep = false;
		if (!eof)
			return VERDICT_MORE;
	}
	return answer_check_body(body, n, "pid=", " id=", id, ret_pid);
}

/* The same for the line protocol: "PID ID\n". */
static inline enum verdict answer_check_line(const char *buf, size_t len, const char *id,
					     unsigned *ret_pid)
{
	if (!memchr(buf, '\n', len))
		return VERDICT_MORE;
	return answer_check_body(buf, len, "", " ", id, ret_pid);
}

#endif
