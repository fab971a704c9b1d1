#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include "base/words.h"

#define ELLIPSIS "..."
#define DOTS_MIN 7 /* columns that a word needs to end in dots */

static const struct {
	const char *tag, *escape;
} styles[] = {
	[TEXT_PLAIN] = { "<plain>", "" },	  [TEXT_BOLD] = { "<bold>", "\033[1m" },
	[TEXT_DIM] = { "<dim>", "\033[2m" },	  [TEXT_RED] = { "<red>", "\033[31m" },
	[TEXT_GREEN] = { "<green>", "\033[32m" }, [TEXT_YELLOW] = { "<yellow>", "\033[33m" },
	[TEXT_BLUE] = { "<blue>", "\033[34m" },	  [TEXT_MAGENTA] = { "<magenta>", "\033[35m" },
	[TEXT_CYAN] = { "<cyan>", "\033[36m" },
};

/* One character as it is shown. */
struct glyph {
	char bytes[16];
	size_t len;	  /* of bytes */
	unsigned columns; /* it takes */
	size_t source;	  /* bytes that it was made of */
};

/* The columns of a character; HIDDEN: the reader must see its number instead. */
enum look { COMBINING = 0, PLAIN = 1, WIDE = 2, HIDDEN };

/*
 * Unicode blocks (UAX #11) that terminals draw over the character before, or two columns wide. And
 * characters that are invisible; see also utf8_reorders().
 */
static const struct range {
	uint32_t first, last;
	enum look look;
} ranges[] = {
	{ 0xad, 0xad, HIDDEN },	       { 0x300, 0x36f, COMBINING },   { 0x483, 0x489, COMBINING },
	{ 0x591, 0x5bd, COMBINING },   { 0x64b, 0x65f, COMBINING },   { 0x1100, 0x115f, WIDE },
	{ 0x180e, 0x180e, HIDDEN },    { 0x1ab0, 0x1aff, COMBINING }, { 0x1dc0, 0x1dff, COMBINING },
	{ 0x200b, 0x200d, HIDDEN },    { 0x2060, 0x206f, HIDDEN },    { 0x20d0, 0x20ff, COMBINING },
	{ 0x231a, 0x231b, WIDE },      { 0x2e80, 0x303e, WIDE },      { 0x3041, 0xa4cf, WIDE },
	{ 0xa960, 0xa97f, WIDE },      { 0xac00, 0xd7a3, WIDE },      { 0xf900, 0xfaff, WIDE },
	{ 0xfe00, 0xfe0f, COMBINING }, { 0xfe20, 0xfe2f, COMBINING }, { 0xfe30, 0xfe6f, WIDE },
	{ 0xfeff, 0xfeff, HIDDEN },    { 0xff00, 0xff60, WIDE },      { 0xffe0, 0xffe6, WIDE },
	{ 0xfff9, 0xfffb, HIDDEN },    { 0x1f300, 0x1f64f, WIDE },    { 0x1f680, 0x1f6ff, WIDE },
	{ 0x1f900, 0x1f9ff, WIDE },    { 0x20000, 0x3fffd, WIDE },    { 0xe0000, 0xe0fff, HIDDEN },
};

enum text_style text_state_style(const char *state)
{
	static const char *const words[] = {
		[TEXT_DIM] = "waiting empty unused debug",
		[TEXT_RED] = "down back-off error",
		[TEXT_GREEN] = "ready serving running open",
		[TEXT_YELLOW] = "held paused warn",
		[TEXT_BLUE] = "draining parked closing",
		[TEXT_MAGENTA] = "stopping",
		[TEXT_CYAN] = "starting",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] && words_have(words[i], state))
			return (enum text_style)i;
	return TEXT_PLAIN;
}

static enum look look_of(uint32_t cp)
{
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return ranges[i].look;
	return PLAIN;
}

/* The first character of @text, which is not empty. */
static struct glyph next_glyph(const char *text)
{
	size_t len = utf8_len(text, strnlen(text, 4));
	struct glyph g = { .len = len, .source = len ? len : 1 };
	uint32_t cp = utf8_decode(text, g.source);
	enum look look = len && !utf8_reorders(cp) ? look_of(cp) : HIDDEN;

	g.columns = look;
	if (look == HIDDEN)
		g.columns = g.len =
			(size_t)snprintf(g.bytes, sizeof(g.bytes),
					 len ? "\\u{%" PRIx32 "}" : "\\x%02" PRIx32, cp);
	else
		memcpy(g.bytes, text, len);
	return g;
}

unsigned text_width(const char *text)
{
	unsigned columns = 0;

	for (struct glyph g; *text; text += g.source) {
		g = next_glyph(text);
		columns += g.columns;
	}
	return columns;
}

struct text_line text_begin(struct screen *s, unsigned indent)
{
	bool fits = s->left > 0;

	s->left -= fits;
	return (struct text_line){ .out = fits ? s->out : NULL,
				   .width = s->columns,
				   .color = s->color,
				   .full = !fits,
				   .column = indent,
				   .blanks = indent,
				   .mark = s->out->len };
}

void text_add(struct text_line *line, enum text_style style, const char *text)
{
	unsigned room = line->column < line->width ? line->width - line->column : 0;
	bool fits = text_width(text) <= room;
	/* Of a short word, nothing but the dots would be left. */
	const char *dots = !fits && room >= DOTS_MIN ? ELLIPSIS : "";

	if (line->full || !*text)
		return;
	line->full = !fits;
	if (!fits && !*dots && line->width >= DOTS_MIN && !line->row) {
		/* Over the end of the line: the reader must see that something is missing. */
		line->out->len = line->mark;
		strbuf_add(line->out, line->color ? "\033[0m" ELLIPSIS : ELLIPSIS);
		return;
	}
	if (room == 0)
		return;
	room -= (unsigned)strlen(dots);
	for (; line->blanks > 0; line->blanks--)
		strbuf_add(line->out, " ");
	if (line->color)
		strbuf_add(line->out, styles[style].escape);
	for (struct glyph g; *text; text += g.source) {
		g = next_glyph(text);
		if (g.columns > room)
			break;
		strbuf_add_bytes(line->out, g.bytes, g.len);
		room -= g.columns;
		line->column += g.columns;
		if (line->column + strlen(ELLIPSIS) <= line->width)
			line->mark = line->out->len;
	}
	strbuf_add(line->out, dots);
	if (line->color && style != TEXT_PLAIN)
		strbuf_add(line->out, "\033[0m");
}

void text_addf(struct text_line *line, enum text_style style, const char *fmt, ...)
{
	STRBUF(text, 4096);

	strbuf_add_arguments(&text, fmt);
	text_add(line, style, text.text);
}

/* False: as if it were not there, see text_expand(). */
static bool add_member(struct strbuf *out, const struct json_value *object, const char *key)
{
	const struct json_value *v = json_doc_member(object, key);
	size_t len = strlen(key);

	if (len >= 2 && !strcmp(key + len - 2, "ms")) {
		text_add_age(out, json_doc_number(object, key));
		return v != NULL;
	}
	if (v && v->is_integer)
		strbuf_addf(out, "%" PRId64, v->integer);
	else
		strbuf_add(out, json_doc_text(object, key));
	return json_doc_number(object, key) > 0 || json_doc_truth(object, key) ||
	       *json_doc_text(object, key);
}

const char *text_expand(struct strbuf *out, const char *words, const struct json_value *object)
{
	size_t start = 0, n;
	bool whole = true; /* the part in braces that began at @start */
	char key[32];

	for (;; words += n) {
		n = strcspn(words, "${|}<");
		strbuf_add_bytes(out, words, n);
		words += n;
		n = 1;
		switch (*words) {
		case '\0':
		case '<':
			return words;
		case '{':
			start = out->len;
			whole = true;
			break;
		case '|':
		case '}':
			if (!whole)
				out->text[out->len = start] = '\0';
			else if (*words == '|')
				n = strcspn(words, "}");
			whole = true;
			break;
		case '$':
			n += strspn(words + 1, "abcdefghijklmnopqrstuvwxyz_0123456789");
			snprintf(key, sizeof(key), "%.*s", (int)n - 1, words + 1);
			whole = add_member(out, object, key) && whole;
			break;
		}
	}
}

/* @tag: "<red>". "<>" and what is no style: @before. */
static enum text_style style_of(const char *tag, enum text_style before,
				const struct json_value *object)
{
	if (!strncmp(tag, "<state>", strlen("<state>")))
		return text_state_style(json_doc_text(object, "state"));
	for (size_t i = 0; i < ARRAY_SIZE(styles); i++)
		if (!strncmp(tag, styles[i].tag, strlen(styles[i].tag)))
			return (enum text_style)i;
	return before;
}

void text_fill(struct text_line *line, enum text_style style, const char *words,
	       const struct json_value *object)
{
	enum text_style now = style;

	for (;;) {
		STRBUF(text, 4096);

		words = text_expand(&text, words, object);
		text_add(line, now, text.text);
		if (!*words)
			return;
		now = style_of(words, style, object);
		words += strcspn(words, ">") + 1;
	}
}

void text_print(struct screen *s, unsigned indent, const char *words,
		const struct json_value *object)
{
	struct text_line line = text_begin(s, indent);
	size_t before = s->out->len;

	text_fill(&line, TEXT_PLAIN, words, object);
	if (line.full || s->out->len > before)
		text_end(&line);
	else
		s->left++;
}

void text_pad(struct text_line *line, unsigned column)
{
	if (column <= line->column || line->full)
		return;
	line->blanks += column - line->column;
	line->column = column;
}

void text_end(struct text_line *line)
{
	if (line->out)
		strbuf_add(line->out, "\n");
}

/* The bytes of @text that fit into a line of @room columns; at least one character, or word. */
static size_t fitting(const char *text, unsigned room, bool whole_words)
{
	const char *at = text, *blank = text;

	for (struct glyph g; *at; at += g.source) {
		g = next_glyph(at);
		if (*at == ' ')
			blank = at;
		if (g.columns > room)
			break;
		room -= g.columns;
	}
	if (*at && blank > text)
		at = blank;
	else if (*at && whole_words)
		at = text + strcspn(text, " ");
	return at > text ? (size_t)(at - text) : next_glyph(text).source;
}

/* A line that is not cut. */
static void add_whole(struct screen *s, unsigned indent, const char *before, const char *text,
		      size_t n)
{
	struct text_line line = text_begin(s, indent);

	line.width = TEXT_UNLIMITED;
	text_add(&line, TEXT_DIM, before);
	text_addf(&line, TEXT_PLAIN, "%.*s", (int)n, text);
	text_end(&line);
}

void text_wrap(struct screen *s, unsigned indent, bool whole_words, const char *text)
{
	unsigned room = s->columns > indent ? s->columns - indent : 1;

	while (*text) {
		size_t n = fitting(text, room, whole_words);

		add_whole(s, indent, "", text, n);
		text += n;
		text += strspn(text, " ");
	}
}

void text_add_lines(struct screen *s, const char *before, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		add_whole(s, 0, before, text, n);
		text += n + (text[n] == '\n');
	}
}

/* Below @limit as it is, else in at most four columns: 1.2k, 12k, 123k, 1.2M. */
static void add_scaled(struct strbuf *out, int64_t n, int64_t limit, int base)
{
	double value = (double)n / base;
	const char *unit = "kMGTPE";

	if (n < 0) {
		strbuf_add(out, "-");
	} else if (n < limit) {
		strbuf_addf(out, "%" PRId64, n);
	} else {
		/* What would round to 1000 of a unit is 1.0 of the next one. */
		for (; value >= 999.5 && unit[1]; unit++)
			value /= base;
		strbuf_addf(out, value < 9.95 ? "%.1f%c" : "%.0f%c", value, *unit);
	}
}

void text_add_count(struct strbuf *out, int64_t n)
{
	add_scaled(out, n, 100000, 1000);
}

void text_add_bytes(struct strbuf *out, int64_t bytes)
{
	add_scaled(out, bytes, 1024, 1024);
}

void text_add_age(struct strbuf *out, int64_t ms)
{
	int64_t s = ms / MSEC_PER_SEC;

	if (ms < 0)
		strbuf_add(out, "-");
	else if (s < 60)
		strbuf_addf(out, "%" PRId64 "s", s);
	else if (s < 3600)
		strbuf_addf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		strbuf_addf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		strbuf_addf(out, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
}

void text_add_cpu_time(struct strbuf *out, int64_t ms)
{
	if (ms >= 0 && ms < 60 * MSEC_PER_SEC)
		strbuf_addf(out, "%" PRId64 ".%" PRId64 "s", ms / 1000, ms / 100 % 10);
	else
		text_add_age(out, ms);
}
