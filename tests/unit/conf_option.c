/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include "config/option.h"
#include "base/units.h"

#include <errno.h>

/* A value of each option that is not its default, as conf_print writes it. */
static const struct {
	enum option_section section;
	const char *key, *value;
} others[] = {
	{ OPTION_BROKER, "log", "/var/log/broker" },
	{ OPTION_BROKER, "log_level", "debug" },
	{ OPTION_BROKER, "log_format", "json" },
	{ OPTION_BROKER, "pid_file", "/run/broker.pid" },
	{ OPTION_BROKER, "run_dir", "/run/broker" },
	{ OPTION_BROKER, "control", "/run/broker/control" },
	{ OPTION_BROKER, "control_group", "adm" },
	{ OPTION_BROKER, "user", "www" },
	{ OPTION_BROKER, "group", "33" },
	{ OPTION_BROKER, "strict_modes", "no" },
	{ OPTION_BROKER, "metrics", "127.0.0.1:9180" },
	{ OPTION_BROKER, "agent_check", "/run/agent" },
	{ OPTION_BROKER, "scheduling", "batch" },
	{ OPTION_BROKER, "oom_score_adj", "-500" },
	{ OPTION_BROKER, "seccomp", "log" },
	{ OPTION_SERVICE, "command", "'my program' --flag '#1' \"it's\"" },
	{ OPTION_SERVICE, "wrap", "strace -f -o '/tmp/a b'" },
	{ OPTION_SERVICE, "debug_command", "lldb -p {pid}" },
	{ OPTION_SERVICE, "mode", NULL }, /* another one needs a listen line, */
	{ OPTION_SERVICE, "wait", NULL },
	{ OPTION_SERVICE, "park", NULL }, /* and these another mode: see test_inetd.py */
	{ OPTION_SERVICE, "processes", NULL },
	{ OPTION_SERVICE, "stderr", NULL },
	{ OPTION_SERVICE, "log_connections", NULL },
	{ OPTION_SERVICE, "zygote_connections", NULL },
	{ OPTION_SERVICE, "zygote_age", NULL },
	{ OPTION_SERVICE, "activation", NULL }, /* needs another option: conf_activation.c */
	{ OPTION_SERVICE, "directory", "'/srv/my app'" },
	{ OPTION_SERVICE, "environment", "'MOTD=hello world'" },
	{ OPTION_SERVICE, "environment_file", "/etc/my.env" },
	{ OPTION_SERVICE, "clear_environment", "yes" },
	{ OPTION_SERVICE, "limit_nofile", "64k" },
	{ OPTION_SERVICE, "limit_core", "0:unlimited" },
	{ OPTION_SERVICE, "limit_as", "2g" },
	{ OPTION_SERVICE, "nice", "-5" },
	{ OPTION_SERVICE, "oom_score_adj", "500" },
	{ OPTION_SERVICE, "cpu_affinity", "0-3,8,63-64" },
	{ OPTION_SERVICE, "no_new_privs", "no" },
	{ OPTION_SERVICE, "umask", "0027" },
	{ OPTION_SERVICE, "user", "app" },
	{ OPTION_SERVICE, "group", "app" },
	{ OPTION_SERVICE, "output", "inherit" },
	{ OPTION_SERVICE, "backend", "preload" },
	{ OPTION_SERVICE, "listen", "127.0.0.1:80 for 3000" },
	{ OPTION_SERVICE, "private_ports", "9400-9409" },
	{ OPTION_SERVICE, "workers", "1024" },
	{ OPTION_SERVICE, "balance", "source" },
	{ OPTION_SERVICE, "queue", "1" },
	{ OPTION_SERVICE, "stall_timeout", "250ms" },
	{ OPTION_SERVICE, "stall_action", "replace" },
	{ OPTION_SERVICE, "stall_action_after", "5m" },
	{ OPTION_SERVICE, "stall_command", "kill -QUIT {pid}" },
	{ OPTION_SERVICE, "strategy", "stop-first" },
	{ OPTION_SERVICE, "surge", "all" },
	{ OPTION_SERVICE, "start_timeout", "5m" },
	{ OPTION_SERVICE, "drain_timeout", "0" },
	{ OPTION_SERVICE, "drain_signal", "USR1" },
	{ OPTION_SERVICE, "drain_idle", "off" },
	{ OPTION_SERVICE, "move", "off" },
	{ OPTION_SERVICE, "stop_signal", "QUIT" },
	{ OPTION_SERVICE, "stop_timeout", "1s" },
	{ OPTION_SERVICE, "rollback_window", "10m" },
	{ OPTION_SERVICE, "relisten_timeout", "1s" },
	{ OPTION_SERVICE, "proof_wait", "1s" },
	{ OPTION_SERVICE, "max_connections", "10000" },
	{ OPTION_SERVICE, "max_memory", "512m" },
	{ OPTION_SERVICE, "max_age", "1d" },
	{ OPTION_SERVICE, "restart_at", "03:00" },
	{ OPTION_SERVICE, "probation", "1m" },
	{ OPTION_SERVICE, "check", "send 'PING\\r\\n' expect +PONG" },
	{ OPTION_SERVICE, "check_port", "8080" },
	{ OPTION_SERVICE, "check_expect", "200-299" },
	{ OPTION_SERVICE, "check_interval", "1m" },
	{ OPTION_SERVICE, "check_timeout", "1s" },
	{ OPTION_SERVICE, "check_fall", "1" },
	{ OPTION_SERVICE, "check_rise", "1" },
	{ OPTION_SERVICE, "check_action", "hold" },
	{ OPTION_SERVICE, "backoff_min", "1s" },
	{ OPTION_SERVICE, "backoff_max", "1h" },
	{ OPTION_SERVICE, "backoff_reset", "1d" },
	{ OPTION_SERVICE, "backlog", "16" },
	{ OPTION_SERVICE, "v6only", "yes" },
	{ OPTION_SERVICE, "tcp_nodelay", "yes" },
	{ OPTION_SERVICE, "so_keepalive", "yes" },
	{ OPTION_SERVICE, "tcp_keepidle", "2m" },
	{ OPTION_SERVICE, "tcp_keepintvl", "15s" },
	{ OPTION_SERVICE, "tcp_keepcnt", "3" },
	{ OPTION_SERVICE, "tcp_user_timeout", "1500ms" },
	{ OPTION_SERVICE, "tcp_defer_accept", "5s" },
	{ OPTION_SERVICE, "tcp_fastopen", "256" },
	{ OPTION_SERVICE, "so_rcvbuf", "64k" },
	{ OPTION_SERVICE, "so_sndbuf", "100000" },
	{ OPTION_SERVICE, "ip_freebind", "yes" },
	{ OPTION_SERVICE, "udp", "yes" },
	{ OPTION_SERVICE, "socket_mode", "0600" },
	{ OPTION_SERVICE, "socket_user", "www-data" },
	{ OPTION_SERVICE, "socket_group", "www-data" },
};

static const void *values_of(const struct conf *conf, enum option_section section)
{
	return section == OPTION_BROKER ? (const void *)&conf->broker : conf->services[0];
}

static void format(const struct conf *conf, const struct option *option, struct strbuf *out)
{
	option_format(option, values_of(conf, option->section), 0, out);
}

/* A good file in which @key of @section is @value. */
static struct conf *with(enum option_section section, const char *key, const char *value)
{
	bool command = !strcmp(key, "command");
	STRBUF(text, 1024);

	strbuf_addf(&text, "[%s]\n%s%s = %s\n", section == OPTION_BROKER ? "broker" : "service:web",
		    key, option_find(section, key)->type->numbered ? ".1" : "", value);
	if (section == OPTION_BROKER)
		strbuf_add(&text, "[service:web]\n");
	if (!command)
		strbuf_add(&text, "command = node app.js\n");
	return conf_good(text.text);
}

static bool differ(const struct conf *a, const struct conf *b, enum option_apply apply,
		   struct strbuf *keys)
{
	bool broker = option_changes(OPTION_BROKER, &a->broker, &b->broker, apply, keys);

	return option_changes(OPTION_SERVICE, a->services[0], b->services[0], apply, keys) ||
	       broker;
}

TEST(every_default_obeys_the_limits_of_its_own_option)
{
	struct conf *conf = conf_good("[service:web]\ncommand = x\n");

	for (size_t i = 0; i < option_count; i++) {
		const struct option *option = &option_table[i];
		union {
			struct broker_conf broker;
			struct service_conf service;
		} fresh = { 0 };
		STRBUF(error, 512);

		CHECK(option->min <= option->max);
		CHECK(option_find(option->section, option->key) == option); /* once */
		if (!option->fallback)
			continue;
		CHECK_EQ(conf_set(option, option->fallback, &fresh, &error), 0);
		CHECK_STR(error.text, "");
		CHECK(option_equal(option, &fresh, values_of(conf, option->section)));
		option_clear(option, &fresh);
	}
	conf_free(conf);
}

/* Sets @option to @text and gives it back as it is printed. 0 or -EINVAL. */
static int set_and_read(const struct option *option, const char *text, struct strbuf *back,
			struct strbuf *error)
{
	struct service_conf sc = { 0 };
	int r = conf_set(option, text, &sc, error);

	if (r == 0)
		option_format(option, &sc, 0, back);
	option_clear(option, &sc);
	return r;
}

TEST(yes_and_no_have_four_spellings)
{
	static const char *const yes[] = { "yes", "true", "on", "1", "YES", "True" };
	static const char *const no[] = { "no", "false", "off", "0", "NO" };
	static const char *const neither[] = { "''", "y", "2", "01", "yess", "enable" };
	const struct option *option = option_find(OPTION_SERVICE, "v6only");
	STRBUF(back, 256);
	STRBUF(error, 512);

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		CHECK_EQ(set_and_read(option, yes[i], &back, &error), 0);
	CHECK_STR(back.text, "yesyesyesyesyesyes");
	strbuf_init(&back, back.text, back.size);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		CHECK_EQ(set_and_read(option, no[i], &back, &error), 0);
	CHECK_STR(back.text, "nonononono");
	for (size_t i = 0; i < ARRAY_SIZE(neither); i++)
		CHECK_EQ(set_and_read(option, neither[i], &back, &error), -EINVAL);
}

/* @value of a number option as text; durations in milliseconds, whatever the field counts. */
static void add_number(const struct option *option, const char *largest, int64_t value,
		       struct strbuf *out)
{
	int64_t ms = 0;

	if (units_parse(units_durations, largest, &ms) == 0)
		strbuf_addf(out, "%lldms", (long long)(value * (ms / option->max)));
	else
		strbuf_addf(out, "%lld", (long long)value);
}

TEST(the_limits_are_in_and_the_next_number_is_out)
{
	unsigned tried = 0;

	for (size_t i = 0; i < option_count; i++) {
		const struct option *option = &option_table[i];
		char low[32], high[32];
		STRBUF(allowed, 128);

		option_add_allowed(option, &allowed);
		/* What the message says is what is taken. */
		if (sscanf(allowed.text, "%31[0-9a-z] to %31[0-9a-z]", low, high) != 2)
			continue;
		tried++;
		for (int upper = 0; upper < 2; upper++) {
			const char *limit = upper ? high : low;
			int64_t next = upper ? option->max + 1 : option->min - 1;
			STRBUF(back, 64);
			STRBUF(beyond, 64);
			STRBUF(error, 512);
			STRBUF(refused, 512);

			CHECK_EQ(set_and_read(option, limit, &back, &error), 0);
			CHECK_STR(back.text, limit);
			if (next < 0 || (next == 0 && option->or_zero))
				continue;
			add_number(option, high, next, &beyond);
			CHECK_EQ(set_and_read(option, beyond.text, &back, &refused), -EINVAL);
			CHECK_CONTAINS(refused.text, "is out of range");
		}
	}
	CHECK(tried > 15);
}

TEST(every_option_can_be_set_and_is_read_back)
{
	struct conf *plain = conf_good("[service:web]\ncommand = node app.js\n");

	CHECK_EQ(ARRAY_SIZE(others), option_count);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const struct option *option = option_find(others[i].section, others[i].key);
		struct conf *conf;
		STRBUF(back, 128);

		CHECK(option);
		if (!others[i].value)
			continue;
		conf = with(others[i].section, others[i].key, others[i].value);
		format(conf, option, &back);
		CHECK_STR(back.text, others[i].value);
		CHECK(!option_equal(option, values_of(conf, option->section),
				    values_of(plain, option->section)));
		conf_free(conf);
	}
	conf_free(plain);
}

TEST(a_difference_is_named_and_says_what_must_be_new)
{
	struct conf *plain = conf_good("[service:web]\ncommand = node app.js\n");

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const struct option *option = option_find(others[i].section, others[i].key);
		struct conf *conf, *again;
		STRBUF(keys, 128);
		STRBUF(none, 128);

		if (!others[i].value)
			continue;
		conf = with(others[i].section, others[i].key, others[i].value);
		again = with(others[i].section, others[i].key, others[i].value);
		CHECK(differ(plain, conf, APPLY_N, &keys));
		CHECK_STR(keys.text, option->key);
		CHECK(!differ(conf, again, APPLY_N, &none));
		for (enum option_apply apply = 0; apply < APPLY_N; apply++)
			if (apply != option->apply)
				CHECK(!differ(plain, conf, apply, &none));
		CHECK_STR(none.text, "");
		CHECK(differ(plain, conf, option->apply, &none));
		CHECK_STR(none.text, option->key);
		conf_free(again);
		conf_free(conf);
	}
	conf_free(plain);
}

TEST(each_part_of_a_listen_address_makes_a_difference)
{
	static const char *const listens[] = { "80",
					       "81",
					       "80 for 3000",
					       "[::]:80",
					       "0.0.0.0:80",
					       "127.0.0.1:80 for 3000",
					       "[fe80::1%2]:80",
					       "[fe80::1%3]:80" };

	for (size_t i = 0; i < ARRAY_SIZE(listens); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(listens); j++) {
			struct conf *a = with(OPTION_SERVICE, "listen", listens[i]);
			struct conf *b = with(OPTION_SERVICE, "listen", listens[j]);
			STRBUF(keys, 64);
			STRBUF(all, 64);

			CHECK_EQ(differ(a, b, APPLY_LISTENERS, &keys), i != j);
			CHECK_STR(keys.text, i == j ? "" : "listen");
			CHECK_EQ(differ(a, b, APPLY_N, &all), i != j);
			CHECK_STR(all.text, keys.text);
			conf_free(a);
			conf_free(b);
		}
	}
}

TEST(a_difference_of_several_options_names_them_all)
{
	struct conf *a = conf_good("[service:web]\ncommand = x\nlisten = 80\n");
	struct conf *b = conf_good("\n\n[service:web]\n\ncommand = x y\nqueue = 4\nlisten = 80\n");
	STRBUF(keys, 128);
	STRBUF(workers, 128);

	/* That the line of listen is another one is no difference. */
	CHECK(differ(a, b, APPLY_N, &keys));
	CHECK_STR(keys.text, "command, queue");
	CHECK(differ(a, b, APPLY_WORKERS, &workers));
	CHECK_STR(workers.text, "command");
	conf_free(a);
	conf_free(b);
}

/* @text without its comments and the blanks before them. */
static char *without_comments(const char *text)
{
	char *out = strdup(text), *to = out;

	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');
		const char *comment = end;

		/* The origins that conf_print writes hold no " # ". */
		for (const char *c = line; c + 3 <= end; c++)
			if (!memcmp(c, " # ", 3))
				comment = c;
		while (comment > line && comment[-1] == ' ')
			comment--;
		memcpy(to, line, (size_t)(comment - line));
		to += comment - line;
		*to++ = '\n';
		line = end + 1;
	}
	*to = '\0';
	return out;
}

static char *print(const struct conf *conf)
{
	char *text = NULL;

	CHECK_EQ(conf_print(conf, &text), 0);
	return text;
}

/* What is printed means the same, and printed once more it is the same text. */
static void check_fixed_point(const struct conf *conf)
{
	char *first = print(conf), *first_bare = without_comments(first);
	struct conf *back = conf_good(first);
	char *second = print(back), *second_bare = without_comments(second);
	struct conf *again = conf_good(second);
	char *third = print(again);
	STRBUF(keys, 1024);

	CHECK_STR(second_bare, first_bare);
	CHECK_STR(third, second);
	CHECK_EQ(back->n_services, conf->n_services);
	CHECK(!differ(conf, back, APPLY_N, &keys));
	conf_free(back);
	conf_free(again);
	free(first);
	free(first_bare);
	free(second);
	free(second_bare);
	free(third);
}

TEST(what_is_printed_parses_to_the_same)
{
	struct conf_facts facts = conf_test_facts;
	struct conf *conf;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (!others[i].value)
			continue;
		conf = with(others[i].section, others[i].key, others[i].value);
		check_fixed_point(conf);
		conf_free(conf);
	}
	facts.worker_count = "7";
	conf = conf_good_facts("[defaults]\nenvironment = A=1 B='x # y'\nqueue = 3\n"
			       "[service:a]\ncommand = sh -c 'a | b'\nlisten = 80 for 3000\n"
			       "environment = B=\"it's \\\"$5\\\"\"\nprivate_ports = 1 2-3\n"
			       "[service:b]\ncommand = x\nenvironment =\nworkers = cpus\n",
			       &facts);
	check_fixed_point(conf);
	conf_free(conf);
}

TEST(what_is_printed_says_where_it_came_from)
{
	struct conf_facts facts = conf_test_facts;
	struct conf *conf;
	char *text;

	facts.worker_count = "7";
	conf = conf_good_facts("[defaults]\nenvironment = A=1 B=2\nqueue = 3\n[service:a]\n"
			       "command = x\nenvironment = B=4\nbacklog = 5\nenvironment = C=5\n"
			       "private_ports = \n",
			       &facts);
	text = print(conf);
	CHECK_CONTAINS(text, "[broker]\nlog = stderr                             # default\n");
	CHECK_CONTAINS(text, "\n[service:a]\ncommand = x                              # "
			     "broker.ini:5\n");
	CHECK_CONTAINS(text, "\nenvironment = A=1                        # [defaults] "
			     "broker.ini:2\n"
			     "environment = B=4                        # broker.ini:6\n"
			     "environment = C=5                        # broker.ini:8\n");
	CHECK_CONTAINS(text, "\nqueue = 3                                # [defaults] "
			     "broker.ini:3\n");
	CHECK_CONTAINS(text, "\nbacklog = 5                              # broker.ini:7\n");
	CHECK_CONTAINS(text, "\nworkers = 7                              # $WORKER_COUNT\n");
	CHECK_CONTAINS(text, "\nprivate_ports =                          # broker.ini:9\n");
	CHECK_CONTAINS(text, "\nlisten =                                 # default\n");
	free(text);
	conf_free(conf);
}

TEST(every_option_is_printed)
{
	struct conf *conf = conf_good("[service:web]\ncommand = x\n");
	char *text = print(conf);

	for (size_t i = 0; i < option_count; i++) {
		STRBUF(line, 64);

		strbuf_addf(&line, "\n%s = ", option_table[i].key);
		CHECK_CONTAINS(text, line.text);
	}
	free(text);
	conf_free(conf);
}

TEST(a_configuration_of_the_command_line_is_printed_too)
{
	char program[] = "node", odd[] = "a\nb", *argv[] = { program, odd, NULL };
	const struct conf_command given = { argv, "4", { NULL }, 0 };
	struct conf *conf = NULL;
	STRBUF(error, CONF_ERROR_BYTES);
	char *text;

	CHECK_EQ(conf_from_command(&given, &conf_test_facts, &conf, &error), 0);
	text = print(conf);
	CHECK_CONTAINS(text, "command = node a\\x0ab                    # command line\n");
	CHECK_CONTAINS(text, "workers = 4                              # command line\n");
	free(text);
	conf_free(conf);
}

TEST(a_large_configuration_is_printed_whole)
{
	static char text[CONF_FILE_MAX];
	struct conf *conf;
	struct strbuf out;
	const char *last;
	char *printed = NULL;

	strbuf_init(&out, text, sizeof(text));
	strbuf_add(&out, "[defaults]\n");
	for (int i = 0; i < 100; i++)
		strbuf_addf(&out, "environment = V%d=%0100d\n", i, i);
	for (int i = 0; i < CONF_SERVICES_MAX; i++)
		strbuf_addf(&out, "[service:s%d]\ncommand = x\n", i);
	conf = conf_good(text);
	CHECK_EQ(conf_print(conf, &printed), 0);
	last = strstr(printed, "\n[service:s1023]\ncommand = x");
	CHECK(last && strstr(last, "\nsocket_group ="));
	free(printed);
	conf_free(conf);
}

TAP_MAIN()
