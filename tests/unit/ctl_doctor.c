/* links: broker/ctl/doctor_text broker/ctl/text broker/base/json broker/base/strbuf */
/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units */
/* links: broker/base/paths */
#include "base/json.h"
#include "ctl/doctor_text.h"

#include "tap.h"

#define GOOD_REPORT                                                                                \
	"path=/usr/bin/npm\nscript=/usr/bin/npm\nscript=/usr/bin/env\n"                            \
	"binary=/usr/bin/node\nclass=64\nmachine=x86-64\nlinkage=dynamic\n"                        \
	"interpreter=/lib64/ld-linux-x86-64.so.2\nlibc=glibc\ngo=no\nnews=1\n"                     \
	"inetd=yes\nverdict=yes\nbackend=preload\n"

/* A process as doctor_add_process() adds it, with what a test is about in @members. */
#define PROCESS(members)                                                                           \
	"\"process\":{\"pid\":812,\"name\":\"MainThread\",\"exe\":\"/opt/node/bin/node\","         \
	"\"uid\":33,\"user\":\"www\",\"children\":0," members "}"

#define LISTENER(address, port, sockets)                                                           \
	"{\"address\":\"" address "\",\"port\":" port ",\"sockets\":" sockets                      \
	",\"holders\":1,\"pid\":812,\"name\":\"node\"}"

static bool is_inetd; /* what was found without the launcher */

static const char *answer(bool json, const char *report, const char *process,
			  const char *const *command)
{
	struct doctor_facts f = { .command = command,
				  .is_inetd = is_inetd,
				  .is_process = process,
				  .json = STRBUF_GROWS(1 << 20) };
	const char *directory = process ? strstr(process, "\"directory\":\"") : NULL;
	static char text[65536], copy[65536];
	struct strbuf out = STRBUF_GROWS(sizeof(text) - 1);

	CHECK(doctor_begin_facts(strcpy(copy, report), &f));
	strbuf_addf(&f.json, ",%s}", process ? process : "\"process\":null");
	if (directory)
		(void)sscanf(directory, "\"directory\":\"%4000[^\"]", f.directory);
	(void)doctor_text(&f, json, &out);
	CHECK(!out.cut && out.len);
	memcpy(text, out.text, out.len);
	text[out.len] = '\0';
	strbuf_deinit(&f.json);
	strbuf_deinit(&out);
	return text;
}

/* Each returns the same storage. */
#define text_of(report, process, ...)                                                              \
	answer(false, report, process, (const char *const[]){ __VA_ARGS__, NULL })
#define json_of(report, process, ...)                                                              \
	answer(true, report, process, (const char *const[]){ __VA_ARGS__, NULL })

/* What is for broker.ini. */
static const char *section_of(const char *text)
{
	const char *at = strstr(text, "\nFor broker.ini:\n\n");

	return at ? at + strlen("\nFor broker.ini:\n\n") : "";
}

TEST(a_report_is_cut_into_what_is_known)
{
	CHECK_STR(json_of(GOOD_REPORT, NULL, "npm", "a b"),
		  "{\"type\":\"doctor\",\"command\":[\"npm\",\"a b\"],\"served\":true,"
		  "\"backend\":\"preload\",\"untraced\":null,\"mode\":\"listen\",\"reason\":null,"
		  "\"program\":{\"path\":\"/usr/bin/npm\","
		  "\"scripts\":[\"/usr/bin/npm\",\"/usr/bin/env\"],\"binary\":\"/usr/bin/node\","
		  "\"class\":\"64\",\"machine\":\"x86-64\",\"linkage\":\"dynamic\","
		  "\"interpreter\":\"/lib64/ld-linux-x86-64.so.2\",\"libc\":\"glibc\","
		  "\"sanitizer\":null,\"go\":false,\"privilege\":null,\"io_uring\":false,"
		  "\"never_listens\":false},"
		  "\"process\":null,"
		  "\"notes\":[\"/usr/bin/npm is a script: what was looked at is its interpreter "
		  "/usr/bin/node. What the script starts inherits the "
		  "preparation\"],\"section\":\"[service:app]\\ncommand = npm 'a b'\\n\"}\n");
}

TEST(a_report_without_a_verdict_is_none)
{
	static const char *const reports[] = { "", "path=/bin/true\nbinary", "\n\n=\n==\nverdict" };
	struct doctor_facts f = { .json = STRBUF_GROWS(1024) };
	char report[64];

	for (size_t i = 0; i < ARRAY_SIZE(reports); i++)
		CHECK(!doctor_begin_facts(strcpy(report, reports[i]), &f));
}

/* Nor are there too many facts to be read. */
TEST(more_scripts_than_there_is_room_for_are_dropped)
{
	char report[32768] = "verdict=yes\nbackend=preload\nbinary=/b\n", scripts[64] = "";

	for (int i = 0; i < 2000; i++)
		strcat(report, "script=/a\n");
	for (int i = 0; i < 8; i++)
		strcat(strcat(scripts, i ? "," : ""), "\"/a\"");
	strcat(scripts, "]");
	CHECK_CONTAINS(json_of(report, NULL, "app"), scripts);
}

TEST(a_command_may_have_more_words_than_a_file_can_hold)
{
	static const char *words[2000];

	for (size_t i = 0; i + 1 < ARRAY_SIZE(words); i++)
		words[i] = "x";
	CHECK_CONTAINS(answer(true, GOOD_REPORT, NULL, words), ",\"served\":true");
}

TEST(a_command_that_can_be_served)
{
	CHECK_STR(text_of(GOOD_REPORT, NULL, "npm", "start"),
		  "npm start\n"
		  "  served       yes: back end preload, mode listen\n"
		  "  script       /usr/bin/npm\n"
		  "  script       /usr/bin/env\n"
		  "  program      /usr/bin/node: 64-bit, x86-64, dynamic, glibc\n"
		  "  linker       /lib64/ld-linux-x86-64.so.2\n"
		  "\n"
		  "  - /usr/bin/npm is a script: what was looked at is its interpreter "
		  "/usr/bin/node. What the\n"
		  "    script starts inherits the preparation\n"
		  "\n"
		  "For broker.ini:\n"
		  "\n"
		  "[service:start]\n"
		  "command = npm start\n");
}

TEST(one_that_cannot_gets_the_reason_and_no_section)
{
	static const char report[] = "path=./still\nbinary=./still\nclass=64\nmachine=x86-64\n"
				     "linkage=static\ngo=no\nverdict=no\n"
				     "reason=./still is statically linked\n";
	const char *json;

	CHECK_STR(text_of(report, NULL, "./still"),
		  "./still\n"
		  "  served       no\n"
		  "  why          ./still is statically linked\n"
		  "  program      ./still: 64-bit, x86-64, static\n");
	json = json_of(report, NULL, "./still");
	CHECK_CONTAINS(json, "\"served\":false,\"backend\":null,\"untraced\":null,\"mode\":null,");
	CHECK_CONTAINS(json, "\"section\":\"\"}\n");
}

TEST(what_is_not_there_is_not_found)
{
	static const char report[] = "verdict=missing\nreason=no: no such file\n";

	CHECK_STR(text_of(report, NULL, "./no"),
		  "./no\n  served       not found\n  why          no: no such file\n");
	CHECK_CONTAINS(json_of(report, NULL, "./no"), "\"served\":false,");
}

#define SHOP(members)                                                                              \
	PROCESS("\"directory\":\"/srv/my shop\",\"io_uring\":true," members                        \
		"\"listens\":[" LISTENER("0.0.0.0:3000", "3000",                                   \
					 "1") "," LISTENER("127.0.0.1:9229", "9229", "1") "]")

TEST(the_section_of_a_process_has_what_it_needs)
{
	const char *text =
		text_of(GOOD_REPORT, SHOP(""), "/opt/node/bin/node", "/srv/my shop/shop.js");

	CHECK_STR(section_of(text), "[service:shop]\n"
				    "command = /opt/node/bin/node '/srv/my shop/shop.js'\n"
				    "directory = '/srv/my shop'\n"
				    "user = www\n"
				    "environment = UV_USE_IO_URING=0\n"
				    "listen = 0.0.0.0:3000 for 3000\n"
				    "private_ports = 9229\n");
	CHECK_CONTAINS(text, "  process      812 (MainThread), user www, in /srv/my shop\n"
			     "  listens on   0.0.0.0:3000 (node, pid 812)\n");
	CHECK_STR(section_of(text_of(GOOD_REPORT, SHOP("\"worker\":\"web.0\","), "node", "x")), "");
}

TEST(a_process_of_the_same_user_needs_none)
{
	struct doctor_facts f = { .command = (const char *const[]){ "app", NULL },
				  .own_uid = 33,
				  .directory = "/srv/\xe9",
				  .json = STRBUF_GROWS(8192) };
	struct strbuf out = STRBUF_GROWS(8192);
	char report[] = GOOD_REPORT;

	CHECK(doctor_begin_facts(report, &f));
	strbuf_add(&f.json, "," SHOP("") "}");
	CHECK(doctor_text(&f, false, &out));
	strbuf_add_bytes(&out, "", 1);
	/* No file can hold that byte: it is shown, not guessed at. */
	CHECK_CONTAINS(out.text, "directory = /srv/\\xe9\nenvironment = ");
	strbuf_deinit(&f.json);
	strbuf_deinit(&out);
}

#define LISTENS(...) PROCESS("\"listens\":[" __VA_ARGS__ "]")

/* Only one of the loopback is a debugger's: on a public address it may be the app itself. */
TEST(a_public_port_is_no_debuggers)
{
	static const char report[] = "verdict=yes\nbackend=preload\n";

	CHECK_CONTAINS(text_of(report, LISTENS(LISTENER("0.0.0.0:9229", "9229", "1")), "app"),
		       "\nlisten = 0.0.0.0:9229 for 9229\n");
	CHECK_CONTAINS(text_of(report, LISTENS(LISTENER("[::1]:5005", "5005", "1")), "app"),
		       "\nprivate_ports = 5005\n");
	CHECK_CONTAINS(text_of(report, LISTENS(LISTENER("[::12]:5005", "5005", "1")), "app"),
		       "\nlisten = [::12]:5005 for 5005\n");
}

TEST(names_are_names_that_a_service_can_have)
{
	static const struct {
		const char *command[3];
		const char *name;
	} cases[] = {
		{ { "node", "app.js" }, "app" },
		{ { "/usr/bin/python3.11", "/srv/site.py" }, "site" },
		{ { "python3", "-m" }, "python3" },
		{ { "./my-server" }, "my-server" },
		{ { "/usr/sbin/in.fingerd" }, "fingerd" },
		{ { "./7" }, "app" },
		{ { "./.hidden" }, "app" },
		{ { "./\xc3\xa4" }, "app" },
		{ { "/" }, "app" },
		{ { "nodejs-like", "x.js" }, "nodejs-like" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char want[64];

		snprintf(want, sizeof(want), "[service:%s]\n", cases[i].name);
		CHECK_CONTAINS(answer(false, "verdict=yes\nbackend=preload\n", NULL,
				      cases[i].command),
			       want);
	}
}

TEST(nothing_from_outside_steers_the_terminal)
{
	static const char report[] = "path=/a\x1b]0;x\nbinary=/b\x1b\nscript=/c\x1b\nverdict=no\n"
				     "reason=\x1b[1mbold\n";
	static const char process[] =
		"\"process\":{\"pid\":812,\"children\":0,\"name\":\"n\\u001b\","
		"\"exe\":\"/e\\u001b\",\"directory\":\"/d\\u001b\","
		"\"worker\":\"w\\u001b\",\"user\":\"root\"}";
	const char *text = text_of(report, process, "a\x1b[2J\n");

	CHECK(!strchr(text, '\x1b'));
	CHECK_CONTAINS(text, "  process      812 (n\\x1b), user root, in /d\\x1b\n");
	CHECK_CONTAINS(text, "  why          \\x1b[1mbold\n");
	CHECK(!strchr(json_of(report, process, "a\x1b[2J\n"), '\x1b'));
}

#define QUIET_REPORT "binary=/b\nnever_listens=yes\nverdict=yes\nbackend=preload\n"

TEST(commands_that_are_for_inetd_say_so)
{
	static const struct {
		bool inetd;
		const char *command[5];
	} cases[] = {
		{ true, { "/usr/sbin/in.fingerd" } },
		{ true, { "git", "daemon", "--inetd", "/srv" } },
		{ true, { "svnserve", "--inetd" } },
		{ false, { "git", "daemon", "/srv/inetd" } },
		{ false, { "/usr/sbin/main.d" } },
		{ false, { "/srv/in.d/app" } },
		{ false, { NULL } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_EQ(doctor_is_for_inetd(cases[i].command), cases[i].inetd);
}

TEST(a_program_for_inetd_is_told_its_mode)
{
	const char *text;

	is_inetd = true;
	text = text_of("binary=/b\ninetd=yes\nverdict=no\nreason=/b is static\n", NULL, "in.x");
	CHECK_CONTAINS(text, "  served       yes: mode inetd\n  program      /b\n");
	CHECK_CONTAINS(text, "so it is executed for each connection (park = exec)\n");
	CHECK_CONTAINS(section_of(text), "command = in.x\nmode = inetd\nlisten = PORT\n");
	text = text_of("verdict=missing\nreason=no such file\n", NULL, "in.x");
	CHECK_CONTAINS(text, "  served       not found\n  why          no such file\n");
	CHECK(!strstr(text, "park"));
	text = text_of(GOOD_REPORT, NULL, "/usr/sbin/in.fingerd", "-w");
	CHECK_CONTAINS(text, "  served       yes: back end preload, mode inetd\n");
	CHECK_CONTAINS(text, "\n  - by its words it is for inetd");
	CHECK_CONTAINS(section_of(text),
		       "]\ncommand = /usr/sbin/in.fingerd -w\nmode = inetd\nlisten = PORT\n");
	CHECK_CONTAINS(json_of(GOOD_REPORT, NULL, "in.fingerd"), ",\"mode\":\"inetd\",");
	is_inetd = false;
}

#define CAT_REPORT QUIET_REPORT "inetd=yes\nnever_executes=yes\n"

TEST(a_program_that_can_only_read_gets_the_section_for_it)
{
	const char *text = text_of(CAT_REPORT, NULL, "/bin/cat");

	CHECK_CONTAINS(text, "\n  - it calls neither listen() nor another program");
	CHECK(!strstr(text, "if it starts a server"));
	CHECK_CONTAINS(section_of(text_of(CAT_REPORT, NULL, "/bin/cat")),
		       "command = /bin/cat\nmode = inetd\nlisten = PORT\n");
	CHECK_CONTAINS(json_of(CAT_REPORT, NULL, "/bin/cat"), ",\"mode\":\"inetd\",");
	/* env(1) never listens either, but what it executes may. */
	CHECK(!strstr(section_of(text_of(QUIET_REPORT "inetd=yes\n", NULL, "env", "x")), "inetd"));
	CHECK(!strstr(section_of(text_of(CAT_REPORT, NULL, "node", "x")), "inetd"));
}

TEST(a_program_that_never_listens_is_told_about_inetd)
{
	CHECK_CONTAINS(text_of(QUIET_REPORT, NULL, "/srv/quotes"),
		       "\n  - it does not call listen(), nor does a library");
	CHECK_CONTAINS(text_of(QUIET_REPORT, NULL, "/srv/quotes"), "`mode = inetd`");
	CHECK(!strstr(text_of(GOOD_REPORT, NULL, "/srv/quotes"), "inetd"));
	CHECK_CONTAINS(text_of("inetd=yes\nverdict=no\nreason=static\n", NULL, "/srv/quotes"),
		       "\n  - if it talks to its standard input and ends, `mode = inetd`");
	/* What it starts may do it; and a process is seen. */
	CHECK(!strstr(text_of(QUIET_REPORT, NULL, "sh", "run.sh"), "inetd"));
	CHECK(!strstr(text_of(QUIET_REPORT, PROCESS("\"listens\":[]"), "/srv/quotes"), "inetd"));
}

#define UNIX_SOCKET "\"unix\":[{\"path\":\"/run/x.sock\",\"pid\":812,\"name\":\"x\"}]"

TEST(a_process_on_a_unix_socket_is_served_on_it)
{
	const char *text = text_of(GOOD_REPORT, PROCESS("\"listens\":[]," UNIX_SOCKET), "x");

	CHECK_CONTAINS(text, "  served       yes");
	CHECK_CONTAINS(text, "  listens on   /run/x.sock (x, pid 812)\n");
	CHECK_CONTAINS(section_of(text), "\nlisten = /run/x.sock\n");
	CHECK(!strstr(text, "  - it listens on no TCP port"));
	CHECK_CONTAINS(text_of("verdict=no\nreason=static\n", PROCESS(UNIX_SOCKET), "x"),
		       "  why          static\n");
	text = text_of(GOOD_REPORT,
		       PROCESS("\"listens\":[" LISTENER("0.0.0.0:80", "80", "1") "]," UNIX_SOCKET),
		       "x");
	CHECK_CONTAINS(section_of(text), "\nlisten = 0.0.0.0:80 for 80\nlisten = /run/x.sock\n");
	/* It is in the way of no other worker. */
	text = text_of(GOOD_REPORT,
		       PROCESS("\"listens\":[],\"unix\":[{\"path\":\"/run/x.812\",\"pid\":812,"
			       "\"name\":\"x\"}]"),
		       "x");
	CHECK(!strstr(section_of(text), "listen ="));
}

/* Wrapped, so that it can still be copied. */
TEST(a_long_path_stays_in_one_piece)
{
	char report[512] = "verdict=yes\nbackend=preload\nclass=64\nbinary=/", path[256] = "";

	for (int i = 0; i < 20; i++)
		strcat(path, "directory/");
	strcat(report, path);
	strcat(path, ":\n               64-bit\n");
	CHECK_CONTAINS(text_of(report, NULL, "app"), path);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

#define ALL_WRONG                                                                                  \
	"\"io_uring\":true,\"node_cluster\":true,\"pm2\":true,\"listen_fds\":true,"                \
	"\"other_network\":false,\"other_root\":true,\"unreadable\":2,\"listens\":["

TEST(all_that_is_wrong_is_said_and_no_more_than_there_is_room_for)
{
	static const char report[] = "verdict=yes\nbackend=preload\nfirst=libasan.so.8\n"
				     "io_uring=linked\n";
	char process[16384] = PROCESS(ALL_WRONG "]");
	const char *text = text_of(report, process, "app");

	CHECK_EQ(count(text, "\n  - "), 9);
	CHECK_CONTAINS(text, "\n\n  - it has an io_uring open");
	CHECK_CONTAINS(text, "  - it listens on no TCP port as far as can be seen\n");
	CHECK_CONTAINS(text, "  - 2 processes of it cannot be read by this user");
	CHECK_CONTAINS(text, "  - it is built with a sanitizer (libasan.so.8)");
	/* As many listeners as there may be: they can all be read. */
	process[strlen(process) - 2] = '\0';
	for (int i = 0; i < 64; i++)
		strcat(strcat(process, i ? "," : ""), LISTENER("0.0.0.0:3000", "3000", "2"));
	strcat(process, "]}");
	text = text_of(report, process, "app");
	CHECK_EQ(count(text, "\n  - "), DOCTOR_NOTES);
	CHECK_EQ(count(text, "\n  listens on "), 64);
	CHECK_EQ(count(text, "\nlisten = "), 64);
	CHECK_EQ(count(text, "opened 2 times (SO_REUSEPORT)"), DOCTOR_NOTES - 4);
}

TAP_MAIN()
