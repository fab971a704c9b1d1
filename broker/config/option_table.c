#include "option_table.h"

#include "config/option_list.h"
#include "config/option_number.h"
#include "config/option_text.h"

#include <string.h>

/* Adds nothing; does not compile unless @condition holds. */
#define MUST(condition) (0 * sizeof(char[(condition) ? 1 : -1]))

/*
 * The offset of a field, if it has the C type that its option type writes: no
 * compiler would warn of an unsigned written over a bool.
 */
#define OFFSET(type, field, ctype)                                                                 \
	(offsetof(type, field) +                                                                   \
	 MUST(__builtin_types_compatible_p(__typeof__(((type *)0)->field), ctype)))

/* The same, if @second stands where @as has it behind @field; see option_type.h. */
#define PAIR(type, field, ctype, second, as)                                                       \
	(OFFSET(type, field, ctype) + MUST(offsetof(type, second) - offsetof(type, field) == (as)))

#define BROKER(field, ctype)                                                                       \
	.section = OPTION_BROKER, .offset = OFFSET(struct broker_conf, field, ctype)
#define BROKER_TARGET(field, ctype)                                                                \
	.section = OPTION_BROKER, .offset = PAIR(struct broker_conf, field, ctype, field##_path,   \
						 offsetof(struct option_target, path))
#define SERVICE(field, ctype)                                                                      \
	.section = OPTION_SERVICE, .offset = OFFSET(struct service_conf, field, ctype)
#define SERVICE_TARGET(field, ctype)                                                               \
	.section = OPTION_SERVICE, .offset = PAIR(struct service_conf, field, ctype, field##_path, \
						  offsetof(struct option_target, path))
#define SERVICE_LIST(field, ctype)                                                                 \
	.section = OPTION_SERVICE, .offset = PAIR(struct service_conf, field, ctype *, n_##field,  \
						  offsetof(struct option_list, n))
#define WORDS(...)                                                                                 \
	.words = (const char *const[])                                                             \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

#define MINUTE 60000
#define HOUR   (60 * MINUTE)
#define DAY    (24 * (int64_t)HOUR)

/* An enum that a word stands for is written as the unsigned that gcc and clang make of it. */
static_assert(sizeof(enum conf_mode) == sizeof(unsigned), "no -fshort-enums");

/* A table is read in columns. */
/* clang-format off */
const struct option option_table[] = {
	/* The broker itself. */
	{ .key = "log", BROKER_TARGET(log, enum conf_log_target), .type = &type_target,
	  WORDS([LOG_TO_STDERR] = "stderr", [LOG_TO_SYSLOG] = "syslog"), .fallback = "stderr",
	  .apply = APPLY_LIVE },
	{ .key = "log_level", BROKER(log_level, enum conf_log_level), .type = &type_word,
	  WORDS([LEVEL_ERROR] = "error", [LEVEL_WARN] = "warn", [LEVEL_INFO] = "info",
		  [LEVEL_DEBUG] = "debug"), .fallback = "info", .apply = APPLY_LIVE },
	{ .key = "log_format", BROKER(log_format, enum conf_log_format), .type = &type_word,
	  WORDS([FORMAT_TEXT] = "text", [FORMAT_JSON] = "json"), .fallback = "text",
	  .apply = APPLY_LIVE },
	{ .key = "pid_file", BROKER(pid_file, char *), .type = &type_path, .fallback = "",
	  .apply = APPLY_RESTART },
	{ .key = "run_dir", BROKER(run_dir, char *), .type = &type_path, .fallback = "",
	  .apply = APPLY_RESTART },
	{ .key = "control", BROKER_TARGET(control, enum conf_control), .type = &type_target,
	  WORDS([CONTROL_AUTO] = "auto", [CONTROL_OFF] = "off"), .fallback = "auto",
	  .apply = APPLY_RESTART },
	{ .key = "control_group", BROKER(control_group, char *), .type = &type_name,
	  .fallback = "", .apply = APPLY_RESTART },
	{ .key = "metrics", BROKER(metrics, struct conf_serve), .type = &type_serve,
	  .fallback = "", .apply = APPLY_LIVE },
	{ .key = "agent_check", BROKER(agent_check, struct conf_serve), .type = &type_serve,
	  .fallback = "", .apply = APPLY_LIVE },
	{ .key = "user", BROKER(user, char *), .type = &type_name, .fallback = "",
	  .apply = APPLY_RESTART },
	{ .key = "group", BROKER(group, char *), .type = &type_name, .fallback = "",
	  .apply = APPLY_RESTART },

	/* What a worker is. */
	{ .key = "command", SERVICE(command, char **), .type = &type_command, .fallback = "",
	  .apply = APPLY_WORKERS },
	{ .key = "wrap", SERVICE_LIST(wraps, struct conf_wrap), .type = &type_wrap, .fallback = "",
	  .apply = APPLY_WORKERS },
	{ .key = "debug_command", SERVICE(debug_command, char **), .type = &type_command,
	  .fallback = "gdb -p {pid}", .apply = APPLY_LIVE },
	{ .key = "mode", SERVICE(mode, enum conf_mode), .type = &type_word,
	  WORDS([MODE_LISTEN] = "listen"), .fallback = "listen", .apply = APPLY_WORKERS },
	{ .key = "directory", SERVICE(directory, char *), .type = &type_path, .fallback = "",
	  .apply = APPLY_WORKERS },
	{ .key = "environment", SERVICE_LIST(environment, char *), .type = &type_environment,
	  .fallback = "", .apply = APPLY_WORKERS },
	{ .key = "clear_environment", SERVICE(clear_environment, bool), .type = &type_bool,
	  .fallback = "no", .apply = APPLY_WORKERS },
	{ .key = "user", SERVICE(user, char *), .type = &type_name, .fallback = "",
	  .apply = APPLY_WORKERS },
	{ .key = "group", SERVICE(group, char *), .type = &type_name, .fallback = "",
	  .apply = APPLY_WORKERS },
	{ .key = "output", SERVICE_TARGET(output, enum conf_output), .type = &type_target,
	  WORDS([OUTPUT_LOG] = "log", [OUTPUT_INHERIT] = "inherit"), .fallback = "log",
	  .apply = APPLY_WORKERS },
	{ .key = "backend", SERVICE(backend, enum conf_backend), .type = &type_word,
	  WORDS([BACKEND_AUTO] = "auto", [BACKEND_PRELOAD] = "preload"), .fallback = "auto",
	  .apply = APPLY_WORKERS },

	/* Where clients connect. */
	{ .key = "listen", SERVICE_LIST(listen, struct conf_listen), .type = &type_listen,
	  .fallback = "", .apply = APPLY_LISTENERS },
	{ .key = "private_ports", SERVICE_LIST(private_ports, struct conf_port_range),
	  .type = &type_ports, .fallback = "", .apply = APPLY_WORKERS },

	/* How connections are shared. */
	{ .key = "workers", SERVICE(workers, unsigned), .type = &type_count, .min = 1, .max = 1024,
	  WORDS("cpus"), .fallback = "2", .variable = "WORKER_COUNT", .apply = APPLY_LIVE },
	{ .key = "balance", SERVICE(balance, enum conf_balance), .type = &type_word,
	  WORDS([BALANCE_ROUND_ROBIN] = "round-robin",
		  [BALANCE_LEAST_CONNECTIONS] = "least-connections", [BALANCE_SOURCE] = "source"),
	  .fallback = "round-robin", .apply = APPLY_LIVE },
	{ .key = "queue", SERVICE(queue, unsigned), .type = &type_count, .min = 1, .max = 128,
	  .fallback = "16", .apply = APPLY_LIVE },
	{ .key = "stall_timeout", SERVICE(stall_timeout_ms, int64_t), .type = &type_ms, .min = 10,
	  .max = HOUR, .fallback = "1s", .apply = APPLY_LIVE },

	/* How workers are replaced. */
	{ .key = "strategy", SERVICE(strategy, enum conf_strategy), .type = &type_word,
	  WORDS([STRATEGY_START_FIRST] = "start-first", [STRATEGY_STOP_FIRST] = "stop-first"),
	  .fallback = "start-first", .apply = APPLY_LIVE },
	{ .key = "surge", SERVICE(surge, unsigned), .type = &type_count, .min = 1, .max = 1024,
	  WORDS("all"), .fallback = "1", .apply = APPLY_LIVE },
	{ .key = "start_timeout", SERVICE(start_timeout_ms, int64_t), .type = &type_ms, .min = 100,
	  .max = DAY, .fallback = "30s", .apply = APPLY_LIVE },
	{ .key = "drain_timeout", SERVICE(drain_timeout_ms, int64_t), .type = &type_ms, .min = 0,
	  .max = 7 * DAY, .fallback = "60s", .apply = APPLY_LIVE },
	{ .key = "stop_signal", SERVICE(stop_signal, int), .type = &type_signal, .min = 1,
	  .max = 64, .fallback = "TERM", .apply = APPLY_LIVE },
	{ .key = "stop_timeout", SERVICE(stop_timeout_ms, int64_t), .type = &type_ms, .min = 0,
	  .max = DAY, .fallback = "10s", .apply = APPLY_LIVE },
	{ .key = "relisten_timeout", SERVICE(relisten_timeout_ms, int64_t), .type = &type_ms,
	  .min = 100, .max = DAY, .or_zero = true, .fallback = "0", .apply = APPLY_LIVE },
	{ .key = "proof_wait", SERVICE(proof_wait_ms, int64_t), .type = &type_ms, .min = 10,
	  .max = HOUR, .fallback = "200ms", .apply = APPLY_WORKERS },
	{ .key = "probation", SERVICE(probation_ms, int64_t), .type = &type_ms, .min = 0,
	  .max = DAY, .fallback = "5s", .apply = APPLY_LIVE },
	{ .key = "rollback_window", SERVICE(rollback_window_ms, int64_t), .type = &type_ms,
	  .min = 0, .max = 7 * DAY, .fallback = "0", .apply = APPLY_LIVE },

	/* When workers fail. */
	{ .key = "backoff_min", SERVICE(backoff_min_ms, int64_t), .type = &type_ms, .min = 1,
	  .max = HOUR, .fallback = "100ms", .apply = APPLY_LIVE },
	{ .key = "backoff_max", SERVICE(backoff_max_ms, int64_t), .type = &type_ms, .min = 1,
	  .max = DAY, .fallback = "30s", .apply = APPLY_LIVE },
	{ .key = "backoff_reset", SERVICE(backoff_reset_ms, int64_t), .type = &type_ms, .min = 0,
	  .max = DAY, .fallback = "10s", .apply = APPLY_LIVE },

	/* Options of the sockets. */
	{ .key = "backlog", SERVICE(backlog, unsigned), .type = &type_count, .min = 1,
	  .max = 65535, .fallback = "4096", .apply = APPLY_LISTENERS },
	{ .key = "v6only", SERVICE(v6only, bool), .type = &type_bool, .fallback = "no",
	  .apply = APPLY_LISTENERS },
	{ .key = "tcp_nodelay", SERVICE(tcp_nodelay, bool), .type = &type_bool, .fallback = "no",
	  .apply = APPLY_LISTENERS },
	{ .key = "so_keepalive", SERVICE(so_keepalive, bool), .type = &type_bool, .fallback = "no",
	  .apply = APPLY_LISTENERS },
	{ .key = "tcp_keepidle", SERVICE(tcp_keepidle_s, unsigned), .type = &type_seconds,
	  .min = 1, .max = 32767, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "tcp_keepintvl", SERVICE(tcp_keepintvl_s, unsigned), .type = &type_seconds,
	  .min = 1, .max = 32767, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "tcp_keepcnt", SERVICE(tcp_keepcnt, unsigned), .type = &type_count, .min = 1,
	  .max = 127, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "tcp_user_timeout", SERVICE(tcp_user_timeout_ms, int64_t), .type = &type_ms,
	  .min = 1, .max = DAY, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "tcp_defer_accept", SERVICE(tcp_defer_accept_s, unsigned), .type = &type_seconds,
	  .min = 1, .max = 3600, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "tcp_fastopen", SERVICE(tcp_fastopen, unsigned), .type = &type_count, .min = 1,
	  .max = 65535, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "so_rcvbuf", SERVICE(so_rcvbuf, unsigned), .type = &type_size, .min = 4096,
	  .max = 1 << 30, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "so_sndbuf", SERVICE(so_sndbuf, unsigned), .type = &type_size, .min = 4096,
	  .max = 1 << 30, .or_zero = true, .fallback = "0", .apply = APPLY_LISTENERS },
	{ .key = "ip_freebind", SERVICE(ip_freebind, bool), .type = &type_bool, .fallback = "no",
	  .apply = APPLY_LISTENERS },
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
		size_t len = strlen(opt->key);

		if (opt->section == section && opt->type->numbered && key + len == dot &&
		    !strncmp(opt->key, key, len)) {
			*ret_number = dot + 1;
			return opt;
		}
	}
	return option_find(section, key);
}

const char *option_apply_name(enum option_apply apply)
{
	static const char *const names[APPLY_N] = {
		[APPLY_LIVE] = "at once",
		[APPLY_WORKERS] = "with new workers",
		[APPLY_LISTENERS] = "with new listeners",
		[APPLY_RESTART] = "after a restart",
	};

	return names[apply];
}
