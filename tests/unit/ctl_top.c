/* links: broker/ctl/top_text broker/ctl/status_text broker/ctl/workers_table broker/ctl/text */
/* links: broker/ctl/view broker/base/json broker/base/strbuf broker/base/words broker/base/units */
#include "ctl/top_text.h"
#include "ctl_view.h"

static struct view now, before;
static struct strbuf out = STRBUF_GROWS(1 << 24);
static struct top top = { .now = &now, .live = { .before = &before, .ms = 2000, .search = "" } };

#define FOOT "q quits  s sorts (by trouble)  / searches  arrows, PgDn scroll (0 above)\n"

static const char *frame(unsigned columns, unsigned rows)
{
	struct screen s = { .columns = columns, .rows = rows, .out = &out };

	top_text(&top, &s);
	return text_of(&out);
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void add_worker(struct view *view, int slot, int generation, const char *state, int given,
		       int cpu_ms)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "{\"type\":\"worker\",\"service\":\"web\",\"worker\":\"web.%d\",\"slot\":%d,"
		 "\"pid\":%d,\"generation\":%d,\"state\":\"%s\",\"state_ms\":91000,\"given\":%d,"
		 "\"waiting\":1,\"open\":%d,\"rss_bytes\":1258291,\"cpu_ms\":%d,\"why\":\"%s\"}",
		 slot, slot, 100 * generation + slot, generation, state, given, given / 100, cpu_ms,
		 strcmp(state, "draining") == 0 ? "3 connections open" : "");
	add_line(view, line);
}

static void add_both(void)
{
	add_line(&before, LINE_SERVICE("\"ledger\":{\"accepted\":1000}"));
	add_worker(&before, 0, 3, "ready", 400, 1000);
	add_worker(&before, 1, 3, "ready", 600, 1000);
	add_line(&now, LINE_BROKER);
	add_line(&now, LINE_SERVICE(MEMBERS_QUIET));
	add_worker(&now, 0, 3, "ready", 600, 1200);
	add_worker(&now, 1, 3, "ready", 604, 3000);
}

TEST(a_frame_fills_the_screen)
{
	add_both();
	CHECK_STR(
		frame(80, 12),
		"broker 0.1.0  running  pid 4711  up 3d04h  /etc/broker.ini\n"
		"web  serving  2/2 ready  generation 3  round-robin  102 accepted/s\n"
		"  accepted 1204 = taken 1200 + waiting 3 + client gone 1 + refused 0\n"
		"WORKER  PID  GEN  STATE    FOR  GIVEN/S  RATE        WAITING  OPEN  MEMORY  CPU%\n"
		"web.0   300    3  ready  1m31s      100  ||||||||||        1     6    1.2M    10\n"
		"web.1   301    3  ready  1m31s      2.0                    1     6    1.2M   100\n"
		"\n\n\n\n\n" FOOT);
	CHECK_CONTAINS(frame(79, 12), "WORKER  GEN  STATE");
}

TEST(without_an_answer_before_there_are_no_rates)
{
	add_both();
	top.live.before = NULL;
	CHECK_CONTAINS(frame(80, 12), "round-robin  - accepted/s\n");
	CHECK_CONTAINS(frame(80, 12), "web.0   300    3  ready  1m31s        -  ");
}

/* A count that is lower than before is another process, or another broker. */
TEST(a_new_process_has_no_rate)
{
	add_line(&before, LINE_SERVICE("\"ledger\":{\"accepted\":5000}"));
	add_worker(&before, 0, 2, "ready", 400, 1000);
	add_worker(&before, 1, 3, "ready", 900, 9000);
	add_line(&now, LINE_SERVICE(MEMBERS_QUIET));
	add_worker(&now, 0, 3, "ready", 600, 1200);
	add_worker(&now, 1, 3, "ready", 604, 3000);
	CHECK_CONTAINS(frame(80, 12), "round-robin  - accepted/s\n");
	CHECK_CONTAINS(frame(80, 12), "web.0   300    3  ready  1m31s        -  ");
	CHECK_CONTAINS(frame(80, 12), "web.1   301    3  ready  1m31s        -  ");
}

/* The same name and generation, as after a crash: its counts restarted. */
TEST(a_process_that_took_a_place_has_no_rate)
{
	add_line(&before, LINE_WORKER("web.0", "\"slot\":0,\"pid\":812,\"generation\":3,"
					       "\"state\":\"ready\",\"given\":5,\"cpu_ms\":10"));
	add_line(&now, LINE_WORKER("web.0", "\"slot\":0,\"pid\":813,\"generation\":3,"
					    "\"state\":\"ready\",\"given\":400,\"cpu_ms\":90"));
	CHECK_CONTAINS(frame(80, 12), "web.0   813    3  ready    -        -  ");
}

TEST(a_reload_moves_through_the_slots)
{
	add_line(&now, LINE_SERVICE("\"reload\":{\"kind\":\"restart\",\"generation\":4,\"done\":1,"
				    "\"of\":4,\"ms\":5210,"
				    "\"waits_for\":\"web.1 to listen\"}," MEMBER_LEDGER));
	add_worker(&now, 0, 3, "draining", 600, 0);
	add_worker(&now, 0, 4, "ready", 600, 0);
	add_worker(&now, 1, 3, "ready", 600, 0);
	add_worker(&now, 1, 4, "starting", 600, 0);
	add_worker(&now, 2, 3, "ready", 600, 0);
	add_worker(&now, 3, 3, "ready", 600, 0);
	CHECK_CONTAINS(
		frame(80, 24),
		"  [#>..]  restart to generation 4: 1 of 4, 5s, waits for web.1 to listen\n");
	CHECK_CONTAINS(frame(120, 24), "3 connections open\n");
}

static const char *explain(int slot, const char *state, const char *why)
{
	static char line[512];

	snprintf(line, sizeof(line),
		 "{\"type\":\"worker\",\"service\":\"web\",\"worker\":\"web.%d\",\"slot\":%d,"
		 "\"pid\":null,\"generation\":3,\"state\":\"%s\",\"why\":\"%s\"}",
		 slot, slot, state, why);
	return line;
}

TEST(reasons_that_are_cut_stand_below_if_there_is_room)
{
	const char *text;

	add_line(&now, LINE_SERVICE(MEMBERS_QUIET));
	add_line(&now, explain(0, "parked", "kept for a rollback, 59 s left"));
	add_line(&now, explain(1, "back-off", "back-off 4 s after exit 1, 3rd time: cannot open"));
	add_line(&now, explain(2, "ready", ""));
	text = frame(80, 12);
	CHECK_CONTAINS(text, "\n  web.1@3: back-off 4 s after exit 1, 3rd time: cannot open\n"
			     "  web.0@3: kept for a rollback, 59 s left\n\n");
	/* Who only waits makes room, and the foot never does. */
	text = frame(80, 9);
	CHECK_CONTAINS(text, "\n  web.1@3: back-off 4 s after exit 1, 3rd time: cannot open\n\nq");
	CHECK(!strstr(text, "web.0@3"));
	CHECK(!strstr(frame(80, 8), "@3"));
	CHECK(!strstr(frame(200, 12), "@3"));
}

TEST(rows_are_sorted_and_equal_ones_stay)
{
	const char *text;

	add_line(&before, LINE_SERVICE(MEMBERS_QUIET));
	add_line(&now, LINE_SERVICE(MEMBERS_QUIET));
	for (int i = 0; i < 4; i++) {
		add_worker(&before, i, 3, "ready", 100, 0);
		add_worker(&now, i, 3, "ready", i == 2 ? 300 : 200, i == 3 ? 100 : 0);
	}
	top.live.sort = SORT_BY_RATE;
	text = frame(80, 24);
	CHECK(strstr(text, "web.2") < strstr(text, "web.0"));
	CHECK(strstr(text, "web.0") < strstr(text, "web.1"));
	CHECK(strstr(text, "web.1") < strstr(text, "web.3"));
	CHECK_CONTAINS(text, "(by rate)");
	top.live.sort = SORT_BY_CPU;
	text = frame(80, 24);
	CHECK(strstr(text, "web.3") < strstr(text, "web.0"));
	top.live.sort = SORT_BY_OPEN;
	text = frame(80, 24);
	CHECK(strstr(text, "web.2") < strstr(text, "web.0"));
}

TEST(a_notice_takes_the_place_of_the_keys)
{
	const char *text;

	add_both();
	top.notice = "the broker has ended";
	text = frame(80, 12);
	CHECK_CONTAINS(text, "\nthe broker has ended\n");
	CHECK(!strstr(text, "quits"));
}

static const char *service(int n, const char *state, int ready)
{
	static char line[256];

	snprintf(line, sizeof(line),
		 "{\"type\":\"service\",\"service\":\"svc%d\",\"state\":\"%s\",\"workers\":2,"
		 "\"ready\":%d}",
		 n, state, ready);
	return line;
}

static const char *worker(int s, int slot, const char *state, const char *why)
{
	static char line[256];

	snprintf(line, sizeof(line),
		 "{\"type\":\"worker\",\"service\":\"svc%d\",\"worker\":\"svc%d.%d\",\"slot\":%d,"
		 "\"state\":\"%s\",\"why\":\"%s\"}",
		 s, s, slot, slot, state, why);
	return line;
}

/* Twelve services, the first with many workers; the last one does not start. */
static void add_twelve(void)
{
	for (int i = 1; i <= 12; i++) {
		bool down = i == 12;

		add_line(&now, service(i, down ? "down" : "serving", down ? 0 : 2));
		for (int slot = 0; slot < (i == 1 ? 64 : 2); slot++)
			add_line(&now, worker(i, slot, down ? "back-off" : "ready",
					      down ? "back-off 4 s after exit 1" : ""));
	}
}

TEST(an_outage_comes_first)
{
	const char *text;

	add_twelve();
	text = frame(80, 24);
	CHECK_CONTAINS(text, "svc12  down  0/2 ready");
	CHECK(strstr(text, "svc12  down") < strstr(text, "svc1  serving"));
	CHECK_CONTAINS(text, "\nand 2 more services, all well\n");
	CHECK(strstr(text, "\nsvc12.0 ") && strstr(text, "\nsvc12.1 "));
	CHECK(strstr(text, "\nsvc12.1 ") < strstr(text, "\nsvc1.0 "));
	CHECK_CONTAINS(text, "back-off 4 s after exit 1");
}

TEST(what_was_not_seen_is_scrolled_to)
{
	const char *text;

	add_twelve();
	top.scroll = 1;
	text = frame(80, 24);
	CHECK(!strstr(text, "svc12  down"));
	CHECK(strstr(text, "svc9  serving") && strstr(text, "svc11  serving"));
	CHECK(!strstr(text, "more services"));
	CHECK_CONTAINS(text, "(1 above)");
	top.scroll = 3; /* two workers */
	text = frame(80, 24);
	CHECK(!strstr(text, "svc12.1") && strstr(text, "\nsvc1.0 "));
	/* No further than to the end. */
	top.scroll = 100000;
	text = frame(80, 24);
	CHECK(strstr(text, "\nsvc11.1 ") && !strstr(text, "more workers"));
	CHECK_EQ(top.scroll, 1 + 86 - 9);
	CHECK_EQ(count_lines(text), 24);
	top.scroll = 0;
}

TEST(a_search_shows_what_it_finds)
{
	const char *text;

	add_twelve();
	top.live.search = "SVC7";
	text = frame(80, 24);
	CHECK(strstr(text, "svc7  serving") && strstr(text, "\nsvc7.1 "));
	CHECK(!strstr(text, "svc12") && !strstr(text, "svc1."));
	CHECK_CONTAINS(text, "only /SVC7 (Esc: all)");
	top.live.search = "exit 1";
	text = frame(80, 24);
	CHECK(strstr(text, "svc12  down") && strstr(text, "svc12.1"));
	CHECK(!strstr(text, "svc7"));
	top.typing = true;
	CHECK_CONTAINS(frame(80, 24), "\n/exit 1_\n");
	top.live.search = "nothing of that kind";
	CHECK_EQ(count_lines(frame(80, 24)), 24);
	top.typing = false;
	top.live.search = "";
}

TEST(a_worker_in_trouble_comes_first_in_its_service)
{
	const char *text;

	add_line(&now, service(1, "serving", 2));
	add_line(&now, worker(1, 0, "ready", ""));
	add_line(&now, worker(1, 1, "held", "held by hand"));
	add_line(&now, "{\"type\":\"worker\",\"service\":\"svc1\",\"worker\":\"svc1.2\",\"slot\":2,"
		       "\"state\":\"ready\",\"stalled_ms\":3000}");
	text = frame(80, 24);
	CHECK(strstr(text, "svc1.2") < strstr(text, "svc1.1"));
	CHECK(strstr(text, "svc1.1") < strstr(text, "svc1.0"));
	top.live.sort = SORT_BY_SLOT;
	text = frame(80, 24);
	CHECK(strstr(text, "svc1.0") < strstr(text, "svc1.1"));
	CHECK(strstr(text, "svc1.1") < strstr(text, "svc1.2"));
	top.live.sort = SORT_BY_TROUBLE;
}

TEST(what_does_not_fit_is_counted)
{
	add_line(&now, LINE_SERVICE(MEMBERS_QUIET));
	for (int i = 0; i < 1000; i++)
		add_worker(&now, i, 3, "ready", 0, 0);
	CHECK_CONTAINS(frame(80, 24), "\nand 981 more workers\nq quits");
}

TEST(many_services_leave_room_for_workers)
{
	char line[256];
	const char *text;

	for (int i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "{\"type\":\"service\",\"service\":\"s%d\"}", i);
		add_line(&now, line);
	}
	add_worker(&now, 0, 3, "ready", 0, 0);
	text = frame(80, 24);
	CHECK_CONTAINS(text, "more services, all well\nWORKER");
	CHECK(strstr(text, "WORKER") && strstr(text, "web.0"));
}

/* Whatever the size: never more lines, never wider, and the foot is there. */
TEST(every_size_is_kept)
{
	static const unsigned columns[] = { 1, 2, 5, 10, 20, 39, 40, 80, 100, 132, 300 };

	add_both();
	add_line(&now, "{\"type\":\"pin\",\"service\":\"web\",\"source\":\"10.0.0.0/8\","
		       "\"worker\":\"web.1\",\"kind\":\"pin\",\"expires_ms\":599000}");
	top.notice = "no broker";
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		for (unsigned rows = 1; rows < 30; rows++) {
			const char *text = frame(columns[i], rows);

			CHECK_EQ(count_lines(text), rows);
			check_width(text, columns[i]);
			if (columns[i] >= 9)
				CHECK_CONTAINS(text, "no broker\n");
		}
	}
}

TEST(nothing_has_come_yet)
{
	top.live.before = NULL;
	CHECK_STR(frame(40, 3), "\n\nq quits  s sorts (by trouble)  / sear...\n");
}

TAP_MAIN()
