/* links: broker/ctl/doctor_judge broker/ctl/doctor_text broker/base/buf */
/* links: broker/base/json broker/base/strbuf broker/base/address */
/* links: broker/config/conf broker/config/conf_error broker/config/conf_read */
/* links: broker/base/nearest broker/config/option */
/* links: broker/config/option_table broker/config/option_list */
/* links: broker/config/option_word broker/base/strlist */
/* links: broker/base/units broker/base/words */
#include "ctl/doctor_judge.h"
#include "ctl/doctor_text.h"

#include "tap.h"

static char good_report[] = "path=/usr/bin/npm\nscript=/usr/bin/npm\nscript=/usr/bin/env\n"
			    "binary=/usr/bin/node\nclass=64\nmachine=x86-64\nlinkage=dynamic\n"
			    "interpreter=/lib64/ld-linux-x86-64.so.2\nlibc=glibc\ngo=no\nnews=1\n"
			    "verdict=yes\nbackend=preload\n";

static const char *text_of(const struct doctor_facts *f,
			   void (*print)(const struct doctor_facts *, struct buf *))
{
	static char text[16384];
	struct buf out = BUF_INIT(sizeof(text) - 1);

	print(f, &out);
	CHECK(!out.failed);
	memcpy(text, out.bytes ? out.bytes : "", out.len);
	text[out.len] = '\0';
	buf_deinit(&out);
	return text;
}

static struct doctor_facts facts_of(char *report, const char *const *command)
{
	struct doctor_facts f = { .command = command };

	CHECK(doctor_report_parse(report, &f.program));
	return f;
}

static struct doctor_listener listener(const char *ip, uint16_t port)
{
	struct doctor_listener l = { .addr = { .family = 4, .port = port },
				     .sockets = 1,
				     .holders = 1,
				     .pid = 812,
				     .name = "node" };

	(void)sscanf(ip, "%hhu.%hhu.%hhu.%hhu", &l.addr.ip[0], &l.addr.ip[1], &l.addr.ip[2],
		     &l.addr.ip[3]);
	return l;
}

TEST(a_report_is_cut_into_what_is_known)
{
	char text[sizeof(good_report)];
	struct doctor_program p;

	strcpy(text, good_report);
	CHECK(doctor_report_parse(text, &p));
	CHECK_EQ(p.n_scripts, 2);
	CHECK_STR(p.scripts[1], "/usr/bin/env");
	CHECK_STR(p.binary, "/usr/bin/node");
	CHECK_STR(p.verdict, "yes");
	CHECK(!p.privilege && !p.reason && !p.first);
}

TEST(a_report_without_a_verdict_is_none)
{
	char empty[] = "", half[] = "path=/bin/true\nbinary", noise[] = "\n\n=\n==\nverdict";
	struct doctor_program p;

	CHECK(!doctor_report_parse(empty, &p));
	CHECK(!doctor_report_parse(half, &p));
	CHECK(!doctor_report_parse(noise, &p));
}

TEST(more_scripts_than_there_is_room_for_are_dropped)
{
	char text[400] = "verdict=yes\n";
	struct doctor_program p;

	for (int i = 0; i < 20; i++)
		strcat(text, "script=/a\n");
	CHECK(doctor_report_parse(text, &p));
	CHECK_EQ(p.n_scripts, DOCTOR_SCRIPTS);
}

TEST(a_command_that_can_be_served)
{
	static const char *const command[] = { "npm", "start", NULL };
	char report[sizeof(good_report)];
	struct doctor_facts f;

	strcpy(report, good_report);
	f = facts_of(report, command);
	CHECK_STR(text_of(&f, doctor_print_text),
		  "npm start\n"
		  "  served       yes: back end preload, mode listen\n"
		  "  script       /usr/bin/npm\n"
		  "  script       /usr/bin/env\n"
		  "  program      /usr/bin/node: 64-bit, x86-64, dynamic, glibc\n"
		  "  linker       /lib64/ld-linux-x86-64.so.2\n"
		  "\n"
		  "  - /usr/bin/npm is a script: what was looked at is its interpreter "
		  "/usr/bin/node. What the\n"
		  "    script starts inherits the preparation, but a program that is static, or "
		  "written in Go,\n"
		  "    would not be served: ask about that one by its name\n"
		  "\n"
		  "For broker.ini:\n"
		  "\n"
		  "[service:start]\n"
		  "command = npm start\n");
}

TEST(one_that_cannot_gets_the_reason_and_no_section)
{
	static const char *const command[] = { "./still", NULL };
	char report[] = "path=./still\nbinary=./still\nclass=64\nmachine=x86-64\nlinkage=static\n"
			"go=no\nverdict=no\nreason=./still is statically linked\n";
	struct doctor_facts f = facts_of(report, command);

	CHECK_STR(text_of(&f, doctor_print_text),
		  "./still\n"
		  "  served       no\n"
		  "  why          ./still is statically linked\n"
		  "  program      ./still: 64-bit, x86-64, static\n");
	CHECK_STR(text_of(&f, doctor_section), "");
	CHECK_CONTAINS(text_of(&f, doctor_print_json), "\"served\":false,\"backend\":null,");
	CHECK_CONTAINS(text_of(&f, doctor_print_json), "\"section\":\"\"}\n");
}

TEST(the_section_of_a_process_has_what_it_needs)
{
	static const char *const command[] = { "/opt/node/bin/node", "/srv/my shop/shop.js", NULL };
	char report[sizeof(good_report)];
	static struct doctor_process p = { .pid = 812,
					   .uid = 33,
					   .user = "www",
					   .name = "MainThread",
					   .exe = "/opt/node/bin/node",
					   .cwd = "/srv/my shop",
					   .io_uring = true };
	struct doctor_facts f;

	strcpy(report, good_report);
	f = facts_of(report, command);
	f.process = &p;
	p.listeners[p.n_listeners++] = listener("0.0.0.0", 3000);
	p.listeners[p.n_listeners++] = listener("127.0.0.1", 9229);
	CHECK_STR(text_of(&f, doctor_section),
		  "[service:shop]\n"
		  "command = /opt/node/bin/node '/srv/my shop/shop.js'\n"
		  "directory = '/srv/my shop'\n"
		  "user = www\n"
		  "environment = UV_USE_IO_URING=0\n"
		  "listen = 0.0.0.0:3000 for 3000\n"
		  "private_ports = 9229\n");
	CHECK_CONTAINS(text_of(&f, doctor_print_text),
		       "  process      812 (MainThread), user www, in /srv/my shop\n"
		       "  listens on   0.0.0.0:3000 (node, pid 812)\n");
	p.same_user = true;
	CHECK(!strstr(text_of(&f, doctor_section), "user ="));
	snprintf(p.worker, sizeof(p.worker), "web.0");
	CHECK_STR(text_of(&f, doctor_section), "");
}

/* Only one of 127.0.0.1 is a debugger's: on a public address it may be the app itself. */
TEST(a_public_port_is_no_debuggers)
{
	static const char *const command[] = { "app", NULL };
	char report[] = "verdict=yes\nbackend=preload\n";
	static struct doctor_process p = { .pid = 812, .user = "root", .same_user = true };
	struct doctor_facts f = facts_of(report, command);

	f.process = &p;
	p.listeners[p.n_listeners++] = listener("0.0.0.0", 9229);
	CHECK_STR(text_of(&f, doctor_section),
		  "[service:app]\ncommand = app\nlisten = 0.0.0.0:9229 for 9229\n");
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
		{ { "./7" }, "app" },
		{ { "./.hidden" }, "app" },
		{ { "./\xc3\xa4" }, "app" },
		{ { "/" }, "app" },
		{ { "nodejs-like", "x.js" }, "nodejs-like" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char report[] = "verdict=yes\nbackend=preload\n", want[64];
		struct doctor_facts f = facts_of(report, cases[i].command);

		snprintf(want, sizeof(want), "[service:%s]\n", cases[i].name);
		CHECK_CONTAINS(text_of(&f, doctor_section), want);
	}
}

TEST(nothing_from_outside_steers_the_terminal)
{
	static const char *const command[] = { "a\x1b[2J\n", NULL };
	char report[] = "path=/a\x1b]0;x\nbinary=/b\x1b\nscript=/c\x1b\nverdict=no\n"
			"reason=\x1b[1mbold\n";
	static struct doctor_process p = { .pid = 812, .user = "root" };
	struct doctor_facts f = facts_of(report, command);
	const char *text;

	strcpy(p.name, "n\x1b");
	strcpy(p.exe, "/e\x1b");
	strcpy(p.cwd, "/d\x1b");
	strcpy(p.worker, "w\x1b");
	f.process = &p;
	text = text_of(&f, doctor_print_text);
	CHECK(!strchr(text, '\x1b'));
	CHECK(!strchr(text_of(&f, doctor_print_json), '\x1b'));
}

TEST(all_that_is_wrong_is_said_and_no_more_than_there_is_room_for)
{
	static const char *const command[] = { "app", NULL };
	char report[] = "verdict=yes\nbackend=preload\nfirst=libasan.so.8\nio_uring=linked\n";
	static struct doctor_process p = { .pid = 812,
					   .user = "root",
					   .io_uring = true,
					   .node_cluster = true,
					   .pm2 = true,
					   .listen_fds = true,
					   .other_root = true,
					   .unreadable = 2 };
	struct doctor_facts f = facts_of(report, command);
	static struct doctor_notes notes;

	for (int i = 0; i < DOCTOR_LISTENERS; i++) {
		p.listeners[i] = listener("0.0.0.0", (uint16_t)(3000 + i));
		p.listeners[i].sockets = 2;
	}
	f.process = &p;
	doctor_judge(&f, &notes);
	CHECK_EQ(notes.n, 9);
	p.n_listeners = DOCTOR_LISTENERS;
	doctor_judge(&f, &notes);
	CHECK_EQ(notes.n, DOCTOR_NOTES);
	CHECK_CONTAINS(notes.text[0], "UV_USE_IO_URING=0");
	CHECK_CONTAINS(notes.text[4], "opened 2 times (SO_REUSEPORT)");
}

TAP_MAIN()
