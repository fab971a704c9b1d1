/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include <errno.h>

#define WEB  "[service:web]\ncommand = app\n"
#define WAIT WEB "mode = inetd\nwait = yes\nlisten = 80\n"

static void check_bad(const char *text, const char *want)
{
	struct conf *conf = NULL;
	STRBUF(error, CONF_ERROR_BYTES);

	CHECK_EQ(conf_try_facts(text, &conf_test_facts, &conf, &error), -EINVAL);
	CHECK_STR(error.text, want);
}

TEST(a_program_that_waits_has_no_process_for_each_connection)
{
	struct conf *waits = conf_good(WAIT "workers = 3\nstderr = connection\n");
	struct conf *forks = conf_good(WEB "mode = inetd\nlisten = 80\n");

	CHECK(waits->services[0]->wait && !conf_forks(waits->services[0]));
	CHECK_EQ(waits->services[0]->workers, 3);
	CHECK(conf_forks(forks->services[0]));
	conf_free(waits);
	conf_free(forks);
}

TEST(it_needs_mode_inetd)
{
	check_bad(WEB "wait = yes\n", "broker.ini:3: wait: means nothing without mode = inetd");
}

TEST(what_has_no_meaning_is_refused)
{
	static const char *const keys[] = {
		"park = exec",	"processes = 3",   "zygote_age = 2h",
		"max_age = 2h", "check = connect", "restart_at = 03:00"
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		STRBUF(text, 256);
		STRBUF(want, 256);

		strbuf_addf(&text, WAIT "%s\n", keys[i]);
		strbuf_addf(
			&want,
			"broker.ini:6: %.*s: means nothing with wait = yes: a client starts the "
			"program, which serves until it ends by itself",
			(int)strcspn(keys[i], " "), keys[i]);
		check_bad(text.text, want.text);
	}
	/* [defaults] may be for other services. */
	conf_free(conf_good("[defaults]\nprocesses = 3\n" WAIT));
}

TAP_MAIN()
