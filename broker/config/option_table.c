#include "config/option_type.h"

/* Adds nothing; does not compile unless @condition holds. */
#define MUST(condition) (0 * sizeof(char[(condition) ? 1 : -1]))

/*
 * The offset of a field, if it has the C type that its option type writes: no
 * compiler would warn of an unsigned written over a bool.
 */
#define OFFSET(type, field, ctype)                                                                 \
	(offsetof(type, field) +                                                                   \
	 MUST(__builtin_types_compatible_p(__typeof__(((type *)0)->field), ctype)))

/* Nothing, if @second stands where @as has it behind @field; see option_type.h. */
#define PAIR(type, field, second, as) MUST(offsetof(type, second) - offsetof(type, field) == (as))

/* @kind is pasted at once: bool is a macro itself. */
#define BROKER(name, kind, field, when)                                                            \
	.key = name, .section = OPTION_BROKER, .type = &type_##kind, .apply = APPLY_##when,        \
	.offset = OFFSET(struct broker_conf, field, field_of_##kind)
#define BROKER_TARGET(name, field, when)                                                           \
	BROKER(name, target, field, when) + PAIR(struct broker_conf, field, field##_path,          \
						 offsetof(struct option_target, path))
#define SERVICE(name, kind, field, when)                                                           \
	.key = name, .section = OPTION_SERVICE, .type = &type_##kind, .apply = APPLY_##when,       \
	.offset = OFFSET(struct service_conf, field, field_of_##kind)
#define SERVICE_TARGET(name, field, when)                                                          \
	SERVICE(name, target, field, when) + PAIR(struct service_conf, field, field##_path,        \
						  offsetof(struct option_target, path))
#define SERVICE_LIST(name, kind, field, when)                                                      \
	SERVICE(name, kind, field, when) +                                                         \
		PAIR(struct service_conf, field, n_##field, offsetof(struct option_list, n))

#define DEFAULT(text)	     .fallback = (text)
#define RANGE(first, last)   .min = (first), .max = (last)
#define ZERO_OR(first, last) RANGE(first, last), .or_zero = true, DEFAULT("0")
#define WORDS(...)                                                                                 \
	.words = (const char *const[])                                                             \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

#define ACTIONS WORDS([ACTION_LOG] = "log", [ACTION_HOLD] = "hold", [ACTION_REPLACE] = "replace")

#define MINUTE 60000
#define HOUR   (60 * MINUTE)
#define DAY    (24 * (int64_t)HOUR)

/* A table is read in columns. */
/* clang-format off */
const struct option option_table[] = {
	/* The broker itself. */
	{ BROKER_TARGET("log", log, LIVE), DEFAULT("stderr"),
	  WORDS([LOG_TO_STDERR] = "stderr", [LOG_TO_SYSLOG] = "syslog") },
	{ BROKER("log_level", word, log_level, LIVE), DEFAULT("info"),
	  WORDS([LEVEL_ERROR] = "error", [LEVEL_WARN] = "warn", [LEVEL_INFO] = "info",
		  [LEVEL_DEBUG] = "debug") },
	{ BROKER("log_format", word, log_format, LIVE), DEFAULT("text"),
	  WORDS([FORMAT_TEXT] = "text", [FORMAT_JSON] = "json") },
	{ BROKER("pid_file", path, pid_file, RESTART) },
	{ BROKER("run_dir", path, run_dir, RESTART) },
	{ BROKER_TARGET("control", control, RESTART), DEFAULT("auto"),
	  WORDS([CONTROL_AUTO] = "auto", [CONTROL_OFF] = "off") },
	{ BROKER("control_group", name, control_group, RESTART) },
	{ BROKER("metrics", serve, metrics, LIVE) },
	{ BROKER("agent_check", serve, agent_check, LIVE) },
	{ BROKER("scheduling", word, scheduling, LIVE), DEFAULT("auto"),
	  WORDS([SCHEDULING_AUTO] = "auto", [SCHEDULING_OTHER] = "other",
		  [SCHEDULING_BATCH] = "batch") },
	{ BROKER("oom_score_adj", integer, oom_score_adj, RESTART), RANGE(-1000, 1000) },
	{ BROKER("seccomp", word, seccomp, RESTART), DEFAULT("auto"),
	  WORDS([SECCOMP_AUTO] = "auto", [SECCOMP_YES] = "yes", [SECCOMP_NO] = "no",
		  [SECCOMP_LOG] = "log") },
	{ BROKER("user", name, user, RESTART) },
	{ BROKER("group", name, group, RESTART) },
	{ BROKER("strict_modes", bool, strict_modes, LIVE), DEFAULT("yes") },

	/* What a worker is. */
	{ SERVICE("command", command, command, WORKERS) },
	{ SERVICE_LIST("wrap", wrap, wraps, WORKERS) },
	{ SERVICE("debug_command", command, debug_command, LIVE), DEFAULT("gdb -p {pid}") },
	{ SERVICE("mode", word, mode, WORKERS), DEFAULT("listen"),
	  WORDS([MODE_LISTEN] = "listen", [MODE_INETD] = "inetd",
		  [MODE_NATIVE] = "native") },
	{ SERVICE("wait", bool, wait, WORKERS), DEFAULT("no") },
	{ SERVICE("park", word, park, WORKERS), DEFAULT("main"),
	  WORDS([PARK_MAIN] = "main", [PARK_FIRST_READ] = "first-read", [PARK_EXEC] = "exec") },
	{ SERVICE("processes", count, processes, WORKERS), RANGE(1, 10000), DEFAULT("40") },
	{ SERVICE("stderr", word, standard_error, WORKERS), DEFAULT("log"),
	  WORDS([STDERR_LOG] = "log", [STDERR_CONNECTION] = "connection") },
	{ SERVICE("log_connections", word, log_connections, LIVE), DEFAULT("failures"),
	  WORDS([LOG_ENDS_NO] = "no", [LOG_ENDS_FAILURES] = "failures", [LOG_ENDS_YES] = "yes") },
	{ SERVICE("zygote_connections", count, zygote_connections, LIVE),
	  RANGE(1, INT32_MAX), .or_zero = true, DEFAULT("1000") },
	{ SERVICE("zygote_age", ms, zygote_age_ms, LIVE), RANGE(1000, 365 * DAY), .or_zero = true,
	  DEFAULT("1h") },
	{ SERVICE("activation", word, activation, WORKERS), DEFAULT("none"),
	  WORDS([ACTIVATION_NONE] = "none", [ACTIVATION_SYSTEMD] = "systemd",
		  [ACTIVATION_EINHORN] = "einhorn", [ACTIVATION_SERVER_STARTER] = "server-starter") },
	{ SERVICE("directory", path, directory, WORKERS) },
	{ SERVICE_LIST("environment", environment, environment, WORKERS) },
	{ SERVICE("environment_file", path, environment_file, WORKERS) },
	{ SERVICE("clear_environment", bool, clear_environment, WORKERS), DEFAULT("no") },
	{ SERVICE("user", name, user, WORKERS) },
	{ SERVICE("group", name, group, WORKERS) },
	{ SERVICE_TARGET("output", output, WORKERS), DEFAULT("log"),
	  WORDS([OUTPUT_LOG] = "log", [OUTPUT_INHERIT] = "inherit") },
	{ SERVICE("backend", word, backend, WORKERS), DEFAULT("auto"),
	  WORDS([BACKEND_AUTO] = "auto", [BACKEND_PRELOAD] = "preload", [BACKEND_TRAP] = "trap") },

	/* What the kernel lets it have. */
	{ SERVICE("limit_nofile", limit, process.limit_nofile, WORKERS) },
	{ SERVICE("limit_core", limit, process.limit_core, WORKERS) },
	{ SERVICE("limit_as", limit, process.limit_as, WORKERS) },
	{ SERVICE("nice", integer, process.nice, WORKERS), RANGE(-20, 19) },
	{ SERVICE("oom_score_adj", integer, process.oom_score_adj, WORKERS), RANGE(-1000, 1000) },
	{ SERVICE("cpu_affinity", cpus, process.cpu_affinity, WORKERS) },
	{ SERVICE("no_new_privs", word, gain, WORKERS), DEFAULT("auto"),
	  WORDS([GAIN_YES] = "no", [GAIN_NO] = "yes", [GAIN_AUTO] = "auto") },
	{ SERVICE("umask", octal, process.umask, WORKERS), RANGE(0, 0777) },

	/* Where clients connect. */
	{ SERVICE_LIST("listen", listen, listen, LISTENERS) },
	{ SERVICE_LIST("private_ports", ports, private_ports, WORKERS), RANGE(1, 65535) },

	/* How connections are shared. */
	{ SERVICE("workers", count, workers, LIVE), RANGE(1, 1024), WORDS("cpus"), DEFAULT("2"),
	  .variable = "WORKER_COUNT" },
	{ SERVICE("balance", word, balance, LIVE), DEFAULT("round-robin"),
	  WORDS([BALANCE_ROUND_ROBIN] = "round-robin",
		  [BALANCE_LEAST_CONNECTIONS] = "least-connections", [BALANCE_SOURCE] = "source") },
	{ SERVICE("queue", count, queue, LIVE), RANGE(1, 128), DEFAULT("16") },
	{ SERVICE("stall_timeout", ms, stall_timeout_ms, LIVE), RANGE(10, HOUR), DEFAULT("1s") },

	{ SERVICE("stall_action", word, stall_action, LIVE), DEFAULT("log"),
	  ACTIONS },
	{ SERVICE("stall_action_after", ms, stall_action_after_ms, LIVE), RANGE(10, DAY),
	  DEFAULT("30s") },
	{ SERVICE("stall_command", command, stall_command, LIVE), .or_none = true },

	/* How workers are replaced. */
	{ SERVICE("strategy", word, strategy, LIVE), DEFAULT("start-first"),
	  WORDS([STRATEGY_START_FIRST] = "start-first", [STRATEGY_STOP_FIRST] = "stop-first") },
	{ SERVICE("surge", count, surge, LIVE), RANGE(1, 1024), WORDS("all"), DEFAULT("1") },
	{ SERVICE("start_timeout", ms, start_timeout_ms, LIVE), RANGE(100, DAY), DEFAULT("30s") },
	{ SERVICE("drain_timeout", ms, drain_timeout_ms, LIVE), RANGE(0, 7 * DAY), DEFAULT("60s") },
	{ SERVICE("drain_idle", ms, drain_idle_ms, LIVE), RANGE(0, 7 * DAY), WORDS("auto", "off"),
	  DEFAULT("auto") },
	{ SERVICE("move", word, move, LIVE), DEFAULT("auto"),
	  WORDS([MOVE_OFF] = "off", [MOVE_AUTO] = "auto") },
	{ SERVICE("drain_signal", signal, drain_signal, LIVE), RANGE(1, 64), .or_none = true },
	{ SERVICE("stop_signal", signal, stop_signal, LIVE), RANGE(1, 64), DEFAULT("TERM") },
	{ SERVICE("stop_timeout", ms, stop_timeout_ms, LIVE), RANGE(0, DAY), DEFAULT("10s") },
	{ SERVICE("relisten_timeout", ms, relisten_timeout_ms, LIVE), ZERO_OR(100, DAY) },
	{ SERVICE("proof_wait", ms, proof_wait_ms, WORKERS), RANGE(10, HOUR), DEFAULT("200ms") },
	{ SERVICE("probation", ms, probation_ms, LIVE), RANGE(0, DAY), DEFAULT("5s") },
	{ SERVICE("rollback_window", ms, rollback_window_ms, LIVE), RANGE(0, 7 * DAY),
	  DEFAULT("0") },

	{ SERVICE("max_connections", count, max_connections, LIVE), ZERO_OR(1, INT32_MAX) },
	{ SERVICE("max_memory", size, max_memory, LIVE), ZERO_OR(1 << 20, INT32_MAX) },
	{ SERVICE("max_age", ms, max_age_ms, LIVE), ZERO_OR(1000, 365 * DAY) },
	{ SERVICE("restart_at", clock, restart_at, LIVE) },

	/* When workers fail. */
	{ SERVICE("check", check, check, WORKERS) },
	{ SERVICE("check_port", count, check_port, WORKERS), ZERO_OR(1, 65535) },
	{ SERVICE_LIST("check_expect", statuses, check_expect, WORKERS), RANGE(100, 599) },
	{ SERVICE("check_interval", ms, check_interval_ms, LIVE), RANGE(10, DAY), DEFAULT("2s") },
	{ SERVICE("check_timeout", ms, check_timeout_ms, LIVE), RANGE(10, HOUR), DEFAULT("2s") },
	{ SERVICE("check_fall", count, check_fall, LIVE), RANGE(1, 1000), DEFAULT("3") },
	{ SERVICE("check_rise", count, check_rise, LIVE), RANGE(1, 1000), DEFAULT("2") },
	{ SERVICE("check_action", word, check_action, LIVE), DEFAULT("replace"),
	  ACTIONS },
	{ SERVICE("backoff_min", ms, backoff_min_ms, LIVE), RANGE(1, HOUR), DEFAULT("100ms") },
	{ SERVICE("backoff_max", ms, backoff_max_ms, LIVE), RANGE(1, DAY), DEFAULT("30s") },
	{ SERVICE("backoff_reset", ms, backoff_reset_ms, LIVE), RANGE(0, DAY), DEFAULT("10s") },

	/* Options of the sockets. */
	{ SERVICE("backlog", count, backlog, LISTENERS), RANGE(1, 65535), DEFAULT("4096") },
	{ SERVICE("v6only", bool, v6only, LISTENERS), DEFAULT("no") },
	{ SERVICE("tcp_nodelay", bool, tcp_nodelay, LISTENERS), DEFAULT("no") },
	{ SERVICE("so_keepalive", bool, so_keepalive, LISTENERS), DEFAULT("no") },
	{ SERVICE("tcp_keepidle", seconds, tcp_keepidle_s, LISTENERS), ZERO_OR(1, 32767) },
	{ SERVICE("tcp_keepintvl", seconds, tcp_keepintvl_s, LISTENERS), ZERO_OR(1, 32767) },
	{ SERVICE("tcp_keepcnt", count, tcp_keepcnt, LISTENERS), ZERO_OR(1, 127) },
	{ SERVICE("tcp_user_timeout", ms, tcp_user_timeout_ms, LISTENERS), ZERO_OR(1, DAY) },
	{ SERVICE("tcp_defer_accept", seconds, tcp_defer_accept_s, LISTENERS), ZERO_OR(1, 3600) },
	{ SERVICE("tcp_fastopen", count, tcp_fastopen, LISTENERS), ZERO_OR(1, 65535) },
	{ SERVICE("so_rcvbuf", size, so_rcvbuf, LISTENERS), ZERO_OR(4096, 1 << 30) },
	{ SERVICE("so_sndbuf", size, so_sndbuf, LISTENERS), ZERO_OR(4096, 1 << 30) },
	{ SERVICE("ip_freebind", bool, ip_freebind, LISTENERS), DEFAULT("no") },
	{ SERVICE("udp", bool, udp, WORKERS), DEFAULT("no") },
	{ SERVICE("socket_mode", octal, socket_mode, LISTENERS), RANGE(0, 0777), DEFAULT("0660") },
	{ SERVICE("socket_user", name, socket_user, LISTENERS) },
	{ SERVICE("socket_group", name, socket_group, LISTENERS) },
};
/* clang-format on */

const size_t option_count = ARRAY_SIZE(option_table);
static_assert(ARRAY_SIZE(option_table) <= CONF_OPTIONS_MAX, "their origins have room");
