/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include "base/address.h"
#include "config/conf_check.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>

TEST(the_smallest_file_gives_a_whole_configuration)
{
	struct conf *conf = conf_good("[service:web]\ncommand = node app.js\n");
	struct service_conf *sc = conf->services[0];

	CHECK_STR(conf->file, "broker.ini");
	CHECK_EQ(conf->n_services, 1);
	CHECK_EQ(conf->broker.log, LOG_TO_STDERR);
	CHECK_EQ(conf->broker.log_level, LEVEL_INFO);
	CHECK_EQ(conf->broker.log_format, FORMAT_TEXT);
	CHECK(!conf->broker.pid_file && !conf->broker.run_dir && !conf->broker.log_path);
	CHECK(!conf->broker.user && !conf->broker.group);

	CHECK_STR(sc->name, "web");
	CHECK_EQ(sc->line, 1);
	CHECK_EQ(sc->mode, MODE_LISTEN);
	CHECK_STR(sc->command[0], "node");
	CHECK_STR(sc->command[1], "app.js");
	CHECK(!sc->command[2]);
	CHECK(!sc->directory && !sc->user && !sc->group && !sc->output_path);
	CHECK_EQ(sc->n_environment, 0);
	CHECK(!sc->clear_environment);
	CHECK_EQ(sc->n_listen, 0);
	CHECK_EQ(sc->n_private_ports, 0);
	CHECK_EQ(sc->workers, 2);
	CHECK_EQ(sc->balance, BALANCE_ROUND_ROBIN);
	CHECK_EQ(sc->queue, 16);
	CHECK_EQ(sc->strategy, STRATEGY_START_FIRST);
	CHECK_EQ(sc->surge, 1);
	CHECK_EQ(sc->start_timeout_ms, 30000);
	CHECK_EQ(sc->drain_timeout_ms, 60000);
	CHECK_EQ(sc->stop_timeout_ms, 10000);
	CHECK_EQ(sc->stall_timeout_ms, 1000);
	CHECK_EQ(sc->stop_signal, SIGTERM);
	CHECK_EQ(sc->backoff_min_ms, 100);
	CHECK_EQ(sc->backoff_max_ms, 30000);
	CHECK_EQ(sc->backoff_reset_ms, 10000);
	CHECK_EQ(sc->output, OUTPUT_LOG);
	CHECK_EQ(sc->backend, BACKEND_AUTO);
	CHECK_EQ(sc->backlog, 4096);
	conf_free(conf);
}

TEST(a_service_inherits_and_overrides)
{
	struct conf *conf = conf_good("[defaults]\n"
				      "workers = 5\n"
				      "drain_timeout = 2m\n"
				      "environment = A=1 B=2\n"
				      "private_ports = 9229\n"
				      "directory = /srv\n"
				      "[service:a]\n"
				      "command = x\n"
				      "[service:b]\n"
				      "command = x\n"
				      "workers = 7\n"
				      "environment = B=3 C=4\n"
				      "private_ports = 9400-9409\n"
				      "directory =\n"
				      "[service:c]\n"
				      "command = x\n"
				      "environment =\n"
				      "private_ports =\n"
				      "private_ports = 1\n");
	struct service_conf *a = conf_find_service(conf, "a"), *b = conf_find_service(conf, "b"),
			    *c = conf_find_service(conf, "c");

	CHECK(!conf_find_service(conf, "d"));
	CHECK_EQ(a->workers, 5);
	CHECK_EQ(b->workers, 7);
	CHECK_EQ(b->drain_timeout_ms, 120000);
	CHECK_STR(a->environment[0], "A=1");
	CHECK_STR(a->environment[1], "B=2");
	CHECK(!a->environment[2]);
	/* A list is added to, and the service's own variable takes the place of the other. */
	CHECK_STR(b->environment[0], "A=1");
	CHECK_STR(b->environment[1], "B=3");
	CHECK_STR(b->environment[2], "C=4");
	CHECK(!b->environment[3]);
	CHECK_EQ(b->n_private_ports, 2);
	CHECK(conf_is_private(b, 9229));
	CHECK(conf_is_private(b, 9400));
	CHECK(conf_is_private(b, 9409));
	CHECK(!conf_is_private(b, 9399));
	CHECK(!conf_is_private(b, 9410));
	CHECK_STR(a->directory, "/srv");
	CHECK(!b->directory);
	/* An empty value restarts the list. */
	CHECK_EQ(c->n_environment, 0);
	CHECK_EQ(c->n_private_ports, 1);
	CHECK(conf_is_private(c, 1));
	conf_free(conf);
}

TEST(listen_says_where_and_for_which_port)
{
	static const struct {
		const char *addr;
		bool port_only, v6only;
		uint32_t app;
		unsigned line;
	} want[] = {
		{ "0.0.0.0:80", false, false, 3000, 3 },
		{ "[::]:8080", true, true, 8080, 4 },
		{ "[::1]:81", false, true, 81, 5 },
	};
	struct conf *conf = conf_good("[service:web]\ncommand = x\n"
				      "listen = 0.0.0.0:80 for 3000\n"
				      "listen = 8080\n"
				      "listen = [::1]:81\n"
				      "v6only = yes\n");
	struct service_conf *sc = conf->services[0];

	CHECK_EQ(sc->n_listen, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK_STR(address_text(&sc->listen[i].addr).text, want[i].addr);
		CHECK_EQ(sc->listen[i].port_only, want[i].port_only);
		CHECK_EQ(sc->listen[i].addr.flags, want[i].v6only ? HANDOFF_V6ONLY : 0);
		CHECK_EQ(sc->listen[i].app, want[i].app);
		CHECK_EQ(option_origin(option_find(OPTION_SERVICE, "listen"), sc, i).line,
			 want[i].line);
	}
	conf_free(conf);
}

TEST(listen_takes_unix_sockets_on_both_sides)
{
	static const struct {
		const char *addr, *app;
	} want[] = {
		{ "/run/web.sock", "3000" },
		{ "/etc/broker/web.sock", "/etc/broker/web.sock" },
		{ "@web", "/run/app.sock" },
		{ "[::]:80", "@app" },
	};
	struct conf *conf = conf_good("[service:web]\ncommand = x\n"
				      "listen = /run/web.sock for 3000\n"
				      "listen = ./web.sock\n"
				      "listen = @web for /run/app.sock\n"
				      "listen = 80 for @app\n"
				      "socket_group = www-data\n");
	struct service_conf *sc = conf->services[0];
	char *text = NULL;

	CHECK_EQ(sc->n_listen, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK_STR(address_text(&sc->listen[i].addr).text, want[i].addr);
		CHECK_STR(address_app_text(sc->listen[i].app).text, want[i].app);
	}
	CHECK_STR(sc->socket_mode, "0660");
	CHECK_STR(sc->socket_group, "www-data");
	CHECK_EQ(conf_print(conf, &text), 0);
	CHECK(strstr(text, "\nlisten = /run/web.sock for 3000"));
	CHECK(strstr(text, "\nlisten = /etc/broker/web.sock\n") ||
	      strstr(text, "\nlisten = /etc/broker/web.sock "));
	CHECK(strstr(text, "\nlisten = 80 for @app"));
	free(text);
	conf_free(conf);
}

TEST(a_program_of_inetd_is_reached_by_its_first_line)
{
	struct conf *conf = conf_good("[service:a]\ncommand = x\nmode = inetd\n"
				      "listen = /run/a\nlisten = 79\n");

	for (size_t i = 0; i < 2; i++)
		CHECK_STR(address_app_text(conf->services[0]->listen[i].app).text, "/run/a");
	conf_free(conf);
}

TEST(paths_start_at_the_directory_of_the_file)
{
	static const struct {
		const char *base, *path, *want;
	} cases[] = {
		{ "/etc/broker", "app", "/etc/broker/app" },
		{ "/etc/broker", "./app", "/etc/broker/app" },
		{ "/etc/broker/", ".//app", "/etc/broker/app" },
		{ "/etc/broker", ".", "/etc/broker" },
		{ "/etc/broker//", ".", "/etc/broker" },
		{ "/etc/broker", "../app", "/etc/broker/../app" },
		{ "/etc/broker", "'my app'", "/etc/broker/my app" },
		{ "/etc/broker", "/srv/app", "/srv/app" },
		{ "/", "app", "/app" },
		{ "/", ".", "/" },
		{ "/etc", "/", "/" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf_facts facts = { .cpus = 1, .base_dir = cases[i].base };
		struct conf *conf;
		STRBUF(text, 512);

		strbuf_addf(&text,
			    "[broker]\npid_file = %s\n[service:web]\ncommand = x\ndirectory = %s\n",
			    cases[i].path, cases[i].path);
		conf = conf_good_facts(text.text, &facts);
		CHECK_STR(conf->services[0]->directory, cases[i].want);
		CHECK_STR(conf->broker.pid_file, cases[i].want);
		conf_free(conf);
	}
}

TEST(log_and_output_are_words_or_paths)
{
	struct conf *conf = conf_good("[broker]\nlog = ./b.log\n[service:a]\ncommand = x\n"
				      "output = /var/log/a\n[service:b]\ncommand = x\n"
				      "output = inherit\n");

	CHECK_EQ(conf->broker.log, LOG_TO_FILE);
	CHECK_STR(conf->broker.log_path, "/etc/broker/b.log");
	CHECK_EQ(conf->services[0]->output, OUTPUT_FILE);
	CHECK_STR(conf->services[0]->output_path, "/var/log/a");
	CHECK_EQ(conf->services[1]->output, OUTPUT_INHERIT);
	CHECK(!conf->services[1]->output_path);
	conf_free(conf);

	/* From a path in [defaults] back to a word: the path is gone. */
	conf = conf_good("[defaults]\noutput = ./x\n[service:a]\ncommand = x\noutput = log\n");
	CHECK_EQ(conf->services[0]->output, OUTPUT_LOG);
	CHECK(!conf->services[0]->output_path);
	conf_free(conf);
}

TEST(workers_come_from_the_file_the_environment_or_the_machine)
{
	static const struct {
		const char *line, *variable;
		unsigned cpus, workers;
	} cases[] = {
		{ "", NULL, 3, 2 },
		{ "", "", 3, 2 },
		{ "", "6", 3, 6 },
		{ "", "cpus", 3, 3 },
		{ "workers = 4", "6", 3, 4 },
		{ "workers = cpus", "6", 3, 3 },
		{ "workers = cpus", NULL, 4096, 1024 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf_facts facts = { .cpus = cases[i].cpus,
					    .worker_count = cases[i].variable,
					    .base_dir = "/" };
		struct conf *conf;
		STRBUF(text, 128);

		strbuf_addf(&text, "[service:web]\ncommand = x\n%s\n", cases[i].line);
		conf = conf_good_facts(text.text, &facts);
		CHECK_EQ(conf->services[0]->workers, cases[i].workers);
		conf_free(conf);

		/* [defaults] is the file too. */
		if (!*cases[i].line)
			continue;
		text.len = 0;
		strbuf_addf(&text, "[defaults]\n%s\n[service:web]\ncommand = x\n", cases[i].line);
		conf = conf_good_facts(text.text, &facts);
		CHECK_EQ(conf->services[0]->workers, cases[i].workers);
		conf_free(conf);
	}
}

TEST(a_service_lives_on_while_somebody_holds_it)
{
	struct conf *conf = conf_good("[service:web]\ncommand = x\nenvironment = A=1\n");
	struct service_conf *sc = service_conf_ref(conf->services[0]);

	conf_free(conf);
	CHECK_STR(sc->name, "web");
	CHECK_STR(sc->environment[0], "A=1");
	CHECK(service_conf_ref(sc) == sc);
	service_conf_unref(sc);
	CHECK_STR(sc->command[0], "x");
	service_conf_unref(sc);
	service_conf_unref(NULL);
	conf_free(NULL);
}

TEST(a_command_line_is_a_configuration_too)
{
	char node[] = "/usr/bin/node", app[] = "app.js", odd[] = "a | b > $c";
	char *argv[] = { node, app, odd, NULL };
	const struct conf_command given = { argv, "4", { "127.0.0.1:80 for 3000", "8080" }, 2 };
	const struct conf_command alone = { argv, NULL, { NULL }, 0 };
	struct conf *conf = NULL;
	struct service_conf *sc;
	STRBUF(error, CONF_ERROR_BYTES);

	CHECK_EQ(conf_from_command(&given, &conf_test_facts, &conf, &error), 0);
	sc = conf->services[0];
	CHECK(!conf->file);
	CHECK_EQ(conf->n_services, 1);
	CHECK_STR(sc->name, "node");
	CHECK_EQ(sc->line, 0);
	CHECK_EQ(sc->workers, 4);
	CHECK_STR(sc->command[0], "/usr/bin/node");
	CHECK_STR(sc->command[2], "a | b > $c"); /* as it is: a shell has been there already */
	CHECK(!sc->command[3]);
	CHECK_EQ(sc->n_listen, 2);
	CHECK_EQ(sc->listen[0].app, 3000);
	CHECK_EQ(option_origin(option_find(OPTION_SERVICE, "listen"), sc, 0).kind,
		 ORIGIN_COMMAND_LINE);
	conf_free(conf);

	argv[0] = odd;
	CHECK_EQ(conf_from_command(&alone, &conf_test_facts, &conf, &error), 0);
	CHECK_STR(conf->services[0]->name, "app");
	CHECK_EQ(conf->services[0]->workers, 2);
	conf_free(conf);
}

TEST(a_bad_command_line_says_so)
{
	static const struct {
		const char *workers, *listen[2], *error;
	} cases[] = {
		{ "0", { NULL }, "workers: \"0\" is out of range; allowed: 1 to 1024, or cpus" },
		{ "1",
		  { "::1" },
		  "listen: \"::1\" is an IPv6 address: write it in brackets and with a port, "
		  "[::1]:80; allowed: [ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; "
		  "or udp [ADDRESS:]PORT" },
		{ "1",
		  { "80", "0.0.0.0:80" },
		  "listen: 0.0.0.0:80 cannot be bound beside port 80" },
	};
	char program[] = "x", *argv[] = { program, NULL };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf *conf = NULL;
		STRBUF(error, CONF_ERROR_BYTES);
		const char *const *listen = cases[i].listen;
		const struct conf_command given = { argv,
						    cases[i].workers,
						    { listen[0], listen[1] },
						    (size_t) !!listen[0] + !!listen[1] };

		CHECK_EQ(conf_from_command(&given, &conf_test_facts, &conf, &error), -EINVAL);
		CHECK_STR(error.text, cases[i].error);
		CHECK(!conf);
	}
}

TAP_MAIN()
