#include "log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include "base/fd.h"
#include "sys/timestamp.h"

#define LINE_SIZE 8192
/* What a reader that stopped reading may leave waiting before entries are dropped. */
#define BACKLOG_SIZE (256 * 1024)
/* Of which workers may use so much: their flood must not push out what the broker has to say. */
#define OUTPUT_SIZE (192 * 1024)
/* POLLOUT on a pipe means that PIPE_BUF bytes go in without blocking. */
#define CHUNK 4096

static struct {
	int fd;
	bool owned; /* opened by us: close it */
	bool syslog;
	char *path;
	enum conf_log_level level;
	enum conf_log_format format;
	char backlog[BACKLOG_SIZE];
	size_t n_backlog;
	unsigned long long lost;
	log_sink_fn *sink;
	void *sink_arg;
} lg = { .fd = STDERR_FILENO, .level = LEVEL_INFO };

bool log_enabled(enum conf_log_level level)
{
	return level <= lg.level || (lg.sink && level <= LEVEL_INFO);
}

void log_set_sink(log_sink_fn *sink, void *arg)
{
	lg.sink = sink;
	lg.sink_arg = arg;
}

const char *log_format(const char *fmt, ...)
{
	static char text[4096];
	struct strbuf b;
	va_list ap;

	strbuf_init(&b, text, sizeof(text));
	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	return text;
}

static const char *level_name(enum conf_log_level level)
{
	switch (level) {
	case LEVEL_ERROR:
		return "error";
	case LEVEL_WARN:
		return "warn";
	case LEVEL_INFO:
		return "info";
	case LEVEL_DEBUG:
		return "debug";
	}
	return "?";
}

/* --- writing without ever waiting ---------------------------------------------------- */

static bool writable_now(void)
{
	struct pollfd p = { .fd = lg.fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/* Returns how much went out; less than @n when the reader is slow, 0 when it is gone. */
static size_t write_some(const char *text, size_t n)
{
	size_t done = 0;

	while (done < n && writable_now()) {
		size_t part = n - done < CHUNK ? n - done : CHUNK;
		ssize_t w = write(lg.fd, text + done, part);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			break;
		done += (size_t)w;
	}
	return done;
}

void log_flush(void)
{
	size_t done;

	if (lg.n_backlog == 0)
		return;
	done = write_some(lg.backlog, lg.n_backlog);
	memmove(lg.backlog, lg.backlog + done, lg.n_backlog - done);
	lg.n_backlog -= done;
	if (lg.n_backlog == 0 && lg.lost) {
		unsigned long long lost = lg.lost;

		lg.lost = 0;
		log_event(
			LEVEL_WARN, "log-lost", LOG_INT("entries", lost),
			LOG_MSG("%llu log entries were dropped: whatever reads the log is too slow",
				lost));
	}
}

static void put_line(const char *text, size_t n, size_t room)
{
	size_t done = 0;

	log_flush();
	if (lg.n_backlog == 0)
		done = write_some(text, n);
	if (done == n)
		return;
	if (done == 0 && lg.n_backlog + n > room) {
		/* Only whole entries are dropped. */
		lg.lost++;
		return;
	}
	memcpy(lg.backlog + lg.n_backlog, text + done, n - done);
	lg.n_backlog += n - done;
}

int log_pending_fd(void)
{
	return lg.n_backlog ? lg.fd : -1;
}

/* --- the two forms ------------------------------------------------------------------- */

const struct log_field *log_find_field(const struct log_field *fields, const char *key)
{
	for (; fields->key; fields++)
		if (!strcmp(fields->key, key))
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

static bool needs_quotes(const char *text)
{
	return !*text || text[strcspn(text, " \"=()")] != '\0';
}

/* Escaped for one line of text: what cannot be printed as \xNN, lines of a message as " | ". */
static void add_text(struct strbuf *b, const char *text)
{
	const char *nl;

	while ((nl = strchr(text, '\n'))) {
		strbuf_add_escaped(b, text, (size_t)(nl - text));
		if (nl[1])
			strbuf_add(b, " | ");
		text = nl + 1;
	}
	strbuf_add_escaped(b, text, strlen(text));
}

static void add_quoted(struct strbuf *b, const char *text)
{
	const char *quote;

	strbuf_add(b, "\"");
	while ((quote = strpbrk(text, "\"\\"))) {
		char part[LINE_SIZE];
		size_t n = (size_t)(quote - text) < sizeof(part) ? (size_t)(quote - text)
								 : sizeof(part) - 1;

		memcpy(part, text, n);
		part[n] = '\0';
		add_text(b, part);
		strbuf_addf(b, "\\%c", *quote);
		text = quote + 1;
	}
	add_text(b, text);
	strbuf_add(b, "\"");
}

static void format_text(struct strbuf *b, const struct timeval *now, const char *level,
			const char *event, const struct log_field *fields)
{
	const struct log_field *who = log_find_field(fields, "worker");
	const struct log_field *msg = find_message(fields);
	const char *sep = " (";
	struct tm tm;

	if (!who)
		who = log_find_field(fields, "service");
	localtime_r(&now->tv_sec, &tm);
	strbuf_addf(b, "%04d-%02d-%02d %02d:%02d:%02d.%03d %-5s ", tm.tm_year + 1900, tm.tm_mon + 1,
		    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now->tv_usec / 1000),
		    level);
	if (who && who->kind == LOG_FIELD_STR) {
		add_text(b, who->str);
		strbuf_add(b, " ");
	}
	strbuf_add(b, event);
	if (msg) {
		strbuf_add(b, ": ");
		add_text(b, msg->str);
	}
	for (const struct log_field *f = fields; f->key; f++) {
		/* A worker's name begins with that of its service. */
		if (f == who || f == msg || !strcmp(f->key, "service"))
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
			add_text(b, f->str);
		}
	}
	if (*sep == ' ' && sep[1] == '\0')
		strbuf_add(b, ")");
}

static void add_json(struct strbuf *b, const char *text)
{
	char clean[LINE_SIZE];
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

static void format_json(struct strbuf *b, const struct timeval *now, const char *level,
			const char *event, const struct log_field *fields)
{
	strbuf_add(b, "{\"time\":\"");
	timestamp_add(b, now);
	strbuf_addf(b, "\",\"level\":\"%s\",\"event\":\"%s\"", level, event);
	for (const struct log_field *f = fields; f->key; f++) {
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

/* One JSON object, whole: what does not fit is replaced by a word that says so. */
static void format_json_whole(struct strbuf *line, const struct timeval *now,
			      enum conf_log_level level, const char *event,
			      const struct log_field *fields)
{
	format_json(line, now, level_name(level), event, fields);
	if (!line->cut)
		return;
	strbuf_init(line, line->text, line->size);
	format_json(line, now, level_name(level), event,
		    (const struct log_field[]){ LOG_STR("message", "entry too long"),
						{ .key = NULL } });
}

void log_write(enum conf_log_level level, const char *event, const struct log_field *fields)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	bool is_output = strcmp(event, "output") == 0, logged = level <= lg.level;
	bool noted = lg.sink && level <= LEVEL_INFO && !is_output;
	STRBUF(line, LINE_SIZE);
	struct timeval now;
	int saved = errno;

	if (!logged && !noted)
		return;
	gettimeofday(&now, NULL);
	line.size -= 4; /* for what must not be cut off */
	if (noted || lg.format == FORMAT_JSON)
		format_json_whole(&line, &now, level, event, fields);
	if (noted)
		lg.sink(lg.sink_arg, fields, line.text, line.len);
	if (logged && lg.format != FORMAT_JSON) {
		strbuf_init(&line, line.text, line.size);
		format_text(&line, &now, level_name(level), event, fields);
	}
	line.size += 4;
	if (logged && lg.syslog) {
		syslog(priority[level], "%s", line.text);
	} else if (logged) {
		strbuf_add(&line, "\n");
		put_line(line.text, line.len, is_output ? OUTPUT_SIZE : BACKLOG_SIZE);
	}
	errno = saved;
}

/* --- where it goes ------------------------------------------------------------------- */

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	return fd < 0 ? -errno : fd;
}

static void release(void)
{
	log_flush();
	if (lg.owned)
		close(lg.fd);
	if (lg.syslog)
		closelog();
	free(lg.path);
	lg.path = NULL;
	lg.owned = false;
	lg.syslog = false;
	lg.fd = STDERR_FILENO;
}

int log_open(const struct broker_conf *bc)
{
	char *path;
	int fd;

	switch (bc->log) {
	case LOG_TO_STDERR:
		release();
		return 0;
	case LOG_TO_SYSLOG:
		release();
		openlog("broker", LOG_PID | LOG_NDELAY, LOG_DAEMON);
		lg.syslog = true;
		return 0;
	case LOG_TO_FILE:
		fd = open_file(bc->log_path);
		if (fd < 0)
			return fd;
		path = strdup(bc->log_path);
		if (!path) {
			close(fd);
			return -ENOMEM;
		}
		release();
		lg.path = path;
		lg.fd = fd;
		lg.owned = true;
		return 0;
	}
	return -EINVAL;
}

int log_reopen(void)
{
	int fd;

	if (!lg.path)
		return 0;
	fd = open_file(lg.path);
	if (fd < 0)
		return fd;
	log_flush();
	close(lg.fd);
	lg.fd = fd;
	return 0;
}

void log_configure(const struct broker_conf *bc, int level_bias)
{
	int level = (int)bc->log_level + level_bias;

	if (level < LEVEL_ERROR)
		level = LEVEL_ERROR;
	if (level > LEVEL_DEBUG)
		level = LEVEL_DEBUG;
	lg.level = (enum conf_log_level)level;
	lg.format = bc->log_format;
}

int log_chown(unsigned uid, unsigned gid)
{
	return lg.owned && fchown(lg.fd, uid, gid) < 0 ? -errno : 0;
}

static int64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * MSEC_PER_SEC + ts.tv_nsec / NSEC_PER_MSEC;
}

/* Until all is written, the time is over, or nobody reads any more. */
static void flush_within(int wait_ms)
{
	struct pollfd p = { .fd = lg.fd, .events = POLLOUT };
	int64_t end = clock_ms() + wait_ms;

	log_flush();
	while (lg.n_backlog) {
		size_t before = lg.n_backlog;
		int64_t left = end - clock_ms();

		if (left <= 0 || poll(&p, 1, (int)left) != 1)
			return;
		log_flush();
		if (lg.n_backlog == before)
			return;
	}
}

void log_close(int wait_ms)
{
	flush_within(wait_ms);
	release();
}
