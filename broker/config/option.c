#include "option.h"

#include "config/option_type.h"
#include "base/quote.h"
#include "base/words.h"

#include <errno.h>
#include <string.h>

/*
 * The offset of a field, if it has the C type that its option type writes: an
 * unsigned written over a bool would be found by nobody else.
 */
#define OFFSET(type, field, ctype)                                                                 \
	(offsetof(type, field) +                                                                   \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->field), ctype)       \
				 ? 1                                                               \
				 : -1]))

#define BROKER(field, ctype)                                                                       \
	.section = OPTION_BROKER, .offset = OFFSET(struct broker_conf, field, ctype)
#define SERVICE(field, ctype)                                                                      \
	.section = OPTION_SERVICE, .offset = OFFSET(struct service_conf, field, ctype)
#define ALSO(type, field, ctype) .also = OFFSET(type, field, ctype)

#define MINUTE 60000
#define HOUR   (60 * MINUTE)
#define DAY    (24 * (int64_t)HOUR)

/* An enum that a word stands for is written as the unsigned that gcc and clang make of it. */
#define SAME_AS_UNSIGNED(type) static_assert(sizeof(type) == sizeof(unsigned), "an enum's size")
SAME_AS_UNSIGNED(enum conf_mode);
SAME_AS_UNSIGNED(enum conf_balance);
SAME_AS_UNSIGNED(enum conf_strategy);
SAME_AS_UNSIGNED(enum conf_output);
SAME_AS_UNSIGNED(enum conf_backend);
SAME_AS_UNSIGNED(enum conf_control);
SAME_AS_UNSIGNED(enum conf_log_target);
SAME_AS_UNSIGNED(enum conf_log_level);
SAME_AS_UNSIGNED(enum conf_log_format);

static const char *const log_words[] = {
	[LOG_TO_STDERR] = "stderr", [LOG_TO_SYSLOG] = "syslog", [LOG_TO_FILE] = NULL
};
static const char *const control_words[] = {
	[CONTROL_AUTO] = "auto", [CONTROL_OFF] = "off", [CONTROL_PATH] = NULL
};
static const char *const level_words[] = { [LEVEL_ERROR] = "error",
					   [LEVEL_WARN] = "warn",
					   [LEVEL_INFO] = "info",
					   [LEVEL_DEBUG] = "debug",
					   NULL };
static const char *const format_words[] = { [FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", NULL };
static const char *const mode_words[] = { [MODE_LISTEN] = "listen", NULL };
static const char *const balance_words[] = { [BALANCE_ROUND_ROBIN] = "round-robin",
					     [BALANCE_LEAST_CONNECTIONS] = "least-connections",
					     [BALANCE_SOURCE] = "source",
					     NULL };
static const char *const strategy_words[] = {
	[STRATEGY_START_FIRST] = "start-first", [STRATEGY_STOP_FIRST] = "stop-first", NULL
};
static const char *const output_words[] = {
	[OUTPUT_LOG] = "log", [OUTPUT_INHERIT] = "inherit", [OUTPUT_FILE] = NULL
};
static const char *const backend_words[] = {
	[BACKEND_AUTO] = "auto", [BACKEND_PRELOAD] = "preload", NULL
};

/* A table is read in columns. */
/* clang-format off */
const struct option option_table[] = {
	{ .key = "log", BROKER(log, enum conf_log_target),
	  ALSO(struct broker_conf, log_path, char *), .type = &type_target, .words = log_words,
	  .fallback = "stderr", .apply = APPLY_LIVE,
	  .help = "where the broker's log goes" },
	{ .key = "log_level", BROKER(log_level, enum conf_log_level), .type = &type_word,
	  .words = level_words, .fallback = "info", .apply = APPLY_LIVE,
	  .help = "the least important messages that are logged" },
	{ .key = "log_format", BROKER(log_format, enum conf_log_format), .type = &type_word,
	  .words = format_words, .fallback = "text", .apply = APPLY_LIVE,
	  .help = "lines for people, or one JSON object a line" },
	{ .key = "pid_file", BROKER(pid_file, char *), .type = &type_path,
	  .fallback = "", .apply = APPLY_RESTART,
	  .help = "file that holds the broker's process id while it runs" },
	{ .key = "run_dir", BROKER(run_dir, char *), .type = &type_path,
	  .fallback = "", .apply = APPLY_RESTART,
	  .help = "directory of the broker's own sockets" },
	{ .key = "control", BROKER(control, enum conf_control),
	  ALSO(struct broker_conf, control_path, char *), .type = &type_target,
	  .words = control_words, .fallback = "auto", .apply = APPLY_RESTART,
	  .help = "the socket that brokerctl talks to" },
	{ .key = "control_group", BROKER(control_group, char *), .type = &type_name,
	  .fallback = "", .apply = APPLY_RESTART,
	  .help = "group whose members may look through the control socket, but not steer" },
	{ .key = "metrics", BROKER(metrics, struct conf_serve), .type = &type_serve,
	  .fallback = "", .apply = APPLY_LIVE,
	  .help = "where metrics and probes are served over HTTP" },
	{ .key = "agent_check", BROKER(agent_check, struct conf_serve), .type = &type_serve,
	  .fallback = "", .apply = APPLY_LIVE,
	  .help = "where HAProxy's agent-check is answered" },
	{ .key = "user", BROKER(user, char *), .type = &type_name,
	  .fallback = "", .apply = APPLY_RESTART,
	  .help = "user that the broker becomes once its listeners are bound" },
	{ .key = "group", BROKER(group, char *), .type = &type_name,
	  .fallback = "", .apply = APPLY_RESTART,
	  .help = "group that the broker becomes once its listeners are bound" },

	{ .key = "command", SERVICE(command, char **), .type = &type_command,
	  .fallback = "", .apply = APPLY_WORKERS,
	  .help = "the program of a worker and its arguments; no shell is run" },
	{ .key = "wrap", SERVICE(wraps, struct conf_wrap *),
	  ALSO(struct service_conf, n_wraps, size_t), .type = &type_wrap,
	  .fallback = "", .apply = APPLY_WORKERS,
	  .help = "what the command of slot N always runs under, such as valgrind -q" },
	{ .key = "debug_command", SERVICE(debug_command, char **), .type = &type_command,
	  .fallback = "gdb -p {pid}", .apply = APPLY_LIVE,
	  .help = "the debugger of brokerctl debug; {pid} is the worker's process" },
	{ .key = "mode", SERVICE(mode, enum conf_mode), .type = &type_word,
	  .words = mode_words, .fallback = "listen", .apply = APPLY_WORKERS,
	  .help = "how a worker gets connections: in place of its own listening socket" },
	{ .key = "directory", SERVICE(directory, char *), .type = &type_path,
	  .fallback = "", .apply = APPLY_WORKERS,
	  .help = "working directory of a worker" },
	{ .key = "environment", SERVICE(environment, char **), .type = &type_environment,
	  .fallback = "", .apply = APPLY_WORKERS,
	  .help = "variables to set for a worker" },
	{ .key = "clear_environment", SERVICE(clear_environment, bool), .type = &type_bool,
	  .fallback = "no", .apply = APPLY_WORKERS,
	  .help = "start from an empty environment instead of the broker's" },
	{ .key = "user", SERVICE(user, char *), .type = &type_name,
	  .fallback = "", .apply = APPLY_WORKERS,
	  .help = "user that a worker runs as" },
	{ .key = "group", SERVICE(group, char *), .type = &type_name,
	  .fallback = "", .apply = APPLY_WORKERS,
	  .help = "group that a worker runs as" },
	{ .key = "output", SERVICE(output, enum conf_output),
	  ALSO(struct service_conf, output_path, char *), .type = &type_target,
	  .words = output_words, .fallback = "log", .apply = APPLY_WORKERS,
	  .help = "where a worker's standard output and error go" },
	{ .key = "backend", SERVICE(backend, enum conf_backend), .type = &type_word,
	  .words = backend_words, .fallback = "auto", .apply = APPLY_WORKERS,
	  .help = "how the broker gets between the program and the kernel" },

	{ .key = "listen", SERVICE(listen, struct conf_listen *),
	  ALSO(struct service_conf, n_listen, size_t), .type = &type_listen,
	  .fallback = "", .apply = APPLY_LISTENERS,
	  .help = "addresses to publish; without one, what the program itself listens on" },
	{ .key = "private_ports", SERVICE(private_ports, struct conf_port_range *),
	  ALSO(struct service_conf, n_private_ports, size_t), .type = &type_ports,
	  .fallback = "", .apply = APPLY_WORKERS,
	  .help = "ports that each worker binds for itself, unbrokered" },

	{ .key = "workers", SERVICE(workers, unsigned), .type = &type_workers,
	  .min = 1, .max = 1024, .fallback = "2", .variable = "WORKER_COUNT",
	  .apply = APPLY_LIVE,
	  .help = "how many workers serve; cpus: one for each processor" },
	{ .key = "balance", SERVICE(balance, enum conf_balance), .type = &type_word,
	  .words = balance_words, .fallback = "round-robin", .apply = APPLY_LIVE,
	  .help = "which worker gets the next connection" },
	{ .key = "queue", SERVICE(queue, unsigned), .type = &type_count,
	  .min = 1, .max = 128, .fallback = "16", .apply = APPLY_LIVE,
	  .help = "connections that may wait at one worker" },
	{ .key = "stall_timeout", SERVICE(stall_timeout_ms, int64_t), .type = &type_ms,
	  .min = 10, .max = HOUR, .fallback = "1s", .apply = APPLY_LIVE,
	  .help = "how long a queue may stand still while another worker has room" },

	{ .key = "strategy", SERVICE(strategy, enum conf_strategy), .type = &type_word,
	  .words = strategy_words, .fallback = "start-first", .apply = APPLY_LIVE,
	  .help = "whether the new worker of a slot starts before or after the old one ends" },
	{ .key = "surge", SERVICE(surge, unsigned), .type = &type_surge,
	  .min = 1, .max = 1024, .fallback = "1", .apply = APPLY_LIVE,
	  .help = "workers that are replaced at a time" },
	{ .key = "start_timeout", SERVICE(start_timeout_ms, int64_t), .type = &type_ms,
	  .min = 100, .max = DAY, .fallback = "30s", .apply = APPLY_LIVE,
	  .help = "time that a new worker has until it must listen" },
	{ .key = "drain_timeout", SERVICE(drain_timeout_ms, int64_t), .type = &type_ms,
	  .min = 0, .max = 7 * DAY, .fallback = "60s", .apply = APPLY_LIVE,
	  .help = "time that an old worker has to finish its open connections" },
	{ .key = "stop_signal", SERVICE(stop_signal, int), .type = &type_signal,
	  .min = 1, .max = 64, .fallback = "TERM", .apply = APPLY_LIVE,
	  .help = "signal that asks a drained worker to end" },
	{ .key = "stop_timeout", SERVICE(stop_timeout_ms, int64_t), .type = &type_ms,
	  .min = 0, .max = DAY, .fallback = "10s", .apply = APPLY_LIVE,
	  .help = "time from stop_signal to SIGKILL" },

	{ .key = "rollback_window", SERVICE(rollback_window_ms, int64_t), .type = &type_ms,
	  .min = 0, .max = 7 * DAY, .fallback = "0", .apply = APPLY_LIVE,
	  .help = "time after a reload for which the old workers can be put back; 0: none" },

	{ .key = "backoff_min", SERVICE(backoff_min_ms, int64_t), .type = &type_ms,
	  .min = 1, .max = HOUR, .fallback = "100ms", .apply = APPLY_LIVE,
	  .help = "first delay before a failed worker is started again; it doubles" },
	{ .key = "backoff_max", SERVICE(backoff_max_ms, int64_t), .type = &type_ms,
	  .min = 1, .max = DAY, .fallback = "30s", .apply = APPLY_LIVE,
	  .help = "longest delay before a failed worker is started again" },
	{ .key = "backoff_reset", SERVICE(backoff_reset_ms, int64_t), .type = &type_ms,
	  .min = 0, .max = DAY, .fallback = "10s", .apply = APPLY_LIVE,
	  .help = "a worker that served this long was healthy: its slot starts anew" },

	{ .key = "backlog", SERVICE(backlog, unsigned), .type = &type_count,
	  .min = 1, .max = 65535, .fallback = "4096", .apply = APPLY_LISTENERS,
	  .help = "connections that may wait in the kernel before the broker accepts" },
	{ .key = "v6only", SERVICE(v6only, bool), .type = &type_bool,
	  .fallback = "no", .apply = APPLY_LISTENERS,
	  .help = "[::] takes no IPv4 connections (IPV6_V6ONLY)" },
	{ .key = "tcp_nodelay", SERVICE(tcp_nodelay, bool), .type = &type_bool,
	  .fallback = "no", .apply = APPLY_LISTENERS,
	  .help = "small writes leave at once (TCP_NODELAY)" },
	{ .key = "so_keepalive", SERVICE(so_keepalive, bool), .type = &type_bool,
	  .fallback = "no", .apply = APPLY_LISTENERS,
	  .help = "probe idle connections (SO_KEEPALIVE)" },
	{ .key = "tcp_keepidle", SERVICE(tcp_keepidle_s, unsigned), .type = &type_seconds,
	  .min = 1, .max = 32767, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "idle time before the first probe; 0: the kernel's (TCP_KEEPIDLE)" },
	{ .key = "tcp_keepintvl", SERVICE(tcp_keepintvl_s, unsigned), .type = &type_seconds,
	  .min = 1, .max = 32767, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "time between probes; 0: the kernel's (TCP_KEEPINTVL)" },
	{ .key = "tcp_keepcnt", SERVICE(tcp_keepcnt, unsigned), .type = &type_count,
	  .min = 1, .max = 127, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "unanswered probes that end a connection; 0: the kernel's (TCP_KEEPCNT)" },
	{ .key = "tcp_user_timeout", SERVICE(tcp_user_timeout_ms, int64_t), .type = &type_ms,
	  .min = 1, .max = DAY, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "time for which sent data may stay unacknowledged; 0: the kernel's (TCP_USER_TIMEOUT)" },
	{ .key = "tcp_defer_accept", SERVICE(tcp_defer_accept_s, unsigned), .type = &type_seconds,
	  .min = 1, .max = 3600, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "accept only once the client has sent something; 0: off (TCP_DEFER_ACCEPT)" },
	{ .key = "tcp_fastopen", SERVICE(tcp_fastopen, unsigned), .type = &type_count,
	  .min = 1, .max = 65535, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "queue of connections that bring data in the SYN; 0: off (TCP_FASTOPEN)" },
	{ .key = "so_rcvbuf", SERVICE(so_rcvbuf, unsigned), .type = &type_size,
	  .min = 4096, .max = 1 << 30, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "receive buffer; 0: the kernel's (SO_RCVBUF)" },
	{ .key = "so_sndbuf", SERVICE(so_sndbuf, unsigned), .type = &type_size,
	  .min = 4096, .max = 1 << 30, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS,
	  .help = "send buffer; 0: the kernel's (SO_SNDBUF)" },
	{ .key = "ip_freebind", SERVICE(ip_freebind, bool), .type = &type_bool,
	  .fallback = "no", .apply = APPLY_LISTENERS,
	  .help = "bind an address that the machine does not have yet (IP_FREEBIND)" },
};
/* clang-format on */

const size_t option_count = ARRAY_SIZE(option_table);

const struct option *option_find(enum option_section section, const char *key)
{
	for (size_t i = 0; i < option_count; i++)
		if (option_table[i].section == section && !strcmp(option_table[i].key, key))
			return &option_table[i];
	return NULL;
}

const struct option *option_find_key(enum option_section section, const char *key,
				     const char **ret_number)
{
	const char *dot = strchr(key, '.');

	*ret_number = NULL;
	for (size_t i = 0; dot && i < option_count; i++) {
		const struct option *opt = &option_table[i];

		if (opt->section != section || !opt->type->numbered ||
		    strlen(opt->key) != (size_t)(dot - key) ||
		    strncmp(opt->key, key, (size_t)(dot - key)) != 0)
			continue;
		*ret_number = dot + 1;
		return opt;
	}
	return option_find(section, key);
}

bool option_is_numbered(const struct option *opt)
{
	return opt->type->numbered;
}

void option_add_key(const struct option *opt, const void *conf, size_t entry, struct strbuf *out)
{
	strbuf_add(out, opt->key);
	if (opt->type->numbered && entry < option_entries(opt, conf))
		strbuf_addf(out, ".%u", opt->type->number(opt, conf, entry));
}

size_t option_find_same(const struct option *opt, const void *conf, size_t entry, const void *other)
{
	unsigned number = opt->type->number(opt, conf, entry);
	size_t i = 0;

	while (i < option_entries(opt, other) && opt->type->number(opt, other, i) != number)
		i++;
	return i;
}

bool option_is_list(const struct option *opt)
{
	return opt->type->list;
}

size_t option_entries(const struct option *opt, const void *conf)
{
	return opt->type->list ? opt->type->entries(opt, conf) : 1;
}

void option_clear(const struct option *opt, void *conf)
{
	if (opt->type->clear)
		opt->type->clear(opt, conf);
	memset(field_of(opt, conf), 0, opt->type->size);
}

/* What holds for values of any type; then the type has its say. */
static int set_words(const struct option *opt, const char *number, const struct words *words,
		     const char *text, const struct conf_facts *facts, void *conf,
		     struct strbuf *why)
{
	const struct option_type *type = opt->type;

	if (words->n == 0) {
		if (type->may_unset && !number) {
			option_clear(opt, conf);
			return 0;
		}
		strbuf_add(why, "the value is empty");
		return -EINVAL;
	}
	if (type->one_word && words->n > 1) {
		quote_add_bytes(why, text, words->text_len);
		strbuf_add(why, words->word[1][0] == ';'
					? " is more than one value (behind a value a comment "
					  "begins with #)"
					: " is more than one value (quote it if it is one)");
		return -EINVAL;
	}
	if (type->list &&
	    (type->one_entry ? 1 : words->n) + option_entries(opt, conf) > CONF_LIST_MAX) {
		strbuf_addf(why, "the list has more than %d entries", CONF_LIST_MAX);
		return -EINVAL;
	}
	if (type->numbered)
		return type->parse_numbered(opt, number, words->word, conf, why);
	return type->parse(opt, words->word, words->n, facts, conf, why);
}

int option_set(const struct option *opt, const char *text, size_t len,
	       const struct conf_facts *facts, void *conf, struct strbuf *ret_error)
{
	return option_set_numbered(opt, NULL, text, len, facts, conf, ret_error);
}

static void add_place(const struct option *opt, const char *number, struct strbuf *out)
{
	strbuf_add(out, opt->key);
	if (number) {
		strbuf_add(out, ".");
		strbuf_add_escaped(out, number, strlen(number));
	}
	strbuf_add(out, ": ");
}

int option_set_numbered(const struct option *opt, const char *number, const char *text, size_t len,
			const struct conf_facts *facts, void *conf, struct strbuf *ret_error)
{
	_cleanup_words_ struct words words = { 0 };
	STRBUF(why, 512);
	int r;

	r = words_split(opt->type->command ? WORDS_COMMAND : WORDS_VALUE, text, len, &words, &why);
	if (r == -EINVAL) {
		/* A mistake of writing: what values are allowed is not the question. */
		add_place(opt, number, ret_error);
		strbuf_add(ret_error, why.text);
		return r;
	}
	if (r == 0)
		r = set_words(opt, number, &words, text, facts, conf, &why);
	if (r == -EINVAL) {
		bool asks = why.len > 0 && why.text[why.len - 1] == '?'; /* did you mean ...? */

		add_place(opt, number, ret_error);
		strbuf_addf(ret_error, "%s%s", why.text, asks ? " Allowed: " : "; allowed: ");
		option_add_allowed(opt, ret_error);
	}
	return r;
}

void option_format(const struct option *opt, const void *conf, size_t entry, struct strbuf *out)
{
	if (!opt->type->list || entry < option_entries(opt, conf))
		opt->type->format(opt, conf, entry, out);
}

bool option_equal(const struct option *opt, const void *a, const void *b)
{
	return opt->type->equal(opt, a, b);
}

void option_add_type(const struct option *opt, struct strbuf *out)
{
	strbuf_add(out, opt->type->name);
}

void option_add_allowed(const struct option *opt, struct strbuf *out)
{
	opt->type->allowed(opt, out);
}

const char *option_apply_name(enum option_apply apply)
{
	switch (apply) {
	case APPLY_LIVE:
		return "at once";
	case APPLY_WORKERS:
		return "with new workers";
	case APPLY_LISTENERS:
		return "with new listeners";
	case APPLY_RESTART:
		return "after a restart";
	case APPLY_N:
		break;
	}
	return "?";
}

void option_print_table(struct strbuf *out)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];

		strbuf_addf(out, "%s\t%s%s\t", opt->section == OPTION_BROKER ? "broker" : "service",
			    opt->key, opt->type->numbered ? ".N" : "");
		option_add_type(opt, out);
		strbuf_add(out, "\t");
		option_add_allowed(opt, out);
		strbuf_addf(out, "\t%s\t%s\t%s\n", opt->fallback, option_apply_name(opt->apply),
			    opt->help);
	}
}
