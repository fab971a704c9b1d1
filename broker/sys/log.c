#include "log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/param.h>
#include <syslog.h>
#include "base/fd.h"
#include "base/json.h"
#include "sys/loop.h"
#include "sys/retire.h"
#include "sys/safe_path.h"
#include "sys/starter.h"
#include "sys/unix_socket.h"

#define LINE_SIZE 8192
/* What a reader that stopped reading may leave waiting before entries are dropped. */
#define BACKLOG_SIZE (256 * 1024)
/* Of which workers may use so much: their flood must not push out what the broker has to say. */
#define OUTPUT_SIZE (192 * 1024)
/* POLLOUT on a pipe means that PIPE_BUF bytes go in without blocking. */
#define CHUNK 4096

static struct {
	int fd;
	bool syslog;
	int syslog_fd; /* connected; -1: not yet, or no longer */
	char *path;    /* of the file that .fd is; NULL: it is standard error */
	enum conf_log_level level;
	enum conf_log_format format;
	char backlog[BACKLOG_SIZE];
	size_t n_backlog;
	bool gone; /* the reader of the backlog, or the terminal: always writable, and never written
		    */
	unsigned long long lost;
	log_sink_fn *sink;
	void *sink_arg;
} lg = { .fd = STDERR_FILENO, .syslog_fd = -1, .level = LEVEL_INFO };

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
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
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
		lg.gone = w < 0 && errno != EAGAIN;
		if (w <= 0)
			break;
		done += (size_t)w;
	}
	return done;
}

static void tell_lost(void)
{
	unsigned long long lost = lg.lost;

	lg.lost = 0;
	if (lost)
		log_event(LEVEL_WARN, "log-lost", LOG_INT("entries", lost),
			  LOG_MSG("%llu log entries were dropped: the reader of the log is too "
				  "slow, or was not there",
				  lost));
}

void log_flush(void)
{
	size_t done;

	if (lg.n_backlog == 0)
		return;
	done = write_some(lg.backlog, lg.n_backlog);
	memmove(lg.backlog, lg.backlog + done, lg.n_backlog - done);
	lg.n_backlog -= done;
	if (lg.n_backlog == 0)
		tell_lost();
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
	return lg.n_backlog && !lg.gone ? lg.fd : -1;
}

/* --- an entry ------------------------------------------------------------------------ */

static const char *const level_names[] = {
	[LEVEL_ERROR] = "error",
	[LEVEL_WARN] = "warn",
	[LEVEL_INFO] = "info",
	[LEVEL_DEBUG] = "debug",
};

static bool is_left_out(const struct log_field *f)
{
	return f->kind == LOG_FIELD_STR && !f->str;
}

const char *log_find_text(const struct log_field *fields, const char *key)
{
	for (; fields->key; fields++)
		if (!strcmp(fields->key, key) && fields->str)
			return fields->str;
	return NULL;
}

static void add_time(struct strbuf *b, const struct tm *tm, const struct timeval *when,
		     char between, const char *end)
{
	strbuf_addf(b, "%04d-%02d-%02d%c%02d:%02d:%02d.%03d%s", tm->tm_year + 1900, tm->tm_mon + 1,
		    tm->tm_mday, between, tm->tm_hour, tm->tm_min, tm->tm_sec,
		    (int)(when->tv_usec / 1000), end);
}

void log_add_time(struct strbuf *b, const struct timeval *when)
{
	struct tm tm;

	gmtime_r(&when->tv_sec, &tm);
	add_time(b, &tm, when, 'T', "Z");
}

/*
 * Escaped for one line of text: what cannot be printed as \xNN, lines of a message as " | "; and
 * if it stands in quotes, a quote and a backslash with a backslash.
 */
static void add_text(struct strbuf *b, const char *text, bool in_quotes)
{
	for (;; text++) {
		size_t n = strcspn(text, in_quotes ? "\n\"\\" : "\n");

		strbuf_add_escaped(b, text, n);
		text += n;
		if (!*text)
			return;
		if (*text != '\n')
			strbuf_addf(b, "\\%c", *text);
		else if (text[1])
			strbuf_add(b, " | ");
	}
}

/* Adds the entry, without a newline; text that is too long is cut. */
static void add_as_text(struct strbuf *b, const struct timeval *now, enum conf_log_level level,
			const char *event, const struct log_field *fields)
{
	const char *worker = log_find_text(fields, "worker");
	const char *owner = worker ? worker : log_find_text(fields, "service");
	const char *sep = " (";
	struct tm tm;

	localtime_r(&now->tv_sec, &tm);
	add_time(b, &tm, now, ' ', "");
	strbuf_addf(b, " %-5s ", level_names[level]);
	if (owner) {
		add_text(b, owner, false);
		strbuf_add(b, " ");
	}
	strbuf_add(b, event);
	for (const struct log_field *f = fields; f->key; f++)
		if (f->kind == LOG_FIELD_MSG) {
			strbuf_add(b, ": ");
			add_text(b, f->str, false);
		}
	for (const struct log_field *f = fields; f->key; f++) {
		/* A worker's name begins with that of its service. */
		if (f->kind == LOG_FIELD_MSG || is_left_out(f) || !strcmp(f->key, "service") ||
		    !strcmp(f->key, "worker"))
			continue;
		strbuf_addf(b, "%s%s=", sep, f->key);
		sep = " ";
		if (f->kind == LOG_FIELD_INT) {
			strbuf_addf(b, "%lld", f->num);
		} else if (f->kind == LOG_FIELD_BOOL) {
			strbuf_add(b, f->num ? "yes" : "no");
		} else {
			bool in_quotes = !*f->str || f->str[strcspn(f->str, " \"=()")];

			strbuf_add(b, in_quotes ? "\"" : "");
			add_text(b, f->str, in_quotes);
			strbuf_add(b, in_quotes ? "\"" : "");
		}
	}
	if (*sep == ' ' && sep[1] == '\0')
		strbuf_add(b, ")");
}

static void add_json_text(struct strbuf *b, const char *key, const char *text)
{
	STRBUF(clean, LINE_SIZE);

	/* First make it valid UTF-8 without controls, but keep line breaks and tabs. */
	while (*text) {
		size_t n = strcspn(text, "\n\t");

		strbuf_add_escaped(&clean, text, n);
		text += n;
		if (*text)
			strbuf_add_bytes(&clean, text++, 1);
	}
	json_str(b, key, clean.text);
}

/* A complete object: an entry that does not fit is replaced by one that says so. */
static void add_as_json(struct strbuf *b, const struct timeval *now, enum conf_log_level level,
			const char *event, const struct log_field *fields)
{
	STRBUF(time, 32);

	log_add_time(&time, now);
	strbuf_add(b, "{");
	json_str(b, "time", time.text);
	json_str(b, "level", level_names[level]);
	json_str(b, "event", event);
	for (const struct log_field *f = fields; f->key; f++) {
		if (is_left_out(f))
			continue;
		if (f->kind == LOG_FIELD_INT)
			json_int(b, f->key, f->num);
		else if (f->kind == LOG_FIELD_BOOL)
			json_bool(b, f->key, f->num);
		else
			add_json_text(b, f->key, f->str);
	}
	strbuf_add(b, "}");
	if (!b->cut)
		return;
	strbuf_init(b, b->text, b->size);
	add_as_json(b, now, level, event,
		    (const struct log_field[]){ LOG_STR("message", "entry too long"),
						{ .key = NULL } });
}

/* To the syslogd of the machine, as syslog(3), but never waiting. False: it was not taken. */
static bool put_syslog(enum conf_log_level level, const struct timeval *now,
		       const struct strbuf *line)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	STRBUF(entry, LINE_SIZE + 64);
	char when[32];
	struct tm tm;

	/* RFC 3164, in the C locale, which is ours. */
	(void)strftime(when, sizeof(when), "%b %e %T", localtime_r(&now->tv_sec, &tm));
	strbuf_addf(&entry, "<%d>%s broker[%d]: %s", LOG_DAEMON | priority[level], when,
		    (int)starter_pid(), line->text);
	/* It may be another than the last one. */
	for (int tries = 0; tries < 2; tries++) {
		if (lg.syslog_fd < 0 &&
		    unix_connect("/dev/log", SOCK_DGRAM | SOCK_NONBLOCK, &lg.syslog_fd) < 0)
			break;
		if (send(lg.syslog_fd, entry.text, entry.len, MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EAGAIN || errno == EMSGSIZE)
			break;
		fd_closep(&lg.syslog_fd);
	}
	return false;
}

void log_write(enum conf_log_level level, const char *event, const struct log_field *fields)
{
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
		add_as_json(&line, &now, level, event, fields);
	if (noted)
		lg.sink(lg.sink_arg, event, fields, line.text, line.len);
	if (logged && lg.format != FORMAT_JSON) {
		strbuf_init(&line, line.text, line.size);
		add_as_text(&line, &now, level, event, fields);
	}
	line.size += 4;
	if (logged && lg.syslog) {
		if (put_syslog(level, &now, &line))
			tell_lost();
		else
			lg.lost++;
	} else if (logged) {
		strbuf_add(&line, "\n");
		put_line(line.text, line.len, is_output ? OUTPUT_SIZE : BACKLOG_SIZE);
	}
	errno = saved;
}

/* --- where it goes ------------------------------------------------------------------- */

static void release(void)
{
	log_flush();
	if (lg.path)
		retire_fd(&lg.fd);
	fd_closep(&lg.syslog_fd);
	free(lg.path);
}

/* @path may be NULL: standard error. 0, or -errno with @error and all is as it was. */
static int switch_to(const char *path, bool to_syslog, const struct spawn_ids *heir,
		     struct strbuf *error)
{
	_cleanup_fd_ int fd = -1;
	_cleanup_free_ char *copy = path ? strdup(path) : NULL;
	struct stat st;
	int r;

	if (path && !copy)
		return -ENOMEM;
	r = path ? safe_path_open(path, O_WRONLY | O_APPEND | O_CREAT, 0640, heir, &fd, error) : 0;
	if (r < 0)
		return r;
	if (fd >= 0 && heir && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    fchown(fd, heir->uid, heir->gid) < 0)
		return strbuf_fail(error, -errno, "%m");
	release();
	lg.fd = path ? fd_take(&fd) : STDERR_FILENO;
	lg.path = copy;
	copy = NULL;
	lg.syslog = to_syslog;
	return 0;
}

int log_open(const struct broker_conf *bc, const struct spawn_ids *heir, struct strbuf *error)
{
	return switch_to(bc->log == LOG_TO_FILE ? bc->log_path : NULL, bc->log == LOG_TO_SYSLOG,
			 heir, error);
}

int log_reopen(struct strbuf *error)
{
	return lg.path ? switch_to(lg.path, false, NULL, error) : 0;
}

int log_keep(const char **ret_text, size_t *ret_len, uint64_t *ret_lost)
{
	*ret_text = lg.backlog;
	*ret_len = lg.n_backlog;
	*ret_lost = lg.lost;
	return lg.path ? lg.fd : -1;
}

int log_adopt(const struct broker_conf *bc, int fd, uint64_t lost)
{
	lg.lost = lost;
	lg.syslog = bc->log == LOG_TO_SYSLOG;
	if (fd < 0)
		return 0;
	lg.fd = fd;
	lg.path = strdup(bc->log_path ? bc->log_path : "");
	return lg.path ? 0 : -ENOMEM;
}

void log_adopt_text(const char *text, size_t len)
{
	lg.n_backlog = len < sizeof(lg.backlog) ? len : sizeof(lg.backlog);
	memcpy(lg.backlog, text, lg.n_backlog);
}

void log_also_on_stderr(const char *text)
{
	if (lg.path || lg.syslog)
		fprintf(stderr, "broker: %s\n", text);
}

void log_configure(const struct broker_conf *bc, int level_bias)
{
	int level = (int)bc->log_level + level_bias;

	lg.level = (enum conf_log_level)MAX(LEVEL_ERROR, MIN(LEVEL_DEBUG, level));
	lg.format = bc->log_format;
}

void log_close(int wait_ms)
{
	struct pollfd p = { .fd = lg.fd, .events = POLLOUT };
	int64_t end = loop_clock_ms() + wait_ms, left = wait_ms;
	size_t before = 0;

	log_flush();
	/* Until all is written, the time is over, or nobody reads any more. */
	while (lg.n_backlog && lg.n_backlog != before && left > 0 && poll(&p, 1, (int)left) == 1) {
		before = lg.n_backlog;
		log_flush();
		left = end - loop_clock_ms();
	}
	(void)switch_to(NULL, false, NULL, NULL);
}
