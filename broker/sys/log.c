#include "log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <syslog.h>
#include "base/fd.h"
#include "sys/loop.h"

/* What a reader that stopped reading may leave waiting before entries are dropped. */
#define BACKLOG_SIZE (256 * 1024)
/* Of which workers may use so much: their flood must not push out what the broker has to say. */
#define OUTPUT_SIZE (192 * 1024)
/* POLLOUT on a pipe means that PIPE_BUF bytes go in without blocking. */
#define CHUNK 4096

static struct {
	int fd;
	bool syslog;
	char *path; /* of the file that .fd is; NULL: it is standard error */
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
			LOG_MSG("%llu log entries were dropped: the reader of the log is too slow",
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

/* --- an entry ------------------------------------------------------------------------ */

void log_write(enum conf_log_level level, const char *event, const struct log_field *fields)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	bool is_output = strcmp(event, "output") == 0, logged = level <= lg.level;
	bool noted = lg.sink && level <= LEVEL_INFO && !is_output;
	STRBUF(line, LOG_LINE_SIZE);
	struct timeval now;
	int saved = errno;

	if (!logged && !noted)
		return;
	gettimeofday(&now, NULL);
	line.size -= 4; /* for what must not be cut off */
	if (noted || lg.format == FORMAT_JSON)
		log_form_json(&line, &now, level, event, fields);
	if (noted)
		lg.sink(lg.sink_arg, fields, line.text, line.len);
	if (logged && lg.format != FORMAT_JSON) {
		strbuf_init(&line, line.text, line.size);
		log_form_text(&line, &now, level, event, fields);
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
	if (lg.path)
		close(lg.fd);
	if (lg.syslog)
		closelog();
	free(lg.path);
	lg.path = NULL;
	lg.syslog = false;
	lg.fd = STDERR_FILENO;
}

int log_open(const struct broker_conf *bc)
{
	_cleanup_fd_ int fd = -1;
	char *path = NULL;

	if (bc->log == LOG_TO_FILE) {
		fd = open_file(bc->log_path);
		if (fd < 0)
			return fd;
		path = strdup(bc->log_path);
		if (!path)
			return -ENOMEM;
	}
	release();
	lg.path = path;
	if (path)
		lg.fd = fd_take(&fd);
	lg.syslog = bc->log == LOG_TO_SYSLOG;
	if (lg.syslog)
		openlog("broker", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	return 0;
}

void log_also_on_stderr(const char *text)
{
	if (lg.path || lg.syslog)
		fprintf(stderr, "broker: %s\n", text);
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
	return lg.path && fchown(lg.fd, uid, gid) < 0 ? -errno : 0;
}

/* Until all is written, the time is over, or nobody reads any more. */
static void flush_within(int wait_ms)
{
	struct pollfd p = { .fd = lg.fd, .events = POLLOUT };
	int64_t end = loop_clock_ms() + wait_ms;

	log_flush();
	while (lg.n_backlog) {
		size_t before = lg.n_backlog;
		int64_t left = end - loop_clock_ms();

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
