/* links: broker/ctl/convert_read broker/ctl/convert_service broker/base/strbuf */
/* links: broker/base/address broker/base/words broker/base/units broker/config/conf_read */
/* links: broker/config/conf_check broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/option_word broker/config/health_probe */
/* links: broker/config/conf */
/* links: broker/base/paths */
#include "ctl/convert_read.h"
#include "base/strbuf.h"

#include "tap.h"

static const char services[] = "# a comment\n"
			       "echo\t\t7/tcp\n"
			       "echo\t\t7/udp\n"
			       "ftp\t\t21/tcp\n"
			       "smtp\t\t25/tcp\t\tmail  # a comment\n"
			       "discard\t9/tcp\tsink null\n"
			       "tftp\t\t69/udp\n"
			       "finger\t\t79/tcp";

static char out[1 << 17], errors[4096];

static void include(struct convert *c, const char *path, bool is_directory)
{
	convert_remark(c, "include %s %s", path, is_directory ? "and all in it" : "alone");
}

/* What becomes of the file "f"; what is wrong is in errors[]. */
static const char *converted(const char *text)
{
	static struct convert c;
	static char copy[1 << 16];

	c = (struct convert){
		.services = services,
		.include = include,
		.out = STRBUF_GROWS(sizeof(out) - 1),
		.errors = STRBUF_GROWS(sizeof(errors) - 1),
	};
	assert(strlen(text) < sizeof(copy));
	convert_read(&c, "f", strcpy(copy, text));
	CHECK(!c.out.cut && !c.errors.cut);
	strbuf_add_bytes(&c.out, "", 1);
	strbuf_add_bytes(&c.errors, "", 1);
	memcpy(out, c.out.text, c.out.len);
	memcpy(errors, c.errors.text, c.errors.len);
	strbuf_deinit(&c.out);
	strbuf_deinit(&c.errors);
	return out;
}

/* --- inetd --------------------------------------------------------------------------------- */

TEST(lines_of_inetd)
{
	CHECK_STR(
		converted(
			"# a comment\n"
			"\n"
			"finger stream tcp nowait nobody /usr/sbin/in.fingerd in.fingerd -w\n"
			"tftp\tdgram\tudp\twait\troot:tftp\t/usr/sbin/in.tftpd in.tftpd -s /srv\r\n"
			"2000 stream tcp wait root.adm /bin/x x 'a'\n"),
		"[service:finger]\nmode = inetd\nlisten = 79\n"
		"command = /usr/sbin/in.fingerd -w\nstderr = connection\nuser = nobody\n\n"
		"[service:tftp]\nmode = inetd\nwait = yes\nlisten = udp 69\n"
		"command = /usr/sbin/in.tftpd -s /srv\nuser = root\ngroup = tftp\n\n"
		"[service:2000]\nmode = inetd\nwait = yes\nworkers = 1\nlisten = 2000\n"
		"command = /bin/x \"'a'\"\nuser = root\ngroup = adm\n\n");
	CHECK_STR(errors, "");
}

TEST(addresses_and_families)
{
	CHECK_CONTAINS(converted("127.0.0.1:ftp stream tcp nowait root /x x\n"),
		       "[service:ftp]\nmode = inetd\nlisten = 127.0.0.1:21\n");
	CHECK_CONTAINS(converted("127.0.0.1,[::1]:ftp stream tcp nowait root /x x\n"),
		       "\nlisten = 127.0.0.1:21\nlisten = [::1]:21\n");
	CHECK_CONTAINS(converted("ftp stream tcp4 nowait root /x x\n"), "\nlisten = 0.0.0.0:21\n");
	CHECK_CONTAINS(converted("ftp stream tcp6 nowait root /x x\n"),
		       "\nlisten = [::]:21\nv6only = yes\n");
	CHECK_CONTAINS(converted("ftp stream tcp46 nowait root /x x\n"),
		       "\nlisten = [::]:21\ncommand");
	CHECK_CONTAINS(converted("tftp dgram udp4 wait root /x x\n"),
		       "\nlisten = udp 0.0.0.0:69\n");
	/* An address alone is for the lines below it, and "*" for every address again. */
	CHECK_STR(converted("127.0.0.2:\nftp stream tcp nowait a /x x\n*:\n"
			    "mail stream tcp nowait a /x x\n"),
		  "[service:ftp]\nmode = inetd\nlisten = 127.0.0.2:21\ncommand = /x\n"
		  "stderr = connection\nuser = a\n\n"
		  "[service:mail]\nmode = inetd\nlisten = 25\ncommand = /x\n"
		  "stderr = connection\nuser = a\n\n");
	CHECK_CONTAINS(converted("127.0.0.2,127.0.0.3:\nftp stream tcp nowait a /x x\n"),
		       "\nlisten = 127.0.0.2:21\nlisten = 127.0.0.3:21\n");
	CHECK_CONTAINS(converted("localhost:ftp stream tcp nowait a /x x\n"),
		       "# f:1: the broker looks up no names of hosts: write the address of "
		       "localhost\n#[service:ftp]\n#mode = inetd\n");
}

TEST(what_columns_say_beside)
{
	CHECK_CONTAINS(converted("ftp stream tcp,rcvbuf=64k,sndbuf=1m nowait a /x x\n"),
		       "\nso_rcvbuf = 64k\nso_sndbuf = 1m\n");
	CHECK_CONTAINS(converted("ftp stream tcp nowait.100 a /x x\n"),
		       "# f:1: nowait.100: no rate stops a service here");
	CHECK_CONTAINS(converted("ftp stream tcp nowait:100 a /x x\n"), "nowait.100: ");
}

TEST(names_of_programs)
{
	CHECK_CONTAINS(converted("ftp stream tcp nowait a /usr/sbin/tcpd /usr/sbin/in.ftpd -l\n"),
		       "\ncommand = /usr/sbin/in.ftpd -l\n");
	CHECK_CONTAINS(out, "# f:1: tcpd asked hosts.allow");
	CHECK_CONTAINS(converted("ftp stream tcp nowait a /usr/sbin/tcpd in.ftpd\n"),
		       "\ncommand = /usr/sbin/in.ftpd\n");
	CHECK_CONTAINS(converted("ftp stream tcp nowait a /usr/bin/cvs cvs-pserver pserver\n"),
		       "# f:1: argv[0] was cvs-pserver, and is /usr/bin/cvs now");
	CHECK_CONTAINS(out, "\ncommand = /usr/bin/cvs pserver\n");
	CHECK(!strstr(converted("ftp stream tcp nowait a /x/in.ftpd in.ftpd\n"), "argv[0]"));
	/* Words that a shell would act on. */
	CHECK_CONTAINS(converted("ftp stream tcp nowait a /x x $a a;b a,b #c\n"),
		       "\ncommand = /x '$a' 'a;b' a,b '#c'\n");
}

TEST(what_inetd_does_itself)
{
	CHECK_CONTAINS(converted("echo stream tcp nowait root internal\n"),
		       "# f:1: internal: the broker itself answers nobody");
	CHECK_CONTAINS(
		converted("echo dgram udp wait root internal\n"),
		"command = cat)\n#[service:echo]\n#mode = inetd\n#wait = yes\n#listen = udp 7\n");
	CHECK_CONTAINS(converted("tcpmux stream tcp nowait root internal\n"),
		       "# f:1: tcpmux: give it a port of its own");
	CHECK_CONTAINS(converted("tcpmux/+date stream tcp nowait a /bin/date date\n"),
		       "#[service:tcpmux--date]\n#mode = inetd\n#command = /bin/date\n");
	CHECK_CONTAINS(
		converted("rstatd/1-3 dgram rpc/udp wait root /usr/sbin/rpc.rstatd rpc.rstatd\n"),
		"# f:1: RPC: the broker does not register with rpcbind; let it run by "
		"itself\n#[service:rstatd-1-3]\n");
	CHECK_CONTAINS(converted("/run/x.sock stream unix nowait root /x x\n"),
		       "[service:x-sock]\nmode = inetd\nlisten = /run/x.sock\ncommand = /x\n");
	CHECK_CONTAINS(converted("/run/x.sock dgram unix wait root /x x\n"),
		       "# f:1: dgram unix: mode = inetd serves TCP, UDP and stream sockets at a "
		       "path alone\n#[service:x-sock]\n");
	CHECK_CONTAINS(converted("echo raw tcp nowait root /x x\n"), "# f:1: raw tcp: ");
	CHECK_CONTAINS(converted("tftp dgram udp nowait root /x x\n"),
		       "# f:1: dgram without wait: one process at a time gets all datagrams\n"
		       "[service:tftp]\nmode = inetd\nwait = yes\nlisten = udp 69\n");
	CHECK_STR(errors, "");
}

TEST(lines_that_are_switched_off)
{
	CHECK_STR(converted("#<off># finger stream tcp nowait nobody /x/in.fingerd in.fingerd\n"
			    "#<off># not a service\n"
			    "#finger stream tcp nowait nobody /x/in.fingerd in.fingerd\n"),
		  "# f:1: disabled\n#[service:finger]\n#mode = inetd\n#listen = 79\n"
		  "#command = /x/in.fingerd\n#stderr = connection\n#user = nobody\n\n");
	CHECK_STR(errors, "");
}

TEST(mistakes_of_inetd)
{
	(void)converted("ftp stream tcp nowait root\n"
			"nothere stream tcp nowait a /x x\n"
			"ftp stream tcp perhaps a /x x\n");
	CHECK_STR(errors,
		  "f:1: a line of inetd.conf has at least 6 words: SERVICE TYPE PROTOCOL WAIT USER "
		  "PROGRAM\n"
		  "f:2: there is no service nothere/tcp in /etc/services\n"
		  "f:3: perhaps is neither wait nor nowait\n");
	CHECK_CONTAINS(out, "# f:2: write its port\n#[service:nothere]\n#mode = inetd\n#command");
	/* tftp is UDP's. */
	(void)converted("tftp stream tcp nowait a /x x\n");
	CHECK_CONTAINS(errors, "f:1: there is no service tftp/tcp");
}

TEST(names_of_sections)
{
	(void)converted("ftp stream tcp4 nowait a /x x\nftp stream tcp6 nowait a /x x\n"
			"ftp stream tcp6 nowait a /x x\n");
	CHECK_CONTAINS(out, "[service:ftp]\n");
	CHECK_CONTAINS(out, "[service:ftp-2]\n");
	CHECK_CONTAINS(out, "[service:ftp-3]\n");
}

/* --- xinetd -------------------------------------------------------------------------------- */

#define SERVICE(settings)                                                                          \
	"service ftp\n{\nsocket_type = stream\nwait = no\nuser = a\nserver = "                     \
	"/x/in.ftpd\n" settings "}\n"

TEST(a_service_of_xinetd)
{
	CHECK_STR(converted("# default: off\n"
			    "service tftp\n"
			    "{\n"
			    "\tsocket_type\t= dgram\n"
			    "\tprotocol\t= udp\n"
			    "\twait\t\t= yes\n"
			    "\tuser\t\t= root\n"
			    "\tserver\t\t= /usr/sbin/in.tftpd\n"
			    "\tserver_args\t= -s /srv/tftp\n"
			    "\tdisable\t\t= no\n"
			    "\tper_source\t= 11\n"
			    "\tcps\t\t= 100 2\n"
			    "\tflags\t\t= IPv4\n"
			    "}\n"),
		  "# f:11: per_source = 11: the broker asks nobody where clients come from: write "
		  "it as a rule of the firewall (in nftables: ct count)\n"
		  "# f:12: cps = 100 2: no rate stops a service here: more clients than processes "
		  "allows wait\n"
		  "[service:tftp]\nmode = inetd\nwait = yes\nlisten = udp 0.0.0.0:69\n"
		  "command = /usr/sbin/in.tftpd -s /srv/tftp\nuser = root\n\n");
	CHECK_STR(errors, "");
}

/* Each key that is an option here, and what becomes of it. */
TEST(keys_that_are_options)
{
	static const char *const keys[][2] = {
		{ "group = g\n", "group = g\n" },
		{ "umask = 027\n", "umask = 027\n" },
		{ "nice = -5\n", "nice = -5\n" },
		{ "rlimit_as = 64M\n", "limit_as = 64M\n" },
		{ "rlimit_as = UNLIMITED\n", "limit_as = unlimited\n" },
		{ "rlimit_files = 100\n", "limit_nofile = 100\n" },
		{ "instances = 7\n", "processes = 7\n" },
		{ "port = 2121\n", "listen = 2121\n" },
		{ "bind = 127.0.0.1\n", "listen = 127.0.0.1:21\n" },
		{ "interface = ::1\n", "listen = [::1]:21\n" },
		{ "flags = REUSE IPv6\n", "listen = [::]:21\n" },
		{ "flags = IPv6\nv6only = yes\n", "v6only = yes\n" },
		{ "flags = NODELAY KEEPALIVE\n", "tcp_nodelay = yes\nso_keepalive = yes\n" },
		{ "env = A=1 B=$x\n", "environment = A=1\nenvironment = 'B=$x'\n" },
		{ "instances = UNLIMITED\n", "user = a\n\n" },
		{ "server_args = a\nserver_args += b\n", "command = /x/in.ftpd a b\n" },
		{ "flags = NAMEINARGS\nserver_args = in.ftpd -l\n", "command = /x/in.ftpd -l\n" },
		{ "redirect = 10.0.0.1 80\n", "command = socat STDIO TCP:10.0.0.1:80\n" },
		{ "redirect = ::1 80\n", "command = socat STDIO TCP:[::1]:80\n" },
		{ "id = my-ftp\n", "[service:my-ftp]\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		STRBUF(text, 1024);

		strbuf_addf(&text, SERVICE("%s"), keys[i][0]);
		CHECK_CONTAINS(converted(text.text), keys[i][1]);
		CHECK_STR(errors, "");
	}
}

/* It would mean nothing there. */
TEST(one_process_that_waits_has_no_limit_of_processes)
{
	(void)converted(SERVICE("wait = yes\ninstances = 5\n"));
	CHECK_CONTAINS(out, "\nwait = yes\nworkers = 1\n");
	CHECK(!strstr(out, "processes"));
}

/* A comment for each, with its line, and the service is there all the same. */
TEST(keys_without_counterpart)
{
	static const char *const keys[] = {
		"only_from = 10.0.0.0/8",
		"no_access += 10.0.0.1",
		"per_source = 5",
		"access_times = 2:00-8:59",
		"cps = 25 30",
		"max_load = 2.5",
		"log_type = FILE /x",
		"log_on_success += PID",
		"log_on_failure = HOST",
		"banner = /etc/issue",
		"banner_success = /x",
		"banner_fail = /x",
		"rlimit_cpu = 10",
		"rlimit_data = 1M",
		"rlimit_rss = 1M",
		"rlimit_stack = 1M",
		"groups = yes",
		"libwrap = ftpd",
		"deny_time = FOREVER",
		"mdns = no",
		"flags = INTERCEPT",
		"flags = LABELED",
		"passenv = PATH",
		"typo = 1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		STRBUF(text, 1024);
		STRBUF(comment, 256);

		strbuf_addf(&text, SERVICE("%s\n"), keys[i]);
		/* What the section decides has the line of the section. */
		strbuf_addf(&comment, ": %s: ", keys[i]);
		CHECK_CONTAINS(converted(text.text), comment.text);
		CHECK_CONTAINS(out, "# f:");
		CHECK_CONTAINS(out, "\n[service:ftp]\nmode = inetd\nlisten = 21\n");
		CHECK_STR(errors, "");
	}
}

TEST(defaults_are_inherited)
{
	(void)converted(
		"defaults\n{\ninstances = 60\nbind = 127.0.0.1\ndisabled = smtp\n"
		"env = A=1 B=2\nlog_type = SYSLOG daemon\n}\n" SERVICE("env -= A=1\nenv += C=3\n")
			SERVICE("instances = 5\nid = other\nenv = D=4\n") "service "
									  "smtp\n{\nsocket_type = "
									  "stream\nwait = "
									  "no\nserver = /x\n}\n");
	CHECK_STR(out,
		  "# f:7: log_type = SYSLOG daemon: the broker logs by its own rules: see log "
		  "and log_level\n"
		  "[service:ftp]\nmode = inetd\nlisten = 127.0.0.1:21\ncommand = /x/in.ftpd\n"
		  "stderr = connection\nuser = a\nprocesses = 60\nenvironment = B=2\n"
		  "environment = C=3\n\n"
		  "[service:other]\nmode = inetd\nlisten = 127.0.0.1:21\ncommand = /x/in.ftpd\n"
		  "stderr = connection\nuser = a\nprocesses = 5\nenvironment = D=4\n\n"
		  "# f:28: disabled\n"
		  "#[service:smtp]\n#mode = inetd\n#listen = 127.0.0.1:25\n#command = /x\n"
		  "#stderr = connection\n#processes = 60\n#environment = A=1\n"
		  "#environment = B=2\n\n");
}

TEST(services_of_xinetd_that_are_off)
{
	CHECK_CONTAINS(converted(SERVICE("disable = yes\n")), "# f:1: disabled\n#[service:ftp]\n");
	CHECK_CONTAINS(converted("defaults\n{\nenabled = tftp\n}\n" SERVICE("")),
		       "# f:5: disabled\n#[service:ftp]\n");
	CHECK_CONTAINS(converted("defaults\n{\nenabled = tftp ftp\n}\n" SERVICE("")),
		       "[service:ftp]\nmode");
	CHECK_CONTAINS(converted(SERVICE("type = RPC\nrpc_version = 1\n")), "# f:1: RPC: ");
	CHECK_CONTAINS(converted(SERVICE("flags = SENSOR\n")), "# f:1: SENSOR: ");
	CHECK_CONTAINS(converted(SERVICE("type = TCPMUX\n")), "# f:1: tcpmux: ");
	/* Nobody has to mend what is switched off. */
	CHECK_CONTAINS(converted("service none\n{\ndisable = yes\n}\n"),
		       "# f:1: disabled; write its port; write command = PROGRAM ARGUMENTS\n");
	CHECK_STR(errors, "");
	CHECK_CONTAINS(converted("service echo\n{\ntype = INTERNAL\nid = echo-stream\n"
				 "socket_type = stream\nwait = no\n}\n"),
		       "#[service:echo-stream]\n#mode = inetd\n#listen = 7\n#stderr");
	CHECK_CONTAINS(converted(SERVICE("type = UNLISTED\nport = 5000\n")), "\nlisten = 5000\n");
}

TEST(what_xinetd_includes)
{
	CHECK_STR(converted("includedir /etc/xinetd.d\ninclude /etc/other"),
		  "# f:1: include /etc/xinetd.d and all in it\n# f:2: include /etc/other alone\n");
}

TEST(braces)
{
	CHECK_CONTAINS(converted("service ftp {\nserver = /x\n}"), "\ncommand = /x\n");
	CHECK_CONTAINS(converted("service ftp\n\n# c\n{\n\n# c\nserver = /x\n}"),
		       "\ncommand = /x\n");
}

TEST(mistakes_of_xinetd)
{
	(void)converted("service ftp\n{\nserver = /x\n");
	CHECK_STR(errors, "f:3: what begins in line 1 does not end: there is no }\n");
	(void)converted("service ftp\n{\nserver /x\n}\nserver = /x\n");
	CHECK_STR(errors, "f:3: a line that is not KEY = VALUE\n"
			  "f:1: service ftp has no server\n"
			  "f:5: server: neither service NAME, defaults, include nor includedir\n");
	(void)converted("service ftp\nserver = /x\n}\n");
	CHECK_STR(errors, "f:2: there is no { below line 1\nf:1: service ftp has no server\n");
	(void)converted("service ftp\n}\nserver = /x\n}\n");
	CHECK_CONTAINS(errors, "f:2: there is no { below line 1\n");
	(void)converted("service\n{\n}\n");
	CHECK_CONTAINS(errors, "f:1: service: neither");
}

/* --- any file ------------------------------------------------------------------------------ */

TEST(nothing_is_no_service)
{
	CHECK_STR(converted(""), "");
	CHECK_STR(converted("# only\n#comments\n\n"), "");
	CHECK_STR(errors, "");
}

TEST(values_that_are_too_long)
{
	static char text[5000];

	for (int n = 900; n < 1300; n += 40) {
		(void)snprintf(text, sizeof(text),
			       SERVICE("server_args = %0*d\nserver_args += %0*d\n"), n, 1, 300, 1);
		(void)converted(text);
		CHECK(n < 1024 - 301 ? !*errors : strstr(errors, "bytes\n") != NULL);
	}
	(void)snprintf(text, sizeof(text), "%02000d stream tcp nowait a /x %02000d\n", 1, 1);
	(void)converted(text);
	CHECK_CONTAINS(errors, "server_args is longer than 1023 bytes\n");
}

TEST(control_characters_do_not_reach_a_terminal)
{
	(void)converted(SERVICE("only_from = \033[2J\nenv = A=\033\nid = \033\n"));
	CHECK(!strchr(out, '\033'));
	CHECK_CONTAINS(out, "only_from = \\x1b[2J");
}

/* Whatever stands in a file, there is an end, and nothing is written that is no text. */
TEST(random_damage_is_survived)
{
	static const char good[] = "defaults\n{\ninstances = 60\n}\n" SERVICE(
		"env += A=1\nbind = ::1\nport = 7\n") "includedir /x\n";
	static const char lines[] =
		"127.0.0.1,[::1]:ftp stream tcp6,rcvbuf=1k nowait.5 a:b /x x y\n"
		"#<off># tftp dgram udp wait root /x/tcpd in.tftpd\n*:\n";
	unsigned long long state = tap_seed();
	static const char marks[] = "\n\t :.,={}+-#/*[]\r\001\200a0";

	for (int i = 0; i < 3000; i++) {
		char text[sizeof(good) + sizeof(lines)];
		size_t n;

		strcpy(text, i % 2 ? good : lines);
		n = strlen(text);
		for (int k = 0; k < 1 + i % 8; k++)
			text[tap_random(&state, (unsigned)n)] =
				marks[tap_random(&state, sizeof(marks) - 1)];
		(void)converted(text);
		CHECK(!strchr(out, '\001') && !strchr(out, '\200'));
	}
}

TAP_MAIN()
