/* links: broker/policy/command broker/base/words broker/base/units broker/base/strbuf */
#include "policy/command.h"
#include "tap.h"

#include <string.h>

#define MAX_WORDS 16

struct line {
	char text[256];
	char *words[MAX_WORDS + 1];
	size_t n;
};

static void split(struct line *l, const char *text)
{
	*l = (struct line){ .n = 0 };
	strncpy(l->text, text, sizeof(l->text) - 1);
	for (char *w = strtok(l->text, " "); w && l->n < MAX_WORDS; w = strtok(NULL, " "))
		l->words[l->n++] = w;
}

TEST(each_command_reads_back_from_its_own_usage)
{
	static const struct {
		const char *text;
		enum command_id id;
		const char *first, *second;
	} cases[] = {
		{ "status", COMMAND_STATUS, NULL, NULL },
		{ "status web", COMMAND_STATUS, "web", NULL },
		{ "events web.0 -f", COMMAND_EVENTS, "web.0", NULL },
		{ "events --since 10m web", COMMAND_EVENTS, "web", NULL },
		{ "reload", COMMAND_RELOAD, NULL, NULL },
		{ "reload web --no-wait", COMMAND_RELOAD, "web", NULL },
		{ "reload abort", COMMAND_RELOAD_ABORT, NULL, NULL },
		{ "reload abort web", COMMAND_RELOAD_ABORT, "web", NULL },
		{ "scale web 4", COMMAND_SCALE, "web", "4" },
		{ "signal web.1 USR1", COMMAND_SIGNAL, "web.1", "USR1" },
		{ "pin 10.0.0.0/8 web.1 --for 10m", COMMAND_PIN, "10.0.0.0/8", "web.1" },
		{ "pin --for=10m 10.0.0.0/8 web.1", COMMAND_PIN, "10.0.0.0/8", "web.1" },
		{ "join web --pinned-only", COMMAND_JOIN, "web", NULL },
		{ "help status", COMMAND_HELP, "status", NULL },
		{ "help reload abort", COMMAND_HELP, "reload abort", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(error, 512);
		struct request r;
		struct line l;

		split(&l, cases[i].text);
		CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
		CHECK_STR(error.text, "");
		CHECK_EQ(r.command->id, cases[i].id);
		CHECK_STR(r.arguments[0].text ? r.arguments[0].text : "-",
			  cases[i].first ? cases[i].first : "-");
		CHECK_STR(r.arguments[1].text ? r.arguments[1].text : "-",
			  cases[i].second ? cases[i].second : "-");
	}
}

TEST(numbers_signals_and_durations_come_as_numbers)
{
	STRBUF(error, 512);
	struct request r;
	struct line l;

	split(&l, "scale web 12");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK_EQ(r.arguments[1].number, 12);
	split(&l, "signal web.0 SIGHUP");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK_EQ(r.arguments[1].number, 1);
	split(&l, "pin ::1 web.0 --for 10m");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK(request_has(&r, "--for"));
	CHECK_EQ(request_option(&r, "--for")->number, 600000);
	split(&l, "pin ::1 web.0");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK(!request_has(&r, "--for"));
}

TEST(since_is_a_duration_or_an_id)
{
	STRBUF(error, 512);
	struct request r;
	struct line l;

	split(&l, "events --since 10m");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK_EQ(request_option(&r, "--since")->number, 600000);
	CHECK(!request_option(&r, "--since")->is_id);
	split(&l, "events --since 17");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK_EQ(request_option(&r, "--since")->number, 17);
	CHECK(request_option(&r, "--since")->is_id);
	split(&l, "events --since yesterday");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_BAD);
}

TEST(what_stands_behind_two_dashes_is_kept_as_it_is)
{
	STRBUF(error, 512);
	struct request r;
	struct line l;

	split(&l, "debug web.1 --from 127.0.0.1 -- strace -f -p {pid} --from x");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK_STR(request_option(&r, "--from")->text, "127.0.0.1");
	CHECK(r.rest);
	CHECK_STR(r.rest[0], "strace");
	CHECK_STR(r.rest[4], "--from");
	CHECK(r.rest[6] == NULL);
}

TEST(a_mistake_is_said_in_words_with_what_was_meant)
{
	static const struct {
		const char *text;
		enum command_result e;
		const char *message;
	} cases[] = {
		{ "", COMMAND_BAD, "no command was given; help shows all" },
		{ "ps", COMMAND_UNKNOWN, "there is no command \"ps\"; did you mean status?" },
		{ "logs", COMMAND_UNKNOWN,
		  "there is no command \"logs\"; did you mean events --follow?" },
		{ "sttus", COMMAND_UNKNOWN, "there is no command \"sttus\"; did you mean status?" },
		{ "frobnicate", COMMAND_UNKNOWN,
		  "there is no command \"frobnicate\"; help shows all" },
		{ "abort reload", COMMAND_UNKNOWN,
		  "there is no command \"abort\"; help shows all" },
		{ "hold", COMMAND_BAD, "hold needs WORKER; usage: hold WORKER [--move]" },
		{ "hold a b", COMMAND_BAD,
		  "\"b\" is one argument too many for hold; usage: hold WORKER [--move]" },
		{ "help reload web", COMMAND_BAD,
		  "\"web\" is one argument too many for help; usage: help [COMMAND]" },
		{ "help reload abort web", COMMAND_BAD,
		  "\"web\" is one argument too many for help; usage: help [COMMAND]" },
		{ "scale web many", COMMAND_BAD,
		  "\"many\" is not a number; usage: scale SERVICE N" },
		{ "scale web -1", COMMAND_BAD,
		  "scale has no option \"-1\"; usage: scale SERVICE N" },
		{ "signal web.0 TREM", COMMAND_BAD,
		  "\"TREM\" is not a signal; did you mean TERM?; usage: signal WORKER SIGNAL" },
		{ "reload --no-wat", COMMAND_BAD,
		  "reload has no option \"--no-wat\" (did you mean --no-wait?); usage: reload "
		  "[SERVICE] [--no-wait] [--plan] [--accept-fewer-ports]" },
		{ "reload --plan=yes", COMMAND_BAD,
		  "--plan takes no value; usage: reload [SERVICE] [--no-wait] [--plan] "
		  "[--accept-fewer-ports]" },
		{ "events --since", COMMAND_BAD,
		  "--since needs DURATION|ID; usage: events [SERVICE|WORKER] [-f|--follow] "
		  "[--since DURATION|ID]" },
		{ "pin ::1 web.0 --for 10", COMMAND_BAD,
		  "\"10\" is not a duration such as 30s or 10m; usage: pin CIDR WORKER "
		  "[--for DURATION]" },
		{ "pin ::1 web.0 --for 0s", COMMAND_BAD,
		  "\"0s\" is not a duration such as 30s or 10m; usage: pin CIDR WORKER "
		  "[--for DURATION]" },
		{ "completion csh", COMMAND_BAD,
		  "\"csh\" is not one of bash, zsh and fish; usage: completion bash|zsh|fish" },
		{ "status \x1b[2J x", COMMAND_BAD,
		  "\"x\" is one argument too many for status; usage: status [SERVICE|WORKER]" },
		{ "hold web.0 -- x", COMMAND_BAD,
		  "hold has no option \"--\"; usage: hold WORKER [--move]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(error, 512);
		struct request r = { 0 };
		struct line l;

		split(&l, cases[i].text);
		CHECK_EQ(command_parse(l.words, l.n, &r, &error), cases[i].e);
		CHECK_STR(error.text, cases[i].message);
		CHECK(r.command == NULL);
	}
}

TEST(a_request_that_only_looks_needs_only_the_right_to_look)
{
	STRBUF(error, 512);
	struct request r;
	struct line l;

	split(&l, "reload");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK_EQ(request_right(&r), RIGHT_STEER);
	split(&l, "reload --plan");
	CHECK_EQ(command_parse(l.words, l.n, &r, &error), COMMAND_OK);
	CHECK_EQ(request_right(&r), RIGHT_READ);
}

TEST(the_table_is_sound)
{
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &command_table[i];
		bool optional = false;

		CHECK(command_find(c->name) == c);
		/* A name of two words begins with the name of a command. */
		if (strchr(c->name, ' ')) {
			struct line l;

			split(&l, c->name);
			CHECK(command_find_longer(command_find(l.words[0]), l.words[1]) == c);
		}
		CHECK(c->help && *c->help && c->help[strlen(c->help) - 1] != '.');
		for (size_t k = 0; k < COMMAND_ARGUMENTS; k++) {
			/* A required argument cannot follow an optional one. */
			CHECK(c->arguments[k].kind == KIND_NONE || !optional ||
			      c->arguments[k].optional);
			optional = optional || c->arguments[k].optional;
		}
		for (size_t k = 0; k < COMMAND_OPTIONS && c->options[k].name; k++) {
			CHECK(!strncmp(c->options[k].name, "--", 2));
			CHECK(c->options[k].help != NULL);
			CHECK((c->options[k].value != KIND_NONE) ==
			      (c->options[k].value_name != NULL));
		}
	}
	CHECK(command_find("reloa") == NULL);
}

TAP_MAIN()
