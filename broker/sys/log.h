/*
 * log - the only place that writes the log.
 *
 * An entry is a stable event word, a few named fields and one sentence for people:
 *
 *	log_event(LEVEL_INFO, "worker-ready", LOG_STR("worker", name), LOG_INT("pid", pid),
 *		  LOG_MSG("listens on port %u after %d ms", port, ms));
 *
 *	2026-11-22 15:37:44.123 info  web.0 worker-ready: listens on port 3000 (pid=812)
 *	{"time":"2026-11-22T15:37:44.123Z","level":"info","event":"worker-ready","worker":"web.0",...}
 *
 * Writing never blocks: what a slow reader does not take waits in a bounded buffer, and
 * what does not fit there is counted and reported ("log-lost") when there is room again.
 * Text from outside is escaped, so that no worker or peer can forge or break a line.
 *
 * One log a process, hence state in one static struct.
 */
#pragma once

#include <sys/time.h>
#include "sys/user.h"

struct log_field {
	const char *key; /* NULL ends the list */
	enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_BOOL, LOG_FIELD_MSG } kind;
	const char *str;
	long long num;
};

/* @v may be NULL: then the entry does not have this field. */
#define LOG_STR(k, v)  LOG_FIELD(k, LOG_FIELD_STR, .str = (v))
#define LOG_INT(k, v)  LOG_FIELD(k, LOG_FIELD_INT, .num = (long long)(v))
#define LOG_BOOL(k, v) LOG_FIELD(k, LOG_FIELD_BOOL, .num = (v))
#define LOG_MSG(...)   LOG_FIELD("message", LOG_FIELD_MSG, .str = log_format(__VA_ARGS__))

#define LOG_FIELD(k, of_kind, value) ((struct log_field){ .key = (k), .kind = (of_kind), value })

#define log_event(level, event, ...)                                                               \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write(level, event,                                                    \
				  (const struct log_field[]){ __VA_ARGS__, { .key = NULL } });     \
	} while (0)

/*
 * Told of every entry of level info and above, whether it is logged or not; not of the output
 * of workers. @json is the entry as one JSON object of @len bytes. NULL: nobody.
 */
typedef void log_sink_fn(void *arg, const char *event, const struct log_field *fields,
			 const char *json, size_t len);
void log_set_sink(log_sink_fn *sink, void *arg);

/* The text of field @key of an entry, or NULL. */
const char *log_find_text(const struct log_field *fields, const char *key);

/* A moment as RFC 3339 writes it: 2026-11-22T15:37:44.123Z. */
void log_add_time(struct strbuf *b, const struct timeval *when);

bool log_enabled(enum conf_log_level level);
void log_write(enum conf_log_level level, const char *event, const struct log_field *fields);

/* Formats into a static buffer that lives until the next call: for LOG_MSG only. */
const char *log_format(const char *fmt, ...) PRINTF(1, 2);

/*
 * Opens the log that @bc asks for, in place of the one there was; at first that is standard
 * error. @heir, or NULL: the user that the broker becomes, who gets a regular file. -errno with
 * @error if the file cannot be opened for appending: then nothing has changed.
 */
int log_open(const struct broker_conf *bc, const struct spawn_ids *heir, struct strbuf *error);

/* Opens the file again under the same name (log rotation). As log_open(). */
int log_reopen(struct strbuf *error);

/* Level and format may change at a reload. -v and -q give @level_bias +1 or -1. */
void log_configure(const struct broker_conf *bc, int level_bias);

/*
 * For another program that goes on with it: the file, or -1 if it is none; what its reader has not
 * taken yet, until the next entry; and the number of entries that were dropped.
 */
int log_keep(const char **ret_text, size_t *ret_len, uint64_t *ret_lost);

/* The same there, in place of log_open(). @fd -1: no file. 0 or -ENOMEM. */
int log_adopt(const struct broker_conf *bc, int fd, uint64_t lost);
void log_adopt_text(const char *text, size_t len);

/* Writes what still waits, for at most @wait_ms, and closes the file. */
void log_close(int wait_ms);

/* For the person who has just started the broker; nothing if that is where the log goes. */
void log_also_on_stderr(const char *text);

/* Descriptor of the log that waits to be writable, or -1: the loop may watch it. */
int log_pending_fd(void);
void log_flush(void);
