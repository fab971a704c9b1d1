/*
 * config - a configuration as a value: what broker.ini says, with every default
 * filled in and everything checked.
 */
#pragma once

#include <sys/types.h>
#include "base/strbuf.h"
#include "handoff_wire.h"

/* How a worker gets connections. */
enum conf_mode {
	MODE_LISTEN, /* in place of its own listening socket */
	MODE_INETD,  /* a process for each, which has it as its descriptors 0 and 1 */
	MODE_NATIVE, /* it speaks the protocol itself, and nothing is loaded into it */
};

/* When a program of MODE_INETD is stopped, to be forked for each connection. */
enum conf_park { PARK_MAIN, PARK_FIRST_READ, PARK_EXEC };

/* Where a program of MODE_INETD writes its errors. */
enum conf_stderr { STDERR_LOG, STDERR_CONNECTION };

/* Which ends of its processes are said in the log. */
enum conf_log_ends { LOG_ENDS_NO, LOG_ENDS_FAILURES, LOG_ENDS_YES };

/* Whose conventions tell the program of the listeners that it is started with. */
enum conf_activation {
	ACTIVATION_NONE, /* it binds and listens by itself */
	ACTIVATION_SYSTEMD,
	ACTIVATION_EINHORN,
	ACTIVATION_SERVER_STARTER,
};

enum conf_move {
	MOVE_OFF,
	MOVE_AUTO, /* connections of HTTP/1 go on with another worker, between two requests */
};

enum conf_balance {
	BALANCE_ROUND_ROBIN,
	BALANCE_LEAST_CONNECTIONS, /* open now, by the kernel's count */
	BALANCE_SOURCE,		   /* the same client address, the same slot, while it has room */
};

enum conf_strategy {
	STRATEGY_START_FIRST, /* the new worker serves before the old one leaves */
	STRATEGY_STOP_FIRST,  /* for apps that cannot run twice */
};

/* What is done with a worker that does not do its work. */
enum conf_action { ACTION_LOG, ACTION_HOLD, ACTION_REPLACE };

enum conf_output {
	OUTPUT_LOG,	/* into the broker's log, the worker's name before each line */
	OUTPUT_INHERIT, /* the broker's own stdout and stderr */
	OUTPUT_FILE,	/* appended to service_conf.output_path */
};

/* The control socket: in the run directory, none, or broker_conf.control_path. */
enum conf_control { CONTROL_AUTO, CONTROL_OFF, CONTROL_PATH };

enum conf_log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };
enum conf_log_level { LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG };
enum conf_log_format { FORMAT_TEXT, FORMAT_JSON };

/* Of the broker itself; auto: as a batch process while connections come fast. */
enum conf_scheduling { SCHEDULING_AUTO, SCHEDULING_OTHER, SCHEDULING_BATCH };
/* Auto: where the kernel and the build can. */
enum conf_seccomp { SECCOMP_AUTO, SECCOMP_YES, SECCOMP_NO, SECCOMP_LOG };
enum conf_backend { BACKEND_AUTO, BACKEND_PRELOAD, BACKEND_TRAP };

#define SERVICE_NAME_MAX 32 /* of a listener, too */

/* [A-Za-z0-9_-]{1,32}: it becomes part of messages, of file names and of the environment. */
static inline bool conf_name_ok(const char *name, size_t len)
{
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

	for (size_t i = 0; i < len; i++)
		if (!memchr(good, name[i], sizeof(good) - 1))
			return false;
	return len >= 1 && len <= SERVICE_NAME_MAX;
}

/* listen = [udp] ADDRESS|PATH [for PORT|PATH] [as NAME] */
struct conf_listen {
	struct handoff_addr addr; /* bound by the broker; [::] is dual stack unless V6ONLY; or a
				   * Unix socket */
	uint32_t app;		  /* what the app itself listens on: see address_app() */
	bool port_only;		  /* no address was given, so addr is [::]: 0.0.0.0 will do where
				   * the machine has no IPv6 (unless v6only) */
	char name[SERVICE_NAME_MAX + 1]; /* with .activation; empty: the service's */
};

/*
 * private_ports = 9229 9400-9409: never brokered, the app binds them itself. And statuses of HTTP:
 * check_expect = 200-299 404.
 */
struct conf_port_range {
	uint16_t first, last; /* both included */
};

static inline bool conf_in_ranges(const struct conf_port_range *ranges, size_t n, unsigned number)
{
	for (size_t i = 0; i < n; i++)
		if (number >= ranges[i].first && number <= ranges[i].last)
			return true;
	return false;
}

/* wrap.1 = strace -f: what the command of one slot runs under. */
struct conf_wrap {
	unsigned slot;
	char **words; /* as service_conf.command */
};

/* Whether a worker may gain rights by executing a file; auto: if its command is such a file. */
enum conf_gain { GAIN_YES, GAIN_NO, GAIN_AUTO };

/* What a worker's process gets from the kernel: see sys/confine.h. NULL: as the broker. */
struct conf_process {
	char *limit_nofile, *limit_core, *limit_as;
	char *nice, *oom_score_adj, *cpu_affinity, *umask;
};

#define CONF_SLOTS_MAX 1024

/* metrics = 127.0.0.1:9180, or the path of a Unix socket. */
struct conf_serve {
	struct handoff_addr addr; /* family 0: it is a path, or off */
	char *path;		  /* absolute; NULL: it is an address, or off */
};

/* Where a value came from. */
enum origin_kind {
	ORIGIN_DEFAULT,	    /* the table's */
	ORIGIN_FILE,	    /* the section itself */
	ORIGIN_DEFAULTS,    /* [defaults] */
	ORIGIN_ENVIRONMENT, /* the option's variable, see option_type.h */
	ORIGIN_COMMAND_LINE,
};

struct conf_origin {
	enum origin_kind kind;
	unsigned line; /* with FILE and DEFAULTS, else 0 */
};

#define CONF_OPTIONS_MAX 104

#define CONF_NAME_SIZE	256
#define CONF_GROUPS_MAX 64

/* What the name service of the machine says of a user, by name or number, or of a group. */
enum conf_name_state { NAME_UNANSWERED, NAME_UNKNOWN, NAME_KNOWN };
struct conf_name {
	uid_t uid; /* this, .groups and what follows: of a user */
	char asked[CONF_NAME_SIZE];
	bool is_group;
	gid_t gid, groups[CONF_GROUPS_MAX];
	int n_groups;
	char name[64], home[256];
	enum conf_name_state state; /* the last that an answer brings */
};

/*
 * All that one configuration names: asked once, when it is read, as an answer may take long. See
 * master/names.h; sys/user.h finds something in it.
 */
struct conf_names {
	unsigned refs;
	size_t n;
	struct conf_name of[];
};

/*
 * What a configuration was read from, so that another program can read it again and get the same:
 * text of a file and the facts of the machine; of a command line the facts alone.
 */
struct conf_source {
	unsigned number; /* while it is written: see conf_unkeep(); 0: it was not yet */
	size_t len;
	char bytes[];
};

/* Idle connections of workers that drain are ended in the last quarter of it, or never. */
#define DRAIN_IDLE_AUTO ((int64_t)UINT32_MAX)
#define DRAIN_IDLE_OFF	((int64_t)UINT32_MAX - 1)

struct service_conf {
	/*
	 * As the rows of option_table: of the value, or of each entry of a list. NULL: the value is
	 * the default.
	 */
	struct conf_origin *origins[CONF_OPTIONS_MAX];
	struct conf *conf; /* it is part of that, and held with it */
	unsigned number;   /* as conf_source.number */
	char name[SERVICE_NAME_MAX + 1];
	unsigned line; /* of the section header; 0: command line */

	enum conf_mode mode;
	enum conf_activation activation;
	char **command; /* argv, NULL-terminated, at least one word */
	struct conf_wrap *wraps;
	size_t n_wraps;
	char **debug_command; /* for a debugger; a word may hold {pid} */
	char *directory;      /* absolute; NULL: the broker's own */
	/*
	 * What .directory was when the file was read, without symbolic links: a link to a release
	 * may move, and all workers of a generation belong to one. NULL: as .directory.
	 */
	char *release;
	char **environment; /* "NAME=value", NULL-terminated; NULL: none */
	size_t n_environment;
	char *environment_file;	 /* absolute; NULL: none */
	char **file_environment; /* what it says, as .environment */
	bool clear_environment;
	struct conf_process process;
	enum conf_gain gain;
	char *user, *group;	  /* names or numbers; NULL: the broker's own */
	struct conf_names *names; /* of .conf; NULL: they have not been asked for yet */

	struct conf_listen *listen;
	size_t n_listen;
	struct conf_port_range *private_ports;
	size_t n_private_ports;
	bool udp; /* what it binds for datagrams is the broker's, and shared by its workers */

	/* With MODE_INETD. */
	bool wait; /* one process for many connections, from the first client on */
	enum conf_park park;
	unsigned processes; /* of the service at a time */
	enum conf_stderr standard_error;
	enum conf_log_ends log_connections;
	unsigned zygote_connections; /* as max_connections, max_age */
	int64_t zygote_age_ms;

	unsigned workers;
	enum conf_balance balance;
	unsigned queue; /* connections that may wait at one worker */
	enum conf_strategy strategy;
	unsigned surge; /* workers replaced at a time; UINT_MAX: all */
	int64_t start_timeout_ms, drain_timeout_ms, stop_timeout_ms, stall_timeout_ms;
	enum conf_action stall_action;
	int64_t stall_action_after_ms;
	char **stall_command; /* as debug_command; NULL: none */
	enum conf_move move;
	int64_t drain_idle_ms; /* DRAIN_IDLE_...; else from when on in a drain */
	int drain_signal;      /* 0: none */
	int stop_signal;
	unsigned max_connections, max_memory; /* of a worker, the memory in bytes; 0: no limit */
	int64_t max_age_ms;
	char *restart_at; /* as units_parse_clock(), local time; NULL: never */
	int64_t proof_wait_ms;
	int64_t relisten_timeout_ms;		  /* 0: as start_timeout */
	int64_t probation_ms, rollback_window_ms; /* 0: none */
	int64_t backoff_min_ms, backoff_max_ms; /* delay before a failed worker is started again */
	char **check;				/* see health_probe.h; NULL: none */
	unsigned check_port;			/* of the app; 0: the first that it listens on */
	struct conf_port_range *check_expect;	/* statuses; none: 200-399 */
	size_t n_check_expect;
	int64_t check_interval_ms, check_timeout_ms;
	unsigned check_fall, check_rise; /* results in a row that make a worker ill, or well */
	enum conf_action check_action;
	int64_t backoff_reset_ms; /* a worker that served this long was healthy: no delay */

	enum conf_output output;
	char *output_path; /* with OUTPUT_FILE, else NULL */
	enum conf_backend backend;

	/* Set on the listening socket; accepted connections inherit them. */
	unsigned backlog;
	bool v6only;
	bool tcp_nodelay;
	bool so_keepalive;
	unsigned tcp_keepidle_s, tcp_keepintvl_s, tcp_keepcnt; /* 0: the kernel's */
	int64_t tcp_user_timeout_ms;			       /* 0: the kernel's */
	unsigned tcp_defer_accept_s;			       /* 0: off */
	unsigned tcp_fastopen;				       /* queue length, 0: off */
	unsigned so_rcvbuf, so_sndbuf;			       /* bytes, 0: the kernel's */
	bool ip_freebind;

	/* Of Unix sockets. NULL: the workers'. */
	char *socket_mode, *socket_user, *socket_group;
};

/* Whether @port is one of private_ports: the app binds it itself. */
static inline bool conf_is_private(const struct service_conf *sc, uint16_t port)
{
	return conf_in_ranges(sc->private_ports, sc->n_private_ports, port);
}

/* The first that it publishes at @addr, as address_equal() or address_overlap() says; or NULL. */
static inline struct conf_listen *
conf_find_listen(const struct service_conf *sc, const struct handoff_addr *addr,
		 bool (*is_there)(const struct handoff_addr *a, const struct handoff_addr *b))
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (is_there(&sc->listen[i].addr, addr))
			return &sc->listen[i];
	return NULL;
}

/* Whether it has a process for each connection. */
static inline bool conf_forks(const struct service_conf *sc)
{
	return sc->mode == MODE_INETD && !sc->wait;
}

/* Whether its program gets the socket itself, for datagrams. */
static inline bool conf_is_udp(const struct service_conf *sc)
{
	return sc->n_listen && (sc->listen[0].addr.flags & HANDOFF_UDP);
}

struct broker_conf {
	struct conf_origin *origins[CONF_OPTIONS_MAX]; /* as those of a service */
	char *pid_file;				       /* NULL: none */
	char *run_dir; /* NULL: the caller chooses from the name of the file */
	enum conf_control control;
	char *control_path;  /* with CONTROL_PATH */
	char *control_group; /* may look, not steer; NULL: root and the broker's user only */
	struct conf_serve metrics, agent_check;
	enum conf_log_target log;
	char *log_path; /* with LOG_TO_FILE */
	enum conf_log_level log_level;
	enum conf_log_format log_format;
	enum conf_scheduling scheduling;
	enum conf_seccomp seccomp;
	char *oom_score_adj; /* of the broker and its parent; NULL: as it was started */
	bool strict_modes;   /* as root, others must not be able to change the file */
	char *user, *group;  /* the broker itself, once its listeners are bound; NULL: unchanged */
	struct conf_names *names; /* held */
};

struct conf {
	unsigned refs;		    /* its owner's, and those of its services */
	char *file;		    /* as given, in .source; NULL: command line */
	struct conf_source *source; /* owned */
	struct broker_conf broker;
	struct service_conf **services; /* in the order of the file */
	size_t n_services;
};

/* The services of @conf, each as struct service_conf *@sc. */
#define for_each_service(sc, conf)                                                                 \
	for (struct service_conf *const *sc##_at = (conf)->services, *sc;                          \
	     sc##_at < (conf)->services + (conf)->n_services && (sc = *sc##_at); sc##_at++)

/* What values depend on: this level asks no system call. */
struct conf_facts {
	const char *worker_count; /* $WORKER_COUNT; NULL or empty: not set */
	unsigned cpus;		  /* at least 1 */
	const char *base_dir;	  /* absolute: the directory of the file, or the current one for a
				   * command line. Relative paths start here; none stays relative. */
};

#define CONF_FILE_MAX		(1 << 20) /* bytes */
#define CONF_SERVICES_MAX	1024
#define CONF_LIST_MAX		256  /* entries of one list, inherited ones included */
#define CONF_LISTEN_MAX		2048 /* listen addresses of all services together */
#define CONF_SETTINGS_MAX	1024 /* lines of one section */
#define CONF_COMMAND_LISTEN_MAX 64
#define CONF_ERRORS_MAX		20	    /* messages; one more line says that there are more */
#define CONF_ERROR_BYTES	(24 * 1024) /* of @error: enough, with a file name of 400 bytes */
