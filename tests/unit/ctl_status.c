/* links: broker/ctl/status_text broker/ctl/workers_table broker/ctl/text broker/ctl/view */
/* links: broker/base/json broker/base/strbuf broker/base/words broker/base/units */
#include "ctl/status_text.h"
#include "ctl/workers_table.h"
#include "ctl_view.h"

#include <errno.h>

static struct view view;
static struct strbuf out = STRBUF_GROWS(1 << 24);

static const char *screen(unsigned columns)
{
	struct screen s = { .columns = columns, .out = &out, .left = SIZE_MAX };

	status_text(&view, &s);
	return text_of(&out);
}

static void add_quiet_service(void)
{
	add_line(&view, LINE_BROKER);
	add_line(&view, LINE_SERVICE(MEMBERS_QUIET));
	add_line(&view, LINE_LISTENER);
	add_line(&view, LINE_WORKER("web.0", MEMBERS_READY));
	add_line(&view, LINE_WORKER("web.1", MEMBERS_READY));
}

TEST(all_is_well)
{
	add_quiet_service();
	CHECK_STR(
		screen(100),
		"broker 0.1.0  running  pid 4711  up 3d04h  /etc/broker.ini\n"
		"\n"
		"web  serving  2/2 ready  generation 3  round-robin\n"
		"  0.0.0.0:80 for 3000  open  backlog 0/4096  overflows 0  accepted 1204\n"
		"  accepted 1204 = taken 1200 + waiting 3 + client gone 1 + refused 0\n"
		"  WORKER  PID  GEN  STATE    FOR  GIVEN  WAITING  OPEN  MEMORY   CPU  RESTARTS\n"
		"  web.0   812    3  ready  1m31s    602        2     1    1.2M  1.2s         0\n"
		"  web.1   812    3  ready  1m31s    602        2     1    1.2M  1.2s         0\n");
}

TEST(processes_of_an_inetd_service_are_shown_where_there_is_one)
{
	add_quiet_service();
	add_line(&view, LINE_WORKER("in.0", "\"running\":12,\"oldest_ms\":61000," MEMBERS_READY));
	add_line(&view, LINE_WORKER("in.1", "\"running\":0,\"oldest_ms\":null," MEMBERS_READY));
	CHECK_CONTAINS(
		screen(120),
		"  WORKER  PID  GEN  STATE    FOR  GIVEN  WAITING  OPEN  RUNNING  OLDEST  MEMORY   "
		"CPU  RESTARTS\n"
		"  web.0   812    3  ready  1m31s    602        2     1                     1.2M  "
		"1.2s         0\n"
		"  web.1   812    3  ready  1m31s    602        2     1                     1.2M  "
		"1.2s         0\n"
		"  in.0    812    3  ready  1m31s    602        2     1       12   1m01s    1.2M  "
		"1.2s         0\n"
		"  in.1    812    3  ready  1m31s    602        2     1        0            1.2M  "
		"1.2s         0\n");
}

TEST(a_unix_socket_is_shown_with_what_it_is_for)
{
	add_line(&view, LINE_BROKER);
	add_line(&view, LINE_SERVICE(MEMBERS_QUIET));
	add_line(&view, "{\"type\":\"listener\",\"service\":\"web\",\"address\":\"/run/a.sock\","
			"\"app_path\":\"/run/a.sock\",\"automatic\":true,\"state\":\"open\","
			"\"backlog\":null,\"backlog_max\":null,\"overflows\":null,\"accepted\":1}");
	add_line(&view, "{\"type\":\"listener\",\"service\":\"web\",\"address\":\"[::]:80\","
			"\"app_path\":\"/run/a.sock\",\"automatic\":false,\"state\":\"open\","
			"\"backlog\":0,\"backlog_max\":8,\"overflows\":0,\"accepted\":2}");
	add_line(&view, "{\"type\":\"listener\",\"service\":\"web\",\"address\":\"@a\","
			"\"app_port\":3000,\"automatic\":false,\"state\":\"open\","
			"\"backlog\":null,\"backlog_max\":null,\"overflows\":null,\"accepted\":3}");
	CHECK_CONTAINS(screen(100),
		       "\n  /run/a.sock (automatic)  open  accepted 1\n"
		       "  [::]:80 for /run/a.sock  open  backlog 0/8  overflows 0  accepted 2\n"
		       "  @a for 3000  open  accepted 3\n");
}

static void add_busy_service(void)
{
	add_line(&view, LINE_BROKER);
	add_line(&view,
		 LINE_SERVICE("\"reload\":{\"generation\":4,\"done\":1,\"of\":4,\"ms\":5210,"
			      "\"waits_for\":\"web.1 to listen (2 s, 28 s left)\"},"
			      "\"rollback_ms\":57000,\"ledger\":{\"accepted\":1210,\"taken\":1200,"
			      "\"waiting\":3,\"client_gone\":1,\"refused\":{\"no-worker\":0,"
			      "\"no-memory\":4,\"no-descriptors\":2},\"balanced\":true,"
			      "\"taken_back\":17}"));
	add_line(&view, "{\"type\":\"listener\",\"service\":\"web\",\"address\":\"[::]:3000\","
			"\"app_port\":3000,\"automatic\":true,\"state\":\"paused\",\"backlog\":9,"
			"\"backlog_max\":128,\"overflows\":2,\"accepted\":1210}");
	add_line(&view, LINE_WORKER("web.0", MEMBERS_READY));
	add_line(&view,
		 LINE_WORKER("web.0", "\"slot\":0,\"pid\":701,\"generation\":2,"
				      "\"state\":\"draining\",\"state_ms\":12000,\"given\":120000,"
				      "\"waiting\":0,\"open\":3,\"rss_bytes\":34603008,"
				      "\"cpu_ms\":7200000,\"restarts\":2,\"tracer\":null,"
				      "\"why\":\"3 connections open, SIGTERM in 48 s\""));
	add_line(&view, LINE_WORKER("web.1", "\"slot\":1,\"pid\":null,\"generation\":3,"
					     "\"state\":\"back-off\",\"state_ms\":400,\"given\":0,"
					     "\"waiting\":0,\"open\":null,\"rss_bytes\":null,"
					     "\"cpu_ms\":null,\"restarts\":12,\"why\":\"4 s after "
					     "exit 1, 3rd time: no such file\""));
	add_line(&view, LINE_WORKER("web.guest.1",
				    "\"slot\":null,\"guest\":true,\"pid\":99,\"generation\":3,"
				    "\"state\":\"held\",\"state_ms\":7500000,\"given\":1,"
				    "\"waiting\":0,\"open\":null,\"rss_bytes\":812,\"cpu_ms\":0,"
				    "\"restarts\":0,\"tracer\":{\"pid\":4712,\"name\":\"gdb\"},"
				    "\"pinned_only\":true,\"why\":\"by hand\""));
	add_line(&view, "{\"type\":\"pin\",\"service\":\"web\",\"source\":\"10.0.0.0/8\","
			"\"worker\":\"web.1\",\"kind\":\"pin\",\"expires_ms\":599000}");
	add_line(&view, "{\"type\":\"pin\",\"service\":\"web\",\"source\":null,"
			"\"worker\":\"web.0\",\"kind\":\"next\",\"expires_ms\":null}");
	add_line(&view, "{\"type\":\"pin\",\"service\":\"web\",\"source\":\"127.0.0.1\","
			"\"worker\":\"web.0\",\"kind\":\"debug\",\"expires_ms\":null}");
}

#define BUSY_HEAD                                                                                  \
	"broker 0.1.0  running  pid 4711  up 3d04h  /etc/broker.ini\n"                             \
	"\n"                                                                                       \
	"web  serving  2/2 ready  generation 3  round-robin\n"                                     \
	"  reload to generation 4: 1 of 4, 5s, waits for web.1 to listen (2 s, 28 s left)\n"       \
	"  rollback is possible for 57s\n"                                                         \
	"  [::]:3000 (automatic)  paused  backlog 9/128  overflows 2  accepted 1210\n"

TEST(what_the_broker_says_is_not_said_twice)
{
	STRBUF(text, 128);

	add_line(&view,
		 LINE_WORKER("web.0", "\"pinned_only\":true,\"why\":\"pinned sources only\""));
	CHECK(workers_why_fits(&(struct workers_table){ 0 }, view.rows[0].object, 19, &text));
	CHECK_STR(text.text, "pinned sources only");
}

TEST(reasons_that_are_too_long_stand_below_their_row)
{
	add_busy_service();
	CHECK_STR(
		screen(100), BUSY_HEAD
		"  accepted 1210 = taken 1200 + waiting 3 + client gone 1 + refused 6 (no-memory "
		"4, "
		"no-descriptors...\n"
		"  pin 10.0.0.0/8 to web.1, for 9m59s more\n"
		"  the next connection to web.0\n"
		"  pin 127.0.0.1 to web.0, while it is debugged\n"
		"  WORKER       PID  GEN  STATE       FOR  GIVEN  WAITING  OPEN  MEMORY  RESTARTS  "
		"WHY\n"
		"  web.0        812    3  ready     1m31s    602        2     1    1.2M         0\n"
		"  web.0        701    2  draining    12s   120k        0     3     33M         2\n"
		"    3 connections open, SIGTERM in 48 s\n"
		"  web.1          -    3  back-off     0s      0        0     -       -        12\n"
		"    4 s after exit 1, 3rd time: no such file\n"
		"  web.guest.1   99    3  held      2h05m      1        0     -     812         0\n"
		"    by hand; traced by gdb 4712; pinned sources only\n");
}

TEST(a_wide_screen_has_room_for_the_reasons)
{
	const char *text;
	char *wide;

	add_busy_service();
	text = screen(200);
	CHECK_CONTAINS(text, "refused 6 (no-memory 4, no-descriptors 2); "
			     "17 taken back and given again\n");
	CHECK_CONTAINS(text, "  33M  2h00m         2  3 connections open, SIGTERM in 48 s\n");
	CHECK_CONTAINS(text, "12  4 s after exit 1, 3rd time: no such file\n");
	wide = strdup(text);
	CHECK_STR(screen(TEXT_UNLIMITED), wide);
	free(wide);
}

/* What is left out first is what is least needed to know what goes on. */
TEST(a_narrow_screen_has_fewer_columns)
{
	static const char *const by_width[] = {
		"GEN  STATE       FOR  GIVEN  WAITING  OPEN", /* at 80 */
		"WORKER       PID  STATE       FOR  WAITING  OPEN",
		"WORKER       STATE     WAITING  OPEN",
		"WORKER       STATE",
	};
	static const unsigned widths[] = { 83, 66, 52, 33 };
	unsigned last = 200;

	add_busy_service();
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
		CHECK_CONTAINS(screen(widths[i]), by_width[i]);
	for (unsigned columns = 200; columns > 20; columns--) {
		const char *text = screen(columns);
		unsigned titles = 0;

		check_width(text, columns);
		for (const char *c = strstr(text, "  WORKER"); *c != '\n'; c++)
			titles += c[0] == ' ' && c[1] >= 'A' && c[1] <= 'Z';
		CHECK(titles <= last);
		last = titles;
	}
	CHECK(last <= 3);
	for (unsigned columns = 20; columns > 0; columns--)
		CHECK(screen(columns));
}

/* Wherever the edge of the screen falls: between two words of the line, too. */
TEST(what_is_cut_ends_in_dots)
{
	static const char whole[] = "  0.0.0.0:80 for 3000  open  backlog 0/4096  overflows 0  "
				    "accepted 1204\n";
	struct screen s = { .color = true, .out = &out, .left = SIZE_MAX };
	const char *text;

	add_quiet_service();
	CHECK_CONTAINS(screen(40), "\n  0.0.0.0:80 for 3000  open  backlog ...\n");
	for (unsigned columns = sizeof(whole); columns > 8; columns--) {
		const char *line = strstr(screen(columns), "\n  0.0.") + 1;
		size_t len = strcspn(line, "\n");

		if (columns >= sizeof(whole) - 2) {
			CHECK_EQ(strncmp(line, whole, sizeof(whole) - 1), 0);
			continue;
		}
		CHECK(len <= columns && len + 6 > columns);
		CHECK_EQ(strncmp(line + len - 3, "...", 3), 0);
		CHECK_EQ(strncmp(line, whole, len - 3), 0);
	}
	/* The colour of a word that is cut ends with it. */
	s.columns = 29;
	status_text(&view, &s);
	text = text_of(&out);
	CHECK_CONTAINS(text, "3000  \033[32mope\033[0m...\n");
}

TEST(books_that_do_not_balance_are_called_so)
{
	add_line(&view, LINE_SERVICE("\"ledger\":{\"accepted\":10,\"taken\":4,\"waiting\":3,"
				     "\"client_gone\":1,\"refused\":{},\"balanced\":false}"));
	CHECK_CONTAINS(screen(100), "refused 0  DOES NOT BALANCE: off by 2\n");
}

/* The broker's word is not taken for it. */
TEST(the_sum_is_checked_here_too)
{
	add_line(&view, LINE_SERVICE("\"ledger\":{\"accepted\":10,\"taken\":4,\"waiting\":3,"
				     "\"client_gone\":1,\"refused\":{},\"balanced\":true}"));
	CHECK_CONTAINS(screen(100), "DOES NOT BALANCE: off by 2\n");
}

/* A sanitizer sees an overflow. */
TEST(sums_beyond_any_number_are_survived)
{
	add_line(&view, LINE_SERVICE("\"ledger\":{\"accepted\":-9223372036854775807,"
				     "\"taken\":9223372036854775806,\"waiting\":3,"
				     "\"client_gone\":1,\"refused\":{\"a\":9223372036854775807,"
				     "\"b\":9223372036854775807},\"balanced\":true}"));
	CHECK_CONTAINS(screen(300), "refused 18446744073709551614 ");
	CHECK_CONTAINS(screen(300), "DOES NOT BALANCE: off by ");
}

TEST(what_comes_from_outside_cannot_steer_the_terminal)
{
	const char *text;

	add_line(&view, LINE_WORKER("web.0", "\"slot\":0,\"pid\":7,\"state\":\"ready\",\"why\":"
					     "\"a\\u001b[2Jb\\nc \\u202e d \\u009b e \\u200b "
					     "\xe6\x97\xa5\xe6\x9c\xac \xc3\xa9\""));
	text = screen(200);
	CHECK_CONTAINS(text, "  a\\x1b[2Jb\\x0ac \\u{202e} d \\xc2\\x9b e \\u{200b} "
			     "\xe6\x97\xa5\xe6\x9c\xac \xc3\xa9\n");
	CHECK(!strchr(text, '\033'));
}

TEST(one_worker_alone_needs_no_service)
{
	add_line(&view, LINE_WORKER("web.0", MEMBERS_READY));
	CHECK_STR(screen(100), "  WORKER  PID  GEN  STATE    FOR  GIVEN  WAITING  OPEN  MEMORY   "
			       "CPU  RESTARTS\n"
			       "  web.0   812    3  ready  1m31s    602        2     1    1.2M  "
			       "1.2s         0\n");
}

TEST(services_share_the_columns)
{
	const char *text;

	add_quiet_service();
	add_line(&view, "{\"type\":\"service\",\"service\":\"a-long-name\",\"generation\":1,"
			"\"workers\":1,\"ready\":0,\"state\":\"down\",\"balance\":\"source\"}");
	add_line(&view,
		 "{\"type\":\"worker\",\"service\":\"a-long-name\",\"worker\":\"a-long-name.0\","
		 "\"state\":\"empty\",\"pid\":null}");
	text = screen(100);
	CHECK_CONTAINS(text, "\n\na-long-name  down  0/1 ready  generation 1  source\n");
	CHECK_CONTAINS(text, "  web.0          812  ");
	CHECK_CONTAINS(text, "  a-long-name.0    -    -  empty");
}

TEST(colours_are_there_if_wanted_and_take_no_room)
{
	struct screen s = { .columns = 100, .color = true, .out = &out, .left = SIZE_MAX };
	const char *text;

	add_quiet_service();
	status_text(&view, &s);
	text = text_of(&out);
	CHECK_CONTAINS(text, "\033[1mweb\033[0m  \033[32mserving\033[0m  2/2 ready");
	CHECK_CONTAINS(text, "  3  \033[32mready\033[0m  1m31s");
}

TEST(a_thousand_workers_are_a_thousand_lines)
{
	char line[512];
	const char *text;
	size_t lines = 0;

	add_line(&view, LINE_BROKER);
	add_line(&view, LINE_SERVICE(MEMBERS_QUIET));
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line),
			 "{\"type\":\"worker\",\"service\":\"web\",\"worker\":\"web.%d\","
			 "\"state\":\"ready\",\"pid\":%d,\"given\":%d}",
			 i, 4000000 + i, i * 1000);
		add_line(&view, line);
	}
	text = screen(100);
	check_width(text, 100);
	for (const char *c = text; (c = strstr(c, "\n  web.")); c++)
		lines++;
	CHECK_EQ(lines, 1000);
	CHECK_CONTAINS(text, "\n  web.999  4000999    -  ready    -   999k");
}

TEST(lines_that_are_no_lines_are_refused_and_unknown_ones_passed_over)
{
	CHECK_EQ(view_add(&view, "{\"type\":\"wor", 12), -EBADMSG);
	CHECK_EQ(view_add(&view, "{}\0{}", 5), -EBADMSG);
	add_line(&view, "{}");
	add_line(&view, "{\"type\":7}");
	add_line(&view, "{\"type\":\"lamp\",\"service\":\"web\"}");
	add_line(&view, "{\"type\":\"end\",\"ok\":true}");
	CHECK_STR(screen(100), "");
	view_deinit(&view);
}

TEST(numbers_are_as_short_as_they_can_be)
{
	static const struct {
		void (*add)(struct strbuf *out, int64_t n);
		int64_t n;
		const char *text;
	} cases[] = {
		{ text_add_count, -1, "-" },	       { text_add_count, 0, "0" },
		{ text_add_count, 99999, "99999" },    { text_add_count, 100000, "100k" },
		{ text_add_count, 999499, "999k" },    { text_add_count, 999500, "1.0M" },
		{ text_add_count, 1234567, "1.2M" },   { text_add_count, 9940000, "9.9M" },
		{ text_add_count, 9950000, "10M" },    { text_add_count, INT64_MAX, "9.2E" },
		{ text_add_bytes, 1023, "1023" },      { text_add_bytes, 1024, "1.0k" },
		{ text_add_bytes, 1536, "1.5k" },      { text_add_bytes, 10240, "10k" },
		{ text_add_bytes, 1048575, "1.0M" },   { text_add_bytes, 1073741824, "1.0G" },
		{ text_add_bytes, INT64_MAX, "8.0E" }, { text_add_age, -1, "-" },
		{ text_add_age, 999, "0s" },	       { text_add_age, 59999, "59s" },
		{ text_add_age, 60000, "1m00s" },      { text_add_age, 3599999, "59m59s" },
		{ text_add_age, 3600000, "1h00m" },    { text_add_age, 86400000, "1d00h" },
		{ text_add_cpu_time, 59999, "59.9s" }, { text_add_cpu_time, 60000, "1m00s" },
		{ text_add_cpu_time, -1, "-" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(text, 64);

		cases[i].add(&text, cases[i].n);
		CHECK_STR(text.text, cases[i].text);
	}
}

TEST(text_is_cut_by_columns_and_wrapped_at_blanks)
{
	struct screen s = { .columns = 5, .out = &out, .left = SIZE_MAX };
	struct text_line line;

	/* Two columns each: the third would need six. */
	line = text_begin(&s, 0);
	text_add(&line, TEXT_PLAIN, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e");
	text_end(&line);
	CHECK_STR(text_of(&out), "\xe6\x97\xa5\xe6\x9c\xac\n");
	/* e and a combining acute: one. */
	CHECK_EQ(text_width("e\xcc\x81"), 1);
	CHECK_EQ(text_width("\033"), 4);

	s.columns = 14;
	text_wrap(&s, 4, false, "one two three fourandmorethanten x");
	CHECK_STR(text_of(&out), "    one two\n    three\n    fourandmor\n    ethanten x\n");
	s.columns = 3;
	text_wrap(&s, 4, false, "ab");
	CHECK_STR(text_of(&out), "    a\n    b\n");
}

/* Services a to l, all serving but the last, which has two workers that do not start. */
static void add_twelve(void)
{
	char line[256];

	add_line(&view, LINE_BROKER);
	for (char c = 'a'; c <= 'l'; c++) {
		bool down = c == 'l';

		snprintf(line, sizeof(line),
			 "{\"type\":\"service\",\"service\":\"%c\",\"state\":\"%s\",\"workers\":2,"
			 "\"ready\":%d}",
			 c, down ? "down" : "serving", down ? 0 : 2);
		add_line(&view, line);
		for (int slot = 0; slot < 2; slot++) {
			snprintf(line, sizeof(line),
				 "{\"type\":\"worker\",\"service\":\"%c\",\"worker\":\"%c.%d\","
				 "\"state\":\"%s\",\"why\":\"%s\"}",
				 c, c, slot, down && slot ? "back-off" : "ready",
				 down && slot ? "after exit 1" : "");
			add_line(&view, line);
		}
	}
}

static const char *screen_of(unsigned rows)
{
	struct screen s = { .columns = 80, .rows = rows, .out = &out, .left = SIZE_MAX };

	status_text(&view, &s);
	return text_of(&out);
}

TEST(what_needs_a_look_comes_first)
{
	const char *text;

	add_twelve();
	/* No terminal: all of it. */
	text = screen(80);
	CHECK(strstr(text, "\nl  down") < strstr(text, "\na  serving"));
	CHECK(strstr(text, "\nl  down") && strstr(text, "  a.1 ") && strstr(text, "  l.0 "));
	CHECK(!strstr(text, "more"));
	CHECK(!strstr(screen_of(100), "more"));
}

TEST(on_a_screen_the_rest_is_counted)
{
	const char *text;
	unsigned lines = 1;

	add_twelve();
	text = screen_of(24);
	CHECK(strstr(text, "\nl  down") && strstr(text, "after exit 1"));
	CHECK(!strstr(text, "l.0 ") && !strstr(text, "a.0"));
	CHECK_CONTAINS(text, "\n  1 more worker, all well\n");
	CHECK(strstr(text, "\na  serving") && strstr(text, "\nk  serving"));
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	CHECK(lines <= 24);
	text = screen_of(14);
	CHECK_CONTAINS(text, "after exit 1");
	CHECK_CONTAINS(text,
		       "\n11 more services, all well\n"
		       "brokerctl status SERVICE shows one whole, brokerctl status | cat all\n");
}

TAP_MAIN()
