/* links: broker/ctl/lines_text broker/ctl/text broker/base/json broker/base/strbuf */
/* links: broker/base/words broker/base/units */
#include <stdlib.h>
#include <time.h>
#include "base/strbuf.h"
#include "ctl/lines_text.h"
#include "tap.h"

static struct strbuf out = STRBUF_GROWS(1 << 20);
static struct screen plain = { .columns = 80, .out = &out, .left = SIZE_MAX };
static char section[LINES_SECTION];
static struct json_doc doc;
static char line[4096];

static void read_line(const char *json)
{
	snprintf(line, sizeof(line), "%s", json);
	CHECK_EQ(json_doc_read(line, strlen(line), &doc), 0);
}

static const char *result(void)
{
	static char text[8192];

	CHECK(!out.cut && out.len < sizeof(text));
	memcpy(text, out.text ? out.text : "", out.len);
	text[out.len] = '\0';
	strbuf_deinit(&out);
	return text;
}

static const char *event(const char *json)
{
	read_line(json);
	CHECK(lines_add(doc.value, &plain, section));
	return result();
}

TEST(an_event_has_local_time_like_the_log)
{
	setenv("TZ", "XYZ-5:30", 1);
	tzset();
	CHECK_STR(event("{\"type\":\"event\",\"time\":\"2026-11-22T20:37:44.123Z\","
			"\"level\":\"error\",\"event\":\"stop\"}"),
		  "2026-11-23 02:07:44.123 error stop\n");
	setenv("TZ", "UTC", 1);
	tzset();
}

TEST(an_event_is_one_line)
{
	CHECK_STR(event("{\"type\":\"event\",\"id\":17,\"time\":\"2026-11-22T15:37:44.123Z\","
			"\"level\":\"info\",\"event\":\"worker-ready\",\"service\":\"web\","
			"\"worker\":\"web.0\",\"generation\":1,\"pid\":812,\"slow\":true,"
			"\"how\":null,\"message\":\"listens\"}"),
		  "2026-11-22 15:37:44.123 info  web.0 worker-ready: listens (generation 1, "
		  "pid 812, slow yes)\n");
	CHECK_STR(event("{\"type\":\"event\",\"time\":\"2026-11-22T15:37:44.123Z\","
			"\"level\":\"error\",\"event\":\"stop\"}"),
		  "2026-11-22 15:37:44.123 error stop\n");
	CHECK_STR(event("{\"type\":\"event\",\"time\":\"t\",\"level\":\"warn\",\"service\":\"web\","
			"\"event\":\"x\"}"),
		  "t warn  web x\n");
	CHECK_STR(event("{\"type\":\"lost\",\"count\":12}"),
		  "12 events were lost: newer ones have taken their place\n");
	read_line("{\"type\":\"end\",\"ok\":true}");
	CHECK(!lines_add(doc.value, &plain, section));
}

TEST(the_last_words_of_a_worker_stand_below)
{
	CHECK_STR(
		event("{\"type\":\"event\",\"time\":\"t\",\"level\":\"warn\",\"event\":\"exit\","
		      "\"how\":\"exit 1\",\"last_output\":\"one\\ntwo\\u001b[2J\",\"core\":\"\"}"),
		"t warn  exit (how exit 1)\n  | one\n  | two\\x1b[2J\n");
	CHECK_STR(event("{\"type\":\"event\",\"time\":\"t\",\"level\":\"warn\",\"event\":\"exit\","
			"\"output\":\"one\\n\"}"),
		  "t warn  exit\n  | one\n");
}

TEST(levels_have_colours)
{
	struct screen color = plain;

	color.color = true;
	read_line("{\"type\":\"event\",\"time\":\"t\",\"level\":\"error\",\"event\":\"x\"}");
	CHECK(lines_add(doc.value, &color, section));
	CHECK_CONTAINS(result(), "\033[31merror \033[0m");
}

static const char *bar(const char *json, unsigned columns)
{
	struct screen s = { .columns = columns, .out = &out, .left = SIZE_MAX };

	read_line(json);
	CHECK(lines_add_bar(doc.value, 5200, &s));
	return result();
}

#define STEP(phase, members)                                                                       \
	"{\"type\":\"progress\",\"service\":\"web\",\"generation\":4,\"phase\":\"" phase           \
	"\",\"worker\":\"web.1\"," members "}"

TEST(a_bar_shows_how_far_it_is_and_what_it_waits_for)
{
	const char *step = STEP("start", "\"done\":2,\"of\":4,\"waits_for\":\"web.2 to listen\"");

	CHECK_STR(bar(step, 80), "web generation 4  [##>.]  2/4  5s  waits for web.2 to listen");
	/* One column less than there are, and a bar that shrinks. */
	CHECK_EQ(strlen(bar(step, 45)), 44);
	CHECK_STR(bar(step, 40), "web generation 4  [##>.]  2/4  5s...");
	CHECK_CONTAINS(bar(STEP("start", "\"done\":999,\"of\":1000"), 80),
		       "[###################>]");
	CHECK_CONTAINS(bar(STEP("start", "\"done\":4,\"of\":4"), 80), "[####]");
	CHECK_CONTAINS(bar(STEP("start", "\"done\":-4,\"of\":4"), 80), "[>...]");
	CHECK_CONTAINS(bar(STEP("start", "\"done\":9,\"of\":4"), 80), "[####]");
	CHECK_STR(bar(STEP("begin", "\"done\":0,\"of\":0"), 80), "web generation 4    0/0  5s");
	for (unsigned columns = 1; columns < 100; columns++)
		CHECK(strlen(bar(step, columns)) < columns);
}

TEST(what_is_no_step_on_the_way_has_no_bar)
{
	read_line(STEP("done", "\"done\":4,\"of\":4"));
	CHECK(!lines_add_bar(doc.value, 0, &plain));
	read_line(STEP("aborted", "\"done\":1,\"of\":4"));
	CHECK(!lines_add_bar(doc.value, 0, &plain));
	read_line("{\"type\":\"event\",\"phase\":\"start\"}");
	CHECK(!lines_add_bar(doc.value, 0, &plain));
	/* A sign of life is for the bar alone. */
	CHECK_STR(bar(STEP("wait", "\"done\":2,\"of\":4"), 80),
		  "web generation 4  [##>.]  2/4  5s");
	read_line(STEP("wait", "\"done\":2,\"of\":4"));
	CHECK(lines_add(doc.value, &plain, section));
	CHECK_STR(result(), "");
}

TEST(lines_tell_each_step)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ STEP("begin", "\"done\":0,\"of\":4"),
		  "web: generation 4 begins, workers to replace: 4\n" },
		{ STEP("start", "\"done\":0,\"of\":4,\"waits_for\":\"web.1 to listen\""),
		  "web: web.1 of generation 4 starts, waits for web.1 to listen\n" },
		{ STEP("ready", "\"done\":1,\"of\":4"),
		  "web: web.1 of generation 4 is ready (1 of 4)\n" },
		{ STEP("retire", "\"done\":1,\"of\":4"), "web: the old web.1 drains\n" },
		{ STEP("probation", "\"done\":4,\"of\":4"),
		  "web: all workers of generation 4 serve\n" },
		{ STEP("done", "\"done\":4,\"of\":4"), "web: generation 4 serves\n" },
		{ STEP("aborted", "\"message\":\"web.1 did not listen\\u001b\""),
		  "web: web.1 did not listen\\x1b\n" },
		{ STEP("aborted", "\"done\":1"), "web: aborted\n" },
		{ STEP("lamp", "\"done\":1"), "web: lamp\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		read_line(cases[i].json);
		CHECK(lines_add(doc.value, &plain, section));
		CHECK_STR(result(), cases[i].text);
	}
}

TEST(a_plan_says_what_changes_and_when)
{
	read_line(
		"{\"type\":\"change\",\"section\":\"service:web\",\"key\":\"workers\","
		"\"from\":\"2\",\"to\":\"4\",\"applies\":\"at once\",\"action\":\"two workers are "
		"started\"}");
	CHECK(lines_add(doc.value, &plain, section));
	CHECK_STR(result(),
		  "[service:web] workers: 2 -> 4\n    at once: two workers are started\n");
	read_line("{\"type\":\"change\",\"section\":\"service:api\",\"key\":null,\"from\":null,"
		  "\"to\":null,\"applies\":null,\"action\":\"the service begins\"}");
	CHECK(lines_add(doc.value, &plain, section));
	CHECK_STR(result(), "[service:api]\n    the service begins\n");
	read_line("{\"type\":\"change\",\"section\":\"broker\",\"key\":\"user\",\"from\":\"\","
		  "\"to\":\"www\",\"applies\":\"after a restart\"}");
	CHECK(lines_add(doc.value, &plain, section));
	CHECK_STR(result(), "[broker] user: (none) -> www\n    after a restart\n");
}

TEST(options_stand_under_their_section_with_what_differs)
{
	read_line(
		"{\"type\":\"option\",\"section\":\"broker\",\"key\":\"log\",\"value\":\"stderr\","
		"\"origin\":\"default\",\"file\":null}");
	CHECK(lines_add(doc.value, &plain, section));
	read_line("{\"type\":\"option\",\"section\":\"service:web\",\"key\":\"workers\","
		  "\"value\":\"2\",\"origin\":\"broker.ini:3\",\"file\":\"4 (differs)\"}");
	CHECK(lines_add(doc.value, &plain, section));
	CHECK_STR(result(),
		  "[broker]\n"
		  "log                  = stderr                     # default\n"
		  "\n"
		  "[service:web]\n"
		  "workers              = 2                          # broker.ini:3; in the "
		  "file: 4 (differs)\n");
	read_line("{\"type\":\"end\"}");
	CHECK(!lines_add(doc.value, &plain, section));
}

TAP_MAIN()
