#include "log_form.h"

#include <string.h>
#include <time.h>

static const char *const level_names[] = {
	[LEVEL_ERROR] = "error",
	[LEVEL_WARN] = "warn",
	[LEVEL_INFO] = "info",
	[LEVEL_DEBUG] = "debug",
};

/* A text that is NULL: the field is not in the entry. */
static bool is_left_out(const struct log_field *f)
{
	return f->kind == LOG_FIELD_STR && !f->str;
}

const struct log_field *log_find_field(const struct log_field *fields, const char *key)
{
	for (; fields->key; fields++)
		if (!strcmp(fields->key, key) && !is_left_out(fields))
			return fields;
	return NULL;
}

/* The sentence for people, under whatever key. */
static const struct log_field *find_message(const struct log_field *fields)
{
	for (; fields->key; fields++)
		if (fields->kind == LOG_FIELD_MSG)
			return fields;
	return NULL;
}

static void add_time(struct strbuf *b, const struct tm *tm, const struct timeval *when,
		     char between, const char *end)
{
	strbuf_addf(b, "%04d-%02d-%02d%c%02d:%02d:%02d.%03d%s", tm->tm_year + 1900, tm->tm_mon + 1,
		    tm->tm_mday, between, tm->tm_hour, tm->tm_min, tm->tm_sec,
		    (int)(when->tv_usec / 1000), end);
}

void log_form_time(struct strbuf *b, const struct timeval *when)
{
	struct tm tm;

	gmtime_r(&when->tv_sec, &tm);
	add_time(b, &tm, when, 'T', "Z");
}

static bool needs_quotes(const char *text)
{
	return !*text || text[strcspn(text, " \"=()")] != '\0';
}

/* Escaped for one line of text: what cannot be printed as \xNN, lines of a message as " | ". */
static void add_text(struct strbuf *b, const char *text, size_t n)
{
	const char *nl;

	while ((nl = memchr(text, '\n', n))) {
		size_t len = (size_t)(nl - text);

		strbuf_add_escaped(b, text, len);
		text += len + 1;
		n -= len + 1;
		if (n)
			strbuf_add(b, " | ");
	}
	strbuf_add_escaped(b, text, n);
}

static void add_quoted(struct strbuf *b, const char *text)
{
	size_t n = strcspn(text, "\"\\");

	strbuf_add(b, "\"");
	add_text(b, text, n);
	for (text += n; *text; text += n) {
		strbuf_addf(b, "\\%c", *text++);
		n = strcspn(text, "\"\\");
		add_text(b, text, n);
	}
	strbuf_add(b, "\"");
}

void log_form_text(struct strbuf *b, const struct timeval *now, enum conf_log_level level,
		   const char *event, const struct log_field *fields)
{
	const struct log_field *owner = log_find_field(fields, "worker");
	const struct log_field *msg = find_message(fields);
	const char *sep = " (";
	struct tm tm;

	if (!owner)
		owner = log_find_field(fields, "service");
	localtime_r(&now->tv_sec, &tm);
	add_time(b, &tm, now, ' ', "");
	strbuf_addf(b, " %-5s ", level_names[level]);
	if (owner && owner->kind == LOG_FIELD_STR) {
		add_text(b, owner->str, strlen(owner->str));
		strbuf_add(b, " ");
	}
	strbuf_add(b, event);
	if (msg) {
		strbuf_add(b, ": ");
		add_text(b, msg->str, strlen(msg->str));
	}
	for (const struct log_field *f = fields; f->key; f++) {
		/* A worker's name begins with that of its service. */
		if (f == owner || f == msg || is_left_out(f) || !strcmp(f->key, "service"))
			continue;
		strbuf_addf(b, "%s%s=", sep, f->key);
		sep = " ";
		if (f->kind == LOG_FIELD_INT) {
			strbuf_addf(b, "%lld", f->num);
		} else if (f->kind == LOG_FIELD_BOOL) {
			strbuf_add(b, f->num ? "yes" : "no");
		} else if (needs_quotes(f->str)) {
			add_quoted(b, f->str);
		} else {
			add_text(b, f->str, strlen(f->str));
		}
	}
	if (*sep == ' ' && sep[1] == '\0')
		strbuf_add(b, ")");
}

static void add_json(struct strbuf *b, const char *text)
{
	char clean[LOG_LINE_SIZE];
	struct strbuf c;

	/* First make it valid UTF-8 without controls, but keep line breaks and tabs. */
	strbuf_init(&c, clean, sizeof(clean));
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, "\n\t");

		strbuf_add_escaped(&c, at, n);
		at += n;
		if (*at)
			strbuf_add_bytes(&c, at++, 1);
	}
	strbuf_add(b, "\"");
	for (const char *at = clean; *at; at++) {
		if (*at == '"' || *at == '\\')
			strbuf_addf(b, "\\%c", *at);
		else if (*at == '\n')
			strbuf_add(b, "\\n");
		else if (*at == '\t')
			strbuf_add(b, "\\t");
		else
			strbuf_add_bytes(b, at, 1);
	}
	strbuf_add(b, "\"");
}

static void format_json(struct strbuf *b, const struct timeval *now, enum conf_log_level level,
			const char *event, const struct log_field *fields)
{
	strbuf_add(b, "{\"time\":\"");
	log_form_time(b, now);
	strbuf_addf(b, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
	for (const struct log_field *f = fields; f->key; f++) {
		if (is_left_out(f))
			continue;
		strbuf_addf(b, ",\"%s\":", f->key);
		if (f->kind == LOG_FIELD_INT)
			strbuf_addf(b, "%lld", f->num);
		else if (f->kind == LOG_FIELD_BOOL)
			strbuf_add(b, f->num ? "true" : "false");
		else
			add_json(b, f->str);
	}
	strbuf_add(b, "}");
}

void log_form_json(struct strbuf *line, const struct timeval *now, enum conf_log_level level,
		   const char *event, const struct log_field *fields)
{
	format_json(line, now, level, event, fields);
	if (!line->cut)
		return;
	strbuf_init(line, line->text, line->size);
	format_json(line, now, level, event,
		    (const struct log_field[]){
			    { .key = "message", .kind = LOG_FIELD_STR, .str = "entry too long" },
			    { .key = NULL } });
}
