/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include "config/option.h"

#define WEB "[service:web]\ncommand = app\n"

static const struct service_conf *web(const struct conf *conf)
{
	return conf_find_service(conf, "web");
}

TEST(each_slot_has_its_own)
{
	struct conf *conf = conf_good(WEB "workers = 4\nwrap.3 = strace -f -o '/tmp/a b'\n"
					  "wrap.1 = valgrind -q\n");
	char *const *words = conf_find_wrap(web(conf), 3);

	CHECK(words);
	CHECK_STR(words[0], "strace");
	CHECK_STR(words[3], "/tmp/a b");
	CHECK(!words[4]);
	CHECK_STR(conf_find_wrap(web(conf), 1)[0], "valgrind");
	CHECK(!conf_find_wrap(web(conf), 0) && !conf_find_wrap(web(conf), 2));
	conf_free(conf);
}

TEST(that_of_the_service_takes_the_place_of_the_inherited)
{
	struct conf *conf = conf_good("[defaults]\nwrap.0 = a\nwrap.1 = b\nwrap.9 = c\n" WEB
				      "wrap.1 = d e\n[service:other]\ncommand = x\nwrap =\n");
	char *text;

	CHECK_STR(conf_find_wrap(web(conf), 0)[0], "a");
	CHECK_STR(conf_find_wrap(web(conf), 1)[0], "d");
	CHECK_STR(conf_find_wrap(web(conf), 9)[0], "c"); /* no slot of it: no fault of its own */
	CHECK_EQ(web(conf)->n_wraps, 3);
	CHECK_EQ(conf_find_service(conf, "other")->n_wraps, 0);

	/* Printed with their origins, and read back the same. */
	CHECK_EQ(conf_print(conf, &text), 0);
	CHECK_CONTAINS(text, "\nwrap.0 = a ");
	CHECK_CONTAINS(text, "\nwrap.1 = d e ");
	CHECK_CONTAINS(text, "\nwrap = ");
	CHECK_CONTAINS(strstr(text, "\nwrap.1 = d e"), "broker.ini:7\n");
	free(text);
	conf_free(conf);
}

TEST(what_is_wrong_is_said_with_what_is_allowed)
{
	static const char *const wrong[][2] = {
		{ "wrap = valgrind",
		  /* apart: the Makefile reads the word and its colon */
		  "wrap"
		  ": the key has no number of a slot, as in wrap.0; allowed: "
		  "a program and its arguments, for N from 0 to 1023" },
		{ "wrap.1024 = x", "wrap.1024: \"1024\" is not the number of a slot; allowed: " },
		{ "wrap.99999999999999999999 = x", "is not the number of a slot" },
		{ "wrap.x = x", "wrap.x: \"x\" is not the number of a slot" },
		{ "wrap.-1 = x", "wrap.-1: \"-1\" is not" },
		{ "wrap.1.1 = x", "wrap.1.1: \"1.1\" is not" },
		{ "wrap. = x", "is not the number of a slot" },
		{ "wrap.1 =", "wrap.1: the value is empty" },
		{ "wrap.1 = A=1 x", "wrap.1: \"A=1\" is not a program" },
		{ "wrap.1 = ''", "wrap.1: the program's name is empty" },
		{ "wrap.1 = x | y", "wrap.1: " },
		{ "wrap.1 = x\nwrap.01 = y",
		  "wrap.1 is set a second time; the first is in line 3" },
		{ "wrap.2 = x", "wrap.2: there is no such slot: with workers = 2 they are 0 to 1" },
		{ "command.1 = x", "unknown key \"command.1\"" },
		{ "wrp.1 = x", "unknown key \"wrp.1\"" },
		{ "debug_command = A=1 x", "debug_command: \"A=1\" is not a program" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		STRBUF(text, 256);
		STRBUF(error, CONF_ERROR_BYTES);
		struct conf *conf;

		strbuf_addf(&text, WEB "%s\n", wrong[i][0]);
		CHECK(conf_try_facts(text.text, &conf_test_facts, &conf, &error) < 0);
		CHECK_CONTAINS(error.text, wrong[i][1]);
	}
}

TEST(a_change_is_seen_and_the_order_is_none)
{
	struct conf *a = conf_good(WEB "wrap.0 = x\nwrap.1 = y z\n");
	struct conf *b = conf_good(WEB "wrap.1 = y z\nwrap.0 = x\n");
	struct conf *c = conf_good(WEB "wrap.0 = x\nwrap.1 = y\n");
	struct conf *d = conf_good(WEB "wrap.0 = x\n");
	STRBUF(keys, 64);

	CHECK(!option_changes(OPTION_SERVICE, web(a), web(b), APPLY_N, &keys));
	CHECK(!option_changes(OPTION_SERVICE, web(a), web(c), APPLY_LIVE, &keys));
	CHECK(option_changes(OPTION_SERVICE, web(a), web(c), APPLY_WORKERS, &keys));
	CHECK_STR(keys.text, "wrap");
	CHECK(option_changes(OPTION_SERVICE, web(a), web(d), APPLY_N, &keys));
	CHECK(option_changes(OPTION_SERVICE, web(d), web(a), APPLY_N, &keys));
	conf_free(a);
	conf_free(b);
	conf_free(c);
	conf_free(d);
}

TEST(the_debugger_is_gdb_unless_the_file_says_otherwise)
{
	struct conf *conf = conf_good(WEB), *other = conf_good(WEB "debug_command = rr {pid}\n");

	CHECK_STR(web(conf)->debug_command[0], "gdb");
	CHECK_STR(web(conf)->debug_command[2], "{pid}");
	CHECK_STR(web(other)->debug_command[0], "rr");
	conf_free(conf);
	conf_free(other);
}

TAP_MAIN()
