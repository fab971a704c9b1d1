/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_plan */
/* links: broker/config/conf_read broker/base/words broker/config/option */
/* links: broker/config/option_table broker/config/option_list broker/config/health_probe */
/* links: broker/config/option_word broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include "config/conf_plan.h"

static void note(void *arg, const struct conf_change *c)
{
	struct strbuf *out = arg;

	CHECK((c->key != NULL) == (c->from != NULL && c->to != NULL && c->applies != NULL));
	if (c->key)
		strbuf_addf(out, "%s %s [%s] [%s] %s: %s\n", c->section, c->key, c->from, c->to,
			    c->applies, c->action);
	else
		strbuf_addf(out, "%s: %s\n", c->section, c->action);
}

static void check_only(const char *a, const char *b, const char *only, const char *want)
{
	struct conf *from = conf_good(a), *to = conf_good(b);
	STRBUF(text, 8192);

	conf_plan(from, &from->broker, to, only, note, &text);
	CHECK_STR(text.text, want);
	conf_free(from);
	conf_free(to);
}

static void check(const char *a, const char *b, const char *want)
{
	check_only(a, b, NULL, want);
}

#define WEB	"[service:web]\ncommand = x\n"
#define REPLACE "service:web: all workers of web are replaced one after another\n"

TEST(without_a_change_the_workers_are_replaced_all_the_same)
{
	check(WEB, WEB, REPLACE);
}

TEST(workers_come_and_go)
{
	check(WEB "workers = 2", WEB "workers = 4",
	      "service:web workers [2] [4] at once: 2 workers are started\n" REPLACE);
	check(WEB "workers = 3", WEB "workers = 2",
	      "service:web workers [3] [2] at once: 1 worker is drained and ended\n" REPLACE);
}

TEST(listeners_open_close_and_change_their_port)
{
	check(WEB "listen = 127.0.0.1:80\nlisten = 127.0.0.1:81",
	      WEB "listen = 127.0.0.1:80 for 3000\nlisten = 0.0.0.0:82",
	      "service:web listen [127.0.0.1:80, 127.0.0.1:81] "
	      "[127.0.0.1:80 for 3000, 0.0.0.0:82] with new listeners: "
	      "the listener 127.0.0.1:80 stays open, for port 3000 of the program; "
	      "the listener 0.0.0.0:82 is opened; "
	      "the listener 127.0.0.1:81 is emptied and closed\n" REPLACE);
}

TEST(what_only_new_workers_or_a_new_broker_have)
{
	check("[broker]\npid_file = /a\nlog_level = info\n" WEB,
	      "[broker]\npid_file = /b\nlog_level = debug\n[service:web]\ncommand = y\n"
	      "workers = 2\nsurge = all\nqueue = 3\nbacklog = 7",
	      "broker log_level [info] [debug] at once: in force at once\n"
	      "broker pid_file [/a] [/b] after a restart: takes effect when the broker "
	      "restarts\n"
	      "service:web command [x] [y] with new workers: all workers of web are replaced at "
	      "the same time\n"
	      "service:web queue [16] [3] at once: in force at once, for running workers too\n"
	      "service:web surge [1] [all] at once: in force at once, for running workers too\n"
	      "service:web backlog [4096] [7] with new listeners: set on the open listeners, for "
	      "new connections\n"
	      "service:web: all workers of web are replaced at the same time\n");
}

TEST(each_number_is_a_key_of_its_own)
{
	check(WEB "workers = 4\nwrap.2 = a\nwrap.1 = b 'c d'\nwrap.0 = same",
	      WEB "workers = 4\nwrap.0 = same\nwrap.1 = b\nwrap.3 = e",
	      "service:web wrap.2 [a] [] with new workers: all workers of web are replaced one "
	      "after another\n"
	      "service:web wrap.1 [b 'c d'] [b] with new workers: all workers of web are replaced "
	      "one after another\n"
	      "service:web wrap.3 [] [e] with new workers: all workers of web are replaced one "
	      "after another\n" REPLACE);
}

TEST(surge_is_in_the_plan)
{
	check(WEB "workers = 9\nsurge = 3", WEB "workers = 9\nsurge = 3",
	      "service:web: all workers of web are replaced, 3 at a time\n");
}

TEST(services_come_and_go)
{
	check(WEB, "[service:api]\ncommand = x\nworkers = 1",
	      "service:api: the service is new: 1 worker is started\n"
	      "service:web: its section is gone: its workers are drained and ended\n");
}

TEST(one_service_alone)
{
	check_only("[broker]\nlog_level = info\n" WEB "[service:api]\ncommand = x",
		   "[broker]\nlog_level = debug\n" WEB "queue = 2\n[service:api]\ncommand = y",
		   "web",
		   "service:web queue [16] [2] at once: in force at once, for running workers "
		   "too\n" REPLACE);
	check_only(WEB, WEB, "nobody", "");
}

TEST(a_change_that_is_refused_says_so)
{
	check(WEB "listen = [::]:80", WEB "listen = [::]:80\nv6only = yes",
	      "service:web v6only [no] [yes] with new listeners: refused while an IPv6 listener is "
	      "open: this change needs a restart of the broker\n" REPLACE);
}

TAP_MAIN()
