/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include <errno.h>

/* Checks the messages, which begin with "broker.ini:" where @want has a ':' first. */
static void check_bad_facts(const char *text, const struct conf_facts *facts, const char *want)
{
	static char untouched;
	struct conf *conf = (struct conf *)&untouched;
	STRBUF(error, CONF_ERROR_BYTES);

	CHECK_EQ(conf_try_facts(text, facts, &conf, &error), -EINVAL);
	CHECK_STR(error.text, want);
	CHECK((char *)conf == &untouched);
	CHECK(!error.cut);
}

static void check_bad(const char *text, const char *want)
{
	check_bad_facts(text, &conf_test_facts, want);
}

/* In a service that is otherwise good, @line is the third line of the file. */
static void check_bad_line(const char *line, const char *want)
{
	STRBUF(text, 4096);
	STRBUF(expect, 1024);

	strbuf_addf(&text, "[service:web]\ncommand = node app.js\n%s\n", line);
	strbuf_addf(&expect, "broker.ini:3: %s", want);
	check_bad(text.text, expect.text);
}

TEST(a_bad_value_names_the_key_what_was_given_and_what_is_allowed)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "workers = 0", "workers: \"0\" is out of range; allowed: 1 to 1024, or cpus" },
		{ "workers = 1025",
		  "workers: \"1025\" is out of range; allowed: 1 to 1024, or cpus" },
		{ "workers = two",
		  "workers: \"two\" is not a number; allowed: 1 to 1024, or cpus" },
		{ "workers = -1", "workers: \"-1\" is not a number; allowed: 1 to 1024, or cpus" },
		{ "workers = 99999999999999999999", "workers: \"99999999999999999999\" is out of "
						    "range; allowed: 1 to 1024, or cpus" },
		{ "workers =", "workers: the value is empty; allowed: 1 to 1024, or cpus" },
		{ "workers = # 3", "workers: the value is empty; allowed: 1 to 1024, or cpus" },
		{ "workers = 2 3",
		  "workers: \"2 3\" is more than one value (quote it if it is one); "
		  "allowed: 1 to 1024, or cpus" },
		{ "workers = 2 ; two", "workers: \"2 ; two\" is more than one value (behind a "
				       "value a comment begins with "
				       "#); allowed: 1 to 1024, or cpus" },
		{ "surge = some", "surge: \"some\" is not a number; allowed: 1 to 1024, or all" },
		{ "queue = 129", "queue: \"129\" is out of range; allowed: 1 to 128" },
		{ "mode = fork", "mode: \"fork\" is unknown; allowed: listen, inetd, native" },
		{ "balance = roundrobin", "balance: \"roundrobin\" is unknown; did you mean "
					  "\"round-robin\"? Allowed: round-robin, "
					  "least-connections, source" },
		{ "strategy = fast",
		  "strategy: \"fast\" is unknown; allowed: start-first, stop-first" },
		{ "start_timeout = 30",
		  "start_timeout: \"30\" has no unit: write 30s; allowed: 100ms to 1d" },
		{ "start_timeout = 30sec", "start_timeout: \"30sec\" is not a duration that ends "
					   "in a known unit (such as s); "
					   "allowed: 100ms to 1d" },
		{ "start_timeout = 50ms",
		  "start_timeout: \"50ms\" is out of range; allowed: 100ms to 1d" },
		{ "start_timeout = soon",
		  "start_timeout: \"soon\" is not a duration; allowed: 100ms to 1d" },
		{ "tcp_keepidle = 1500ms", "tcp_keepidle: \"1500ms\" is not a whole number of "
					   "seconds; allowed: 1s to 32767s, or 0" },
		{ "tcp_keepidle = 10h",
		  "tcp_keepidle: \"10h\" is out of range; allowed: 1s to 32767s, or 0" },
		{ "so_rcvbuf = 1k", "so_rcvbuf: \"1k\" is out of range; allowed: 4k to 1g, or 0" },
		{ "so_rcvbuf = 64kb", "so_rcvbuf: \"64kb\" is not a size that ends in a known unit "
				      "(such as k); allowed: 4k to 1g, or 0" },
		{ "v6only = maybe", "v6only: \"maybe\" is neither yes nor no; allowed: yes, no" },
		{ "stop_signal = TREM", "stop_signal: \"TREM\" is not a signal; did you mean "
					"\"TERM\"? Allowed: a name such "
					"as TERM or QUIT, or 1 to 64" },
		{ "stop_signal = STOP",
		  "stop_signal: \"STOP\" ends no program; allowed: a name such "
		  "as TERM or QUIT, or 1 to 64" },
		{ "user = a:b",
		  "user: \"a:b\" is not a name or number; allowed: a name or a number" },
		{ "directory = ~/app", "directory: \"~/app\" begins with \"~\", but nothing is "
				       "expanded here; allowed: a path" },
		{ "directory = /srv/my app",
		  "directory: \"/srv/my app\" is more than one value (quote it if it is one); "
		  "allowed: a path" },
		{ "directory = ''", "directory: \"\" is not a path; allowed: a path" },
		{ "output = inherits", "output: \"inherits\" is unknown, and a path needs a \"/\" "
				       "(./NAME); did you mean "
				       "\"inherit\"? Allowed: log, inherit, or a path" },
		{ "output = app.out", "output: \"app.out\" is unknown, and a path needs a \"/\" "
				      "(./NAME); allowed: log, inherit, or a path" },
		{ "environment = A", "environment: \"A\" is not NAME=value (quote a value with "
				     "blanks: NAME=\"a b\"); allowed: NAME=value ..." },
		{ "environment = MOTD=hello world",
		  "environment: \"world\" is not NAME=value (quote a value with blanks: "
		  "NAME=\"a b\"); allowed: NAME=value ..." },
		{ "environment = =1", "environment: \"=1\" is not NAME=value (quote a value with "
				      "blanks: NAME=\"a b\"); allowed: NAME=value ..." },
		{ "environment = BROKER_SLOT=1",
		  "environment: \"BROKER_SLOT=1\" sets a name that belongs to the broker "
		  "(BROKER_...); allowed: NAME=value ..." },
		{ "environment = A=1 B=2 A=3",
		  "environment: A is set a second time; the first is in line 3" },
		{ "environment = PATH=/x:$PATH", "environment: \"$\" outside quotes, but nothing "
						 "is expanded here: put it in single "
						 "quotes if it is meant as it stands" },
		{ "listen = localhost:80",
		  "listen: \"localhost:80\" is not a numeric address (names are not looked up): "
		  "write 127.0.0.1:80, [::1]:80 or a port alone; allowed: "
		  "[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp "
		  "[ADDRESS:]PORT" },
		{ "listen = 80 81",
		  "listen: \"81\" after the address (one address a line); allowed: "
		  "[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp "
		  "[ADDRESS:]PORT" },
		{ "listen = 80 for", "listen: \"for\" after the address (one address a line); "
				     "allowed: [ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as "
				     "NAME]; or udp [ADDRESS:]PORT" },
		{ "listen = '/run/a b'",
		  "listen: \"/run/a b\" is no name of a Unix socket: a path or @NAME of at most "
		  "107 characters, all of ASCII and none a blank, quote or backslash; allowed: "
		  "[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp "
		  "[ADDRESS:]PORT" },
		{ "listen = 80 for @",
		  "listen: \"@\" is no name of a Unix socket: a path or @NAME of at most 107 "
		  "characters, all of ASCII and none a blank, quote or backslash; allowed: "
		  "[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp "
		  "[ADDRESS:]PORT" },
		{ "listen = 80 for x",
		  "listen: \"x\" is neither a port from 1 to 65535 nor the path of a Unix socket; "
		  "allowed: "
		  "[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp "
		  "[ADDRESS:]PORT" },
		{ "private_ports = 9-1", "private_ports: \"9-1\" ends before it begins; allowed: "
					 "PORT ..., FIRST-LAST ..." },
		{ "private_ports = 80,81",
		  "private_ports: \"80,81\" is not a port from 1 to 65535, or a range of them; "
		  "allowed: PORT ..., FIRST-LAST ..." },
		{ "private_ports = 1-65536",
		  "private_ports: \"1-65536\" is not a port from 1 to 65535, or a range of them; "
		  "allowed: PORT ..., FIRST-LAST ..." },
		{ "limit_nofile = 10:5",
		  "limit_nofile: \"10:5\" is not a limit; allowed: SOFT:HARD, or one for both; "
		  "each a number, also with k, m, g, or unlimited" },
		{ "limit_as = 1:",
		  "limit_as: \"1:\" is not a limit; allowed: SOFT:HARD, or one for "
		  "both; each a number, also with k, m, g, or unlimited" },
		{ "nice = 20", "nice: \"20\" is not a number in the range; allowed: -20 to 19" },
		{ "nice = +1", "nice: \"+1\" is not a number in the range; allowed: -20 to 19" },
		{ "nice = -", "nice: \"-\" is not a number in the range; allowed: -20 to 19" },
		{ "umask = 0888", "umask: \"0888\" is not a set of rights; allowed: an octal "
				  "number such as 0027 or 0660" },
		{ "umask = 1000", "umask: \"1000\" is not a set of rights; allowed: an octal "
				  "number such as 0027 or 0660" },
		{ "cpu_affinity = 3-1",
		  "cpu_affinity: \"3-1\" is not a list of processors; allowed: "
		  "a list such as 0-3,8; or per-worker, or per-worker:0-3" },
		{ "cpu_affinity = 0,", "cpu_affinity: \"0,\" is not a list of processors; allowed: "
				       "a list such as 0-3,8; or per-worker, or per-worker:0-3" },
		{ "cpu_affinity = per-workers",
		  "cpu_affinity: \"per-workers\" is not a list of processors; allowed: "
		  "a list such as 0-3,8; or per-worker, or per-worker:0-3" },
		{ "restart_at = 24:00",
		  "restart_at: \"24:00\" is not a time of day; allowed: a time "
		  "such as 03:00, up to 23:59" },
		{ "restart_at = 3:5", "restart_at: \"3:5\" is not a time of day; allowed: a time "
				      "such as 03:00, up to 23:59" },
		{ "directory = 'x", "directory: a quote is opened with ' and never closed" },
		{ "workers = \"\x1b\"", "the line holds a control character" },
		{ "no equals sign", "\"no equals sign\" is neither [section] nor key = value" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_bad_line(cases[i].line, cases[i].message);
}

TEST(a_bad_command_says_what_to_write)
{
	static const struct {
		const char *value, *message;
	} cases[] = {
		{ "", "the value is empty; allowed: a program and its arguments" },
		{ "''", "the program's name is empty; allowed: a program and its arguments" },
		{ "PORT=3000 node app.js",
		  "\"PORT=3000\" is not a program, and no shell is run: write environment = "
		  "PORT=3000; allowed: a program and its arguments" },
		{ "cd /srv && node app.js", "\"&\" outside quotes, but no shell is run: write "
					    "command = sh -c '...', or quote "
					    "the \"&\" if the program itself is to get it" },
		{ "node app.js \\", "a backslash at the end: a line cannot be continued" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(text, 256);
		STRBUF(want, 512);

		strbuf_addf(&text, "[service:web]\ncommand = %s\n", cases[i].value);
		strbuf_addf(&want, "broker.ini:2: command: %s", cases[i].message);
		check_bad(text.text, want.text);
	}
}

TEST(what_does_not_belong_is_named_with_what_was_meant)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "[service:web]\ncommand = x\nworker = 3",
		  "broker.ini:3: unknown key \"worker\" in [service:web]; did you mean "
		  "\"workers\"?" },
		{ "[service:web]\ncommand = x\nport = 3",
		  "broker.ini:3: unknown key \"port\" in [service:web]; did you mean \"listen\"?" },
		{ "[service:web]\ncommand = x\n[defaults]\nqueu = 3",
		  "broker.ini:4: unknown key \"queu\" in [defaults]; did you mean \"queue\"?" },
		{ "[broker]\nlogformat = json\n[service:web]\ncommand = x",
		  "broker.ini:2: unknown key \"logformat\" in [broker]; did you mean "
		  "\"log_format\"?" },
		{ "[service:web]\ncommand = x\npid_file = /x",
		  "broker.ini:3: pid_file belongs in [broker], not in [service:web]" },
		{ "[defaults]\nlog = stderr\n[service:web]\ncommand = x",
		  "broker.ini:2: log belongs in [broker], not in [defaults]" },
		{ "[broker]\nworkers = 2\n[service:web]\ncommand = x",
		  "broker.ini:2: workers belongs in [service:NAME] or [defaults], not in "
		  "[broker]" },
		{ "[service:web]\ncommand = x\nworkers = 1\nworkers = 2",
		  "broker.ini:4: workers is given a second time; the first is in line 3" },
		{ "[brokr]\nlog = stderr\n[service:web]\ncommand = x",
		  "broker.ini:1: unknown section \"brokr\"; did you mean [broker]? Allowed: "
		  "[broker], "
		  "[defaults], [service:NAME]" },
		{ "[web]\ncommand = x", "broker.ini:1: unknown section \"web\"; did you mean "
					"[service:web]? Allowed: [broker], [defaults], "
					"[service:NAME]" },
		{ "[services:web]\ncommand = x",
		  "broker.ini:1: unknown section \"services:web\"; did you mean [service:web]? "
		  "Allowed: [broker], [defaults], [service:NAME]" },
		{ "[a b]\ncommand = x", "broker.ini:1: unknown section \"a b\"; allowed: [broker], "
					"[defaults], [service:NAME]" },
		{ "[service:a b]\ncommand = x",
		  "broker.ini:1: \"a b\" is not a service name; allowed: 1 to 32 letters, digits, "
		  "\"_\" and \"-\"" },
		{ "[service:]\ncommand = x",
		  "broker.ini:1: \"\" is not a service name; allowed: 1 to 32 letters, digits, "
		  "\"_\" and \"-\"" },
		{ "[service:web]\ncommand = x\n[service:web]\ncommand = y",
		  "broker.ini:3: [service:web] appears a second time; the first is in line 1" },
		{ "[broker]\n[service:web]\ncommand = x\n[broker]\nlog = nonsense",
		  "broker.ini:4: [broker] appears a second time; the first is in line 1" },
		{ "workers = 2\nqueue = 3\n[service:web]\ncommand = x",
		  "broker.ini:1: a key before the first section; begin with [service:NAME]" },
		{ "[service:web\ncommand = x",
		  "broker.ini:1: \"[service:web\" has no closing bracket: write [section]" },
		{ "[service:web]\nworkers = 2", "broker.ini:1: [service:web] has no command; write "
						"command = PROGRAM ARGUMENTS" },
		{ "", "broker.ini: no service; write [service:NAME] and below it command = PROGRAM "
		      "ARGUMENTS" },
		{ "[broker]\n# nothing",
		  "broker.ini: no service; write [service:NAME] and below it "
		  "command = PROGRAM ARGUMENTS" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_bad(cases[i].text, cases[i].message);
}

TEST(values_that_contradict_each_other_are_refused)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "[service:a]\ncommand = x\nlisten = 80\n[service:b]\ncommand = x\nlisten = 80",
		  "broker.ini:6: listen: port 80 of [service:b] cannot be bound beside port 80 of "
		  "[service:a] in line 3" },
		{ "[service:a]\ncommand = x\nlisten = 127.0.0.1:80\nlisten = 0.0.0.0:80",
		  "broker.ini:4: listen: 0.0.0.0:80 of [service:a] cannot be bound beside "
		  "127.0.0.1:80 of [service:a] in line 3" },
		{ "[service:a]\ncommand = x\nlisten = 80\nworkers = 0\n[service:b]\ncommand = x\n"
		  "listen = 80",
		  "broker.ini:4: workers: \"0\" is out of range; allowed: 1 to 1024, or cpus\n"
		  "broker.ini:7: listen: port 80 of [service:b] cannot be bound beside port 80 of "
		  "[service:a] in line 3" },
		{ "[broker]\nmetrics = 127.0.0.1:80\n[service:a]\ncommand = x\nlisten = 81\n"
		  "listen = 80",
		  "broker.ini:2: metrics: 127.0.0.1:80 cannot be bound beside port 80 of "
		  "[service:a] in line 6; choose another port" },
		{ "[broker]\nmetrics = [::1]:80\nagent_check = [::]:80\n[service:a]\ncommand = x",
		  "broker.ini:3: agent_check: needs an address of its own, not that of metrics in "
		  "line 2" },
		{ "[broker]\nmetrics = /a/b\nagent_check = '/a/b'\n[service:a]\ncommand = x",
		  "broker.ini:3: agent_check: needs an address of its own, not that of metrics in "
		  "line 2" },
		{ "[broker]\nmetrics = 9180\n[service:a]\ncommand = x",
		  "broker.ini:2: metrics: \"9180\" is every address of this machine: write "
		  "127.0.0.1:9180, or 0.0.0.0:9180 if everybody may ask; allowed: ADDRESS:PORT, or "
		  "a path" },
		{ "[broker]\nagent_check = here\n[service:a]\ncommand = x",
		  "broker.ini:2: agent_check: \"here\" is not a numeric address (names are not "
		  "looked up): write 127.0.0.1:80, [::1]:80 or a port alone; allowed: "
		  "ADDRESS:PORT, or a path" },
		{ "[service:a]\ncommand = x\nbackoff_min = 1m",
		  "broker.ini:3: backoff_min (1m) is above backoff_max (30s)" },
		/* What was meant by the bad value nobody knows, so it contradicts nothing. */
		{ "[service:a]\ncommand = x\nbackoff_min = 1m\nbackoff_max = 2 m",
		  "broker.ini:4: backoff_max: \"2 m\" is more than one value (quote it if it is "
		  "one); allowed: 1ms to 1d" },
		{ "[defaults]\nbackoff_max = 1s\n[service:a]\ncommand = x\nbackoff_min = 2s",
		  "broker.ini:5: backoff_min (2s) is above backoff_max (1s)" },
		{ "[service:a]\ncommand = x\nstrategy = stop-first\nrollback_window = 1m",
		  "broker.ini:4: rollback_window (1m) needs strategy = start-first: with "
		  "stop-first the old worker ends before the new one starts, so no old worker is "
		  "left for a rollback" },
		{ "[service:a]\ncommand = x\nmode = native\nbackend = preload",
		  "broker.ini:4: backend (preload) loads a library into the program, which mode = "
		  "native does without: leave one of them out" },
		{ "[defaults]\nprivate_ports = 9229\n[service:a]\ncommand = x\nmode = native",
		  "broker.ini:5: private_ports (9229) means nothing with mode = native: only what "
		  "the program says to the broker is brokered" },
		{ "[defaults]\nrollback_window = 1m\n[service:a]\ncommand = x\n"
		  "strategy = stop-first",
		  "broker.ini:5: rollback_window (1m) needs strategy = start-first: with "
		  "stop-first the old worker ends before the new one starts, so no old worker is "
		  "left for a rollback" },
		{ "[service:a]\ncommand = x\nlisten = /a for 1\n[service:b]\ncommand = x\n"
		  "listen = /a for 2",
		  "broker.ini:6: listen: /a of [service:b] cannot be bound beside /a of "
		  "[service:a] in line 3" },
		{ "[service:a]\ncommand = x\nlisten = 80 for 9229\nprivate_ports = 9000-9300",
		  "broker.ini:3: listen: port 9229 of the program is in private_ports (line 4), so "
		  "no "
		  "connection could reach it" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_bad(cases[i].text, cases[i].message);

	/* An IPv6 listener that leaves IPv4 alone is no contradiction. */
	conf_free(
		conf_good("[service:a]\ncommand=x\nv6only=yes\nlisten=[::]:80\nlisten=0.0.0.0:80"));
}

TEST(a_fault_in_defaults_is_told_once_and_even_if_nobody_inherits_it)
{
	check_bad("[defaults]\nworkers = 0\nenvironment = A=1 A=2\n[service:a]\ncommand = x\n"
		  "[service:b]\ncommand = x\nworkers = 3",
		  "broker.ini:2: workers: \"0\" is out of range; allowed: 1 to 1024, or cpus\n"
		  "broker.ini:3: environment: A is set a second time; the first is in line 3");
	check_bad("[defaults]\nworkers = 0\n[service:a]\ncommand = x\nworkers = 3",
		  "broker.ini:2: workers: \"0\" is out of range; allowed: 1 to 1024, or cpus");
}

TEST(all_faults_are_told_in_the_order_of_the_lines)
{
	check_bad(
		"[service:web]\nworker = 1\nqueue = 0\n[service:b]\nlisten = x\n[nonsense]\n",
		"broker.ini:1: [service:web] has no command; write command = PROGRAM ARGUMENTS\n"
		"broker.ini:2: unknown key \"worker\" in [service:web]; did you mean \"workers\"?\n"
		"broker.ini:3: queue: \"0\" is out of range; allowed: 1 to 128\n"
		"broker.ini:4: [service:b] has no command; write command = PROGRAM ARGUMENTS\n"
		"broker.ini:5: listen: \"x\" is not a numeric address (names are not looked up): "
		"write 127.0.0.1:80, [::1]:80 or a port alone; allowed: [ADDRESS:]PORT|PATH|@NAME "
		"[for PORT|PATH|@NAME] [as NAME]; or udp [ADDRESS:]PORT\n"
		"broker.ini:6: unknown section \"nonsense\"; did you mean [service:nonsense]? "
		"Allowed: [broker], [defaults], [service:NAME]");
}

TEST(of_too_many_faults_the_first_lines_are_told)
{
	STRBUF(text, 1024);
	STRBUF(want, 4096);

	/* The values are looked at after the keys: the first line's message comes last. */
	strbuf_add(&text, "[service:web]\ncommand = ''\n");
	strbuf_add(&want,
		   "broker.ini:2: command: the program's name is empty; allowed: a program and "
		   "its arguments\n");
	for (unsigned i = 0; i < CONF_ERRORS_MAX + 5; i++)
		strbuf_add(&text, "xyz = 1\n");
	for (unsigned i = 0; i < CONF_ERRORS_MAX - 1; i++)
		strbuf_addf(&want, "broker.ini:%u: unknown key \"xyz\" in [service:web]\n", i + 3);
	strbuf_add(&want, "broker.ini: there are more errors");
	check_bad(text.text, want.text);
}

TEST(a_bad_WORKER_COUNT_names_the_variable)
{
	struct conf_facts facts = conf_test_facts;

	facts.worker_count = "many";
	check_bad_facts("[service:a]\ncommand = x\n[service:b]\ncommand = x", &facts,
			"$WORKER_COUNT in the environment: workers: \"many\" is not a number; "
			"allowed: 1 to 1024, or cpus");
	/* Nobody asks for it. */
	conf_free(conf_good_facts("[service:a]\ncommand = x\nworkers = 3", &facts));
	conf_free(conf_good_facts("[defaults]\nworkers = 3\n[service:a]\ncommand = x", &facts));
}

TEST(a_hostile_text_cannot_steer_the_terminal_that_shows_the_message)
{
	check_bad("[service:web]\ncommand = x\nworkers = \xc2\x9b", "broker.ini:3: the line is not "
								    "valid UTF-8");
	check_bad(
		"[service:web]\ncommand = x\nworkers = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xbc\xc3\xbc",
		"broker.ini:3: workers: "
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaa...\" is not a number; allowed: 1 to 1024, or cpus");
}

TEST(size_and_number_are_bounded)
{
	static char text[CONF_FILE_MAX + 2];
	struct conf *conf = NULL;
	STRBUF(error, CONF_ERROR_BYTES);
	struct strbuf out;

	memset(text, '#', sizeof(text));
	CHECK_EQ(conf_parse("broker.ini", text, CONF_FILE_MAX + 1, &conf_test_facts, &conf, &error),
		 -EINVAL);
	CHECK_STR(error.text, "broker.ini: the file is larger than 1 MiB");

	strbuf_init(&out, text, sizeof(text));
	for (int i = 0; i < CONF_SERVICES_MAX; i++)
		strbuf_addf(&out, "[service:s%d]\ncommand = x\n", i);
	conf_free(conf_good(text));
	strbuf_add(&out, "[service:one_more]\ncommand = x\n");
	check_bad(text, "broker.ini:2049: more than 1024 services");

	strbuf_init(&out, text, sizeof(text));
	strbuf_add(&out, "[service:a]\ncommand = x\n[service:b]\ncommand = x\n");
	for (int i = 0; i < CONF_LIST_MAX; i++)
		strbuf_addf(&out, "listen = %d for 1\n", 1000 + i);
	conf_free(conf_good(text));
	strbuf_add(&out, "listen = 80\n");
	check_bad(
		text,
		"broker.ini:261: listen: the list has more than 256 entries; allowed: "
		"[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp [ADDRESS:]PORT");

	strbuf_init(&out, text, sizeof(text));
	for (int i = 0; i < 10; i++) {
		strbuf_addf(&out, "[service:s%d]\ncommand = x\n", i);
		for (int j = 0; j < 205; j++)
			strbuf_addf(&out, "listen = %d\n", 1000 * (i + 1) + j);
	}
	check_bad(text, "broker.ini:1864: listen: more than 2048 addresses in all services");

	strbuf_init(&out, text, sizeof(text));
	strbuf_add(&out, "[service:a]\ncommand = x\n");
	for (int i = 0; i < CONF_SETTINGS_MAX; i++)
		strbuf_add(&out, "environment =\n");
	check_bad(text, "broker.ini:1: more than 1024 lines in one section");
}

TAP_MAIN()
