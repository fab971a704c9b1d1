/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include <errno.h>

#define WEB "[service:web]\ncommand = app\n"

static void check_bad(const char *text, const char *want)
{
	struct conf *conf = NULL;
	STRBUF(error, CONF_ERROR_BYTES);

	CHECK_EQ(conf_try_facts(text, &conf_test_facts, &conf, &error), -EINVAL);
	CHECK_STR(error.text, want);
}

TEST(each_line_may_have_a_name)
{
	struct conf *conf = conf_good(WEB "activation = systemd\nlisten = 80 as http\n"
					  "listen = [::1]:81 for 82 as a-b_C\nlisten = 83\n");
	const struct service_conf *sc = conf->services[0];
	const struct option *listen = option_find(OPTION_SERVICE, "listen");
	STRBUF(text, 100);

	CHECK_EQ(sc->activation, ACTIVATION_SYSTEMD);
	CHECK_STR(sc->listen[0].name, "http");
	CHECK_STR(sc->listen[1].name, "a-b_C");
	CHECK_EQ(sc->listen[1].app, 82);
	CHECK_STR(sc->listen[2].name, "");
	option_format(listen, sc, 1, &text);
	CHECK_STR(text.text, "[::1]:81 for 82 as a-b_C");
	conf_free(conf);
}

TEST(another_name_is_a_change)
{
	struct conf *a = conf_good(WEB "activation = systemd\nlisten = 80 as http\n");
	struct conf *b = conf_good(WEB "activation = einhorn\nlisten = 80 as www\n");
	STRBUF(keys, 100);

	CHECK(option_changes(OPTION_SERVICE, a->services[0], b->services[0], APPLY_LISTENERS,
			     &keys));
	CHECK(option_changes(OPTION_SERVICE, a->services[0], b->services[0], APPLY_WORKERS, &keys));
	CHECK(strstr(keys.text, "listen") && strstr(keys.text, "activation"));
	conf_free(a);
	conf_free(b);
}

TEST(what_cannot_be_is_refused)
{
	check_bad(WEB "activation = systemd",
		  "broker.ini:3: activation (systemd) needs a listen line for each socket that the "
		  "program expects, as in: listen = 8080");
	check_bad(WEB "activation = systemd\nmode = inetd\nlisten = 80",
		  "broker.ini:4: activation (systemd) needs mode = listen");
	check_bad(WEB "listen = 80 as http",
		  "broker.ini:3: listen: a name (as http) is for the program that activation = "
		  "systemd starts");
	check_bad(WEB "activation = systemd\nlisten = 80 for 8080\nlisten = 81 for 8080",
		  "broker.ini:5: listen: the same address for the program as in line 4; an "
		  "activated program needs two");
	check_bad(WEB "activation = systemd\nlisten = 80 as a:b",
		  "broker.ini:4: listen: \"a:b\" is not a name: letters, digits, - and _, at most "
		  "32; allowed: [ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp "
		  "[ADDRESS:]PORT");
	check_bad(WEB "activation = systemd\nlisten = 80 as abcdefghijklmnopqrstuvwxyz0123456",
		  "broker.ini:4: listen: \"abcdefghijklmnopqrstuvwxyz0123456\" is not a name: "
		  "letters, digits, - and _, at most 32; allowed: [ADDRESS:]PORT|PATH|@NAME [for "
		  "PORT|PATH|@NAME] [as NAME]; or udp [ADDRESS:]PORT");
	check_bad(
		WEB "activation = systemd\nlisten = 80 as",
		"broker.ini:4: listen: \"as\" after the address (one address a line); allowed: "
		"[ADDRESS:]PORT|PATH|@NAME [for PORT|PATH|@NAME] [as NAME]; or udp [ADDRESS:]PORT");
}

TAP_MAIN()
