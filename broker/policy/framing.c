#include "framing.h"

#include <string.h>
#include <strings.h>

#define METHOD_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
#define METHOD_MAX   20

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* " HTTP/1.0" or " HTTP/1.1", with @at behind the blank. */
static bool is_version(const char *at)
{
	return !strncmp(at, "HTTP/1.", 7) && (at[7] == '0' || at[7] == '1');
}

/* The method is at the beginning of a line that may have lost its middle. */
static enum framing_part read_request(struct framing *f)
{
	size_t method = strspn(f->line, METHOD_CHARS);
	const char *version = strrchr(f->line, ' ');

	if (!method || f->line[method] != ' ' || !version || version == f->line + method ||
	    !is_version(version + 1) || strlen(version + 1) != 8)
		return FRAMING_BAD;
	f->head = method == 4 && !strncmp(f->line, "HEAD", 4);
	f->bound = method == 7 && !strncmp(f->line, "CONNECT", 7);
	return FRAMING_FIELDS;
}

static enum framing_part read_status(struct framing *f)
{
	const char *status = f->line + 9;

	if (!is_version(f->line) || f->line[8] != ' ' || !is_digit(status[0]) ||
	    !is_digit(status[1]) || !is_digit(status[2]) || (status[3] && status[3] != ' '))
		return FRAMING_BAD;
	f->interim = *status == '1';
	f->bound = !strncmp(status, "101", 3);
	f->bare |= f->interim || !strncmp(status, "204", 3) || !strncmp(status, "304", 3);
	return FRAMING_FIELDS;
}

static bool read_length(struct framing *f, const char *value)
{
	uint64_t length = 0;
	size_t digits = strspn(value, "0123456789");

	if (!digits || digits > 18 || value[digits + strspn(value + digits, " \t")])
		return false;
	for (size_t i = 0; i < digits; i++)
		length = length * 10 + (uint64_t)(value[i] - '0');
	if (f->sized && f->left != length)
		return false;
	f->sized = true;
	f->left = length;
	return true;
}

/* Whether @value begins with a word that makes the user one of the connection. */
static bool is_of_connection(const char *value)
{
	return !strncasecmp(value, "NTLM", 4) || !strncasecmp(value, "Negotiate", 9);
}

/* Those that say how long the message is, or what the connection becomes. False: it is bad. */
static bool read_field(struct framing *f)
{
	char *colon = strchr(f->line, ':');
	const char *value;

	if (!colon || colon == f->line || f->line[strcspn(f->line, ": \t")] != ':')
		return false;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	if (!strcasecmp(f->line, "Content-Length"))
		return !f->cut && read_length(f, value);
	if (!strcasecmp(f->line, "Transfer-Encoding")) {
		bool first = !f->chunked;

		f->chunked = true;
		return first && !strcasecmp(value, "chunked");
	}
	if (!strcasecmp(f->line, "Upgrade"))
		f->bound |= !f->answer;
	else if (!strcasecmp(f->line, "Authorization") ||
		 !strcasecmp(f->line, "Proxy-Authorization") ||
		 !strcasecmp(f->line, "WWW-Authenticate") ||
		 !strcasecmp(f->line, "Proxy-Authenticate"))
		f->bound |= is_of_connection(value);
	return true;
}

/* What follows the empty line behind the fields. */
static enum framing_part after_head(const struct framing *f)
{
	if (f->answer && f->bound)
		return FRAMING_ENDLESS;
	if (f->bare)
		return FRAMING_WHOLE;
	if (f->chunked)
		return f->sized ? FRAMING_BAD : FRAMING_SIZE;
	if (f->sized)
		return f->left ? FRAMING_BODY : FRAMING_WHOLE;
	return f->answer ? FRAMING_ENDLESS : FRAMING_WHOLE;
}

static enum framing_part read_size(struct framing *f)
{
	size_t digits = strspn(f->line, "0123456789abcdefABCDEF");
	char next = f->line[digits];

	if (!digits || digits > 15 || f->cut || (next && next != ';' && next != ' '))
		return FRAMING_BAD;
	f->left = strtoull(f->line, NULL, 16);
	f->read = 0;
	if (!f->left)
		return FRAMING_TRAILER;
	return FRAMING_CHUNK;
}

/* A line has ended, and is without its end. */
static enum framing_part read_line(struct framing *f)
{
	switch (f->part) {
	case FRAMING_START:
		return f->answer ? read_status(f) : read_request(f);
	case FRAMING_FIELDS:
		if (!f->n)
			return after_head(f);
		return read_field(f) ? FRAMING_FIELDS : FRAMING_BAD;
	case FRAMING_SIZE:
		return read_size(f);
	case FRAMING_CHUNK_END:
		return f->n ? FRAMING_BAD : FRAMING_SIZE;
	case FRAMING_TRAILER:
		return f->n ? FRAMING_TRAILER : FRAMING_WHOLE;
	default:
		return FRAMING_BAD;
	}
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Of a first line its beginning and its end count, of all others the beginning. */
static void keep(struct framing *f, char c)
{
	if (f->n < sizeof(f->line) - 1) {
		f->line[f->n++] = c;
		return;
	}
	f->cut = true;
	if (f->part != FRAMING_START)
		return;
	memmove(f->line + FRAMING_LINE / 2, f->line + FRAMING_LINE / 2 + 1, FRAMING_LINE / 2 - 2);
	f->line[f->n - 1] = c;
}

/* Whether @c can stand there: what is no HTTP at all is to be known by its first bytes. */
static bool is_possible(const struct framing *f, char c)
{
	if (f->cr || c == '\n')
		return f->cr && c == '\n';
	if (f->part == FRAMING_START && f->n < METHOD_MAX && !f->answer &&
	    !memchr(f->line, ' ', f->n))
		return (c && strchr(METHOD_CHARS, c)) || (f->n && c == ' ');
	if (f->part == FRAMING_START && f->n < 7 && f->answer)
		return c == "HTTP/1."[f->n];
	return (unsigned char)c >= ' ' || c == '\t' || c == '\r';
}

/* One byte of a line. */
static void read_byte(struct framing *f, char c)
{
	if (++f->read > FRAMING_HEAD || !is_possible(f, c)) {
		f->part = FRAMING_BAD;
		return;
	}
	f->cr = c == '\r';
	if (f->cr)
		return;
	if (c != '\n') {
		keep(f, c);
		return;
	}
	f->line[f->n] = '\0';
	f->part = read_line(f);
	f->n = 0;
	f->cut = false;
}

size_t framing_read(struct framing *f, const char *bytes, size_t n)
{
	size_t at = 0;

	while (at < n && !framing_ended(f)) {
		size_t some = n - at;

		if (f->part != FRAMING_BODY && f->part != FRAMING_CHUNK) {
			read_byte(f, bytes[at++]);
			continue;
		}
		some = some < f->left ? some : (size_t)f->left;
		f->left -= some;
		at += some;
		if (!f->left)
			f->part = f->part == FRAMING_BODY ? FRAMING_WHOLE : FRAMING_CHUNK_END;
	}
	return at;
}
