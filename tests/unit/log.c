/* links: broker/sys/log broker/sys/loop broker/base/heap broker/base/strbuf broker/base/json */
/* links: broker/sys/unix_socket broker/sys/safe_path broker/sys/proc broker/sys/dir */
/* links: broker/sys/starter */
/* links: broker/sys/starter_wire broker/sys/spawn broker/sys/confine broker/sys/pair */
/* links: broker/sys/retire broker/sys/program broker/sys/rights broker/base/units */
/* links: broker/policy/histogram */
/* links: broker/sys/pid_set */
#include "sys/log.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct broker_conf conf = { .log = LOG_TO_FILE, .log_level = LEVEL_INFO };
static char dir[] = "/tmp/broker-log-XXXXXX", path[64], old_path[80];

static void start_file(enum conf_log_format format)
{
	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(old_path, sizeof(old_path), "%s.1", path);
	conf.log_path = path;
	conf.log_format = format;
	CHECK_EQ(log_open(&conf, NULL, NULL), 0);
	log_configure(&conf, 0);
}

static void stop_file(void)
{
	log_close(0);
	(void)unlink(path);
	(void)unlink(old_path);
	CHECK_EQ(rmdir(dir), 0);
}

/* The log opens a pipe by its name; it is then the reader that decides how fast it goes. */
static int start_pipe(enum conf_log_format format)
{
	int ends[2];

	CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	conf.log_path = path;
	conf.log_format = format;
	CHECK_EQ(log_open(&conf, NULL, NULL), 0);
	log_configure(&conf, 0);
	close(ends[1]);
	return ends[0];
}

static const char *contents(const char *file)
{
	static char text[512 * 1024];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	CHECK(n >= 0);
	text[n] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* --- a strict reader of JSON (RFC 8259), as far as the log needs one -------------------------- */

static bool json_string(const char **at)
{
	const unsigned char *c = (const unsigned char *)*at;

	if (*c++ != '"')
		return false;
	while (*c != '"') {
		if (*c < 0x20 || *c == 0x7f)
			return false;
		if (*c >= 0x80) {
			/* UTF-8: a lead byte, then its continuation bytes. */
			unsigned more = *c >= 0xf0 ? 3 : *c >= 0xe0 ? 2 : 1;

			if (*c < 0xc2 || *c > 0xf4)
				return false;
			c++;
			while (more--)
				if ((*c++ & 0xc0) != 0x80)
					return false;
			continue;
		}
		if (*c == '\\' && !strchr("\"\\/bfnrt", *++c))
			return false;
		c++;
	}
	*at = (const char *)c + 1;
	return true;
}

/* One flat object, and nothing behind it. */
static bool json_line(const char *at)
{
	if (*at++ != '{')
		return false;
	do {
		if (!json_string(&at) || *at++ != ':')
			return false;
		if (*at == '"') {
			if (!json_string(&at))
				return false;
		} else if (!strncmp(at, "true", 4)) {
			at += 4;
		} else if (!strncmp(at, "false", 5)) {
			at += 5;
		} else {
			size_t n = strspn(at, "-0123456789");

			if (!n)
				return false;
			at += n;
		}
	} while (*at++ == ',');
	return at[-1] == '}' && *at == '\0';
}

/* --- form ------------------------------------------------------------------------------------- */

TEST(text_is_for_people)
{
	start_file(FORMAT_TEXT);
	log_event(LEVEL_INFO, "worker-ready", LOG_STR("worker", "web.0"), LOG_INT("pid", 812),
		  LOG_BOOL("serving", true), LOG_STR("how", "exit 1"), LOG_STR("what", "x"),
		  LOG_STR("none", ""), LOG_MSG("listens on port %u", 3000u));
	CHECK_CONTAINS(contents(path), " info  web.0 worker-ready: listens on port 3000 "
				       "(pid=812 serving=yes how=\"exit 1\" what=x none=\"\")\n");
	stop_file();
}

TEST(the_service_is_not_said_twice)
{
	start_file(FORMAT_TEXT);
	log_event(LEVEL_INFO, "listen", LOG_STR("service", "web"), LOG_INT("port", 80));
	log_event(LEVEL_INFO, "worker-exit", LOG_STR("service", "web"), LOG_STR("worker", "web.0"),
		  LOG_INT("pid", 812));
	CHECK_CONTAINS(contents(path), " info  web listen (port=80)\n");
	CHECK_CONTAINS(contents(path), " info  web.0 worker-exit (pid=812)\n");
	stop_file();
}

TEST(json_is_for_programs)
{
	char *nl, *text;

	start_file(FORMAT_JSON);
	log_event(LEVEL_WARN, "worker-exit", LOG_STR("worker", "web.0"), LOG_INT("pid", -3),
		  LOG_BOOL("serving", false), LOG_MSG("say \"%s\"", "hi"));
	text = strdup(contents(path));
	nl = strchr(text, '\n');
	CHECK(nl && !nl[1]);
	*nl = '\0';
	CHECK(json_line(text));
	CHECK_CONTAINS(text, ",\"level\":\"warn\",\"event\":\"worker-exit\",\"worker\":\"web.0\","
			     "\"pid\":-3,\"serving\":false,\"message\":\"say \\\"hi\\\"\"}");
	free(text);
	stop_file();
}

TEST(a_field_without_a_value_is_left_out)
{
	start_file(FORMAT_TEXT);
	log_event(LEVEL_INFO, "reload", LOG_STR("service", "web"), LOG_STR("worker", NULL),
		  LOG_STR("keys", NULL), LOG_INT("of", 2));
	log_event(LEVEL_INFO, "reload", LOG_STR("keys", NULL));
	CHECK_CONTAINS(contents(path), " info  web reload (of=2)\n");
	CHECK_CONTAINS(contents(path), " info  reload\n");
	stop_file();
}

TEST(a_field_without_a_value_is_not_in_json)
{
	start_file(FORMAT_JSON);
	log_event(LEVEL_INFO, "reload", LOG_STR("keys", NULL), LOG_INT("of", 2));
	CHECK_CONTAINS(contents(path), ",\"event\":\"reload\",\"of\":2}\n");
	stop_file();
}

/* What a worker may print, a client may send, or a file may be called. */
static const char *const hostile[] = {
	"a\nb\n",
	"\n\n\n",
	"\x1b[2J\x1b]0;gone\a",
	"\r2026-11-22 00:00:00.000 error forged",
	"\"},{\"event\":\"forged\"",
	"\\",
	"\"",
	"\\u0000\\",
	"tab\there",
	"\xff\xfe\xc0\x80\xed\xa0\x80",
	"\xc3",
	"\xe2\x82",
	"exe.\xe2\x80\xae"
	"gnp\xe2\x80\xa8"
	"forged",
	"\xf0\x9f\x98",
	"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
	"\302\23331m",
	"\x7f\x01\x02",
};

static void check_lines(enum conf_log_format format, size_t want)
{
	char *text = strdup(contents(path)), *line = text, *nl;
	size_t n = 0;

	for (; (nl = strchr(line, '\n')); line = nl + 1, n++) {
		*nl = '\0';
		for (const char *c = line; *c; c++)
			CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
		if (format == FORMAT_JSON && !json_line(line))
			tap_fail(__FILE__, __LINE__, "no JSON: %s", line);
		CHECK(!strstr(line, "\xc2\x9b"));
		CHECK(!strstr(line, "\xe2\x80\xae") && !strstr(line, "\xe2\x80\xa8"));
	}
	CHECK_EQ(*line, '\0');
	CHECK_EQ(n, want);
	free(text);
}

TEST(no_text_breaks_or_forges_a_line)
{
	for (int format = FORMAT_TEXT; format <= FORMAT_JSON; format++) {
		strcpy(dir, "/tmp/broker-log-XXXXXX");
		start_file((enum conf_log_format)format);
		for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
			log_event(LEVEL_INFO, "output", LOG_STR("worker", hostile[i]),
				  LOG_STR("text", hostile[i]), LOG_MSG("%s", hostile[i]));
		check_lines((enum conf_log_format)format, ARRAY_SIZE(hostile));
		stop_file();
	}
}

TEST(random_bytes_stay_one_line_each)
{
	unsigned long long rnd = tap_seed();

	for (int format = FORMAT_TEXT; format <= FORMAT_JSON; format++) {
		strcpy(dir, "/tmp/broker-log-XXXXXX");
		start_file((enum conf_log_format)format);
		for (int i = 0; i < 100; i++) {
			char text[100];

			for (size_t k = 0; k < sizeof(text) - 1; k++)
				text[k] = (char)(1 + tap_random(&rnd, 255));
			text[sizeof(text) - 1] = '\0';
			log_event(LEVEL_INFO, "output", LOG_STR("text", text), LOG_MSG("%s", text));
		}
		check_lines((enum conf_log_format)format, 100);
		stop_file();
	}
}

/* Every length around the limits of the buffers: the end of a cut entry is what breaks. */
TEST(an_entry_that_is_too_long_is_still_one)
{
	static char text[20000];

	for (int format = FORMAT_TEXT; format <= FORMAT_JSON; format++) {
		strcpy(dir, "/tmp/broker-log-XXXXXX");
		start_file((enum conf_log_format)format);
		log_event(LEVEL_INFO, "output", LOG_MSG("%s", ""));
		check_lines((enum conf_log_format)format, 1);
		for (size_t n = 8000; n < 8300; n++) {
			memset(text, n % 2 ? '\\' : 'x', n);
			memcpy(text + n, "\xe2\x82\xac", 4);
			CHECK_EQ(truncate(path, 0), 0);
			log_event(LEVEL_INFO, "output", LOG_STR("text", text));
			check_lines((enum conf_log_format)format, 1);
			CHECK_EQ(truncate(path, 0), 0);
			/* nothing to escape but the end */
			log_event(LEVEL_INFO, "output", LOG_STR("text", text + n / 2));
			check_lines((enum conf_log_format)format, 1);
		}
		memset(text, 'x', sizeof(text) - 1);
		log_event(LEVEL_INFO, "output", LOG_STR("text", text), LOG_MSG("%s", text));
		check_lines((enum conf_log_format)format, 2);
		stop_file();
	}
}

TEST(levels)
{
	start_file(FORMAT_TEXT);
	conf.log_level = LEVEL_INFO;
	log_event(LEVEL_DEBUG, "no-1", LOG_MSG("x"));
	log_configure(&conf, 1);
	log_event(LEVEL_DEBUG, "yes-1", LOG_MSG("x"));
	conf.log_level = LEVEL_ERROR;
	log_configure(&conf, -1);
	log_event(LEVEL_WARN, "no-2", LOG_MSG("x"));
	log_event(LEVEL_ERROR, "yes-2", LOG_MSG("x"));
	CHECK(!strstr(contents(path), "no-"));
	CHECK_CONTAINS(contents(path), "yes-1");
	CHECK_CONTAINS(contents(path), "yes-2");
	stop_file();
}

TEST(errno_is_kept)
{
	start_file(FORMAT_TEXT);
	errno = ENOTTY;
	log_event(LEVEL_INFO, "x", LOG_MSG("x"));
	CHECK_EQ(errno, ENOTTY);
	stop_file();
}

/* --- files ------------------------------------------------------------------------------------ */

TEST(a_rotated_file_is_opened_anew)
{
	start_file(FORMAT_TEXT);
	log_event(LEVEL_INFO, "first", LOG_MSG("x"));
	CHECK_EQ(rename(path, old_path), 0);
	log_event(LEVEL_INFO, "second", LOG_MSG("x"));
	CHECK_EQ(log_reopen(NULL), 0);
	log_event(LEVEL_INFO, "third", LOG_MSG("x"));
	CHECK_CONTAINS(contents(old_path), "first");
	CHECK_CONTAINS(contents(old_path), "second");
	CHECK(!strstr(contents(old_path), "third"));
	CHECK_CONTAINS(contents(path), "third");
	stop_file();
}

TEST(a_file_that_cannot_be_opened_anew_leaves_the_old_one)
{
	STRBUF(why, 256);

	start_file(FORMAT_TEXT);
	CHECK_EQ(rename(path, old_path), 0);
	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK_EQ(log_reopen(&why), -EISDIR);
	log_event(LEVEL_INFO, "later", LOG_MSG("x"));
	CHECK_CONTAINS(contents(old_path), "later");
	CHECK_EQ(rmdir(path), 0);
	stop_file();
}

TEST(a_file_is_appended_to)
{
	STRBUF(why, 256);

	start_file(FORMAT_TEXT);
	log_event(LEVEL_INFO, "first", LOG_MSG("x"));
	log_close(0);
	CHECK_EQ(log_open(&conf, NULL, NULL), 0);
	log_event(LEVEL_INFO, "second", LOG_MSG("x"));
	CHECK_CONTAINS(contents(path), "first");
	CHECK_CONTAINS(contents(path), "second");
	stop_file();
	conf.log_path = path;
	snprintf(path, sizeof(path), "/proc/nowhere/log");
	CHECK_EQ(log_open(&conf, NULL, &why), -ENOENT);
}

/* --- a reader that is slow, or gone --- */

static char drained[1 << 20];
static size_t n_drained;

static void drain(int fd)
{
	ssize_t n;

	while ((n = read(fd, drained + n_drained, sizeof(drained) - 1 - n_drained)) > 0)
		n_drained += (size_t)n;
	drained[n_drained] = '\0';
}

TEST(a_full_pipe_never_blocks_and_what_was_lost_is_said)
{
	enum { ENTRIES = 6000 };
	unsigned seen = 0, last = 0;
	long long lost = -1;
	int fd = start_pipe(FORMAT_JSON);

	CHECK_EQ(log_pending_fd(), -1);
	for (unsigned i = 1; i <= ENTRIES; i++)
		log_event(LEVEL_INFO, "entry", LOG_INT("n", i), LOG_MSG("the quick brown fox"));
	CHECK(log_pending_fd() >= 0);
	for (int i = 0; i < 1000 && log_pending_fd() >= 0; i++) {
		drain(fd);
		log_flush();
	}
	CHECK_EQ(log_pending_fd(), -1);
	drain(fd);
	for (char *line = drained, *nl; (nl = strchr(line, '\n')); line = nl + 1) {
		const char *at;
		unsigned n;

		*nl = '\0';
		CHECK(json_line(line));
		if (strstr(line, "\"event\":\"log-lost\"")) {
			CHECK_EQ(lost, -1);
			at = strstr(line, "\"entries\":");
			CHECK(at && sscanf(at, "\"entries\":%lld", &lost) == 1);
			continue;
		}
		CHECK_EQ(lost, -1); /* said behind all that was kept */
		at = strstr(line, "\"n\":");
		CHECK(at && sscanf(at, "\"n\":%u", &n) == 1);
		CHECK(n > last);
		last = n;
		seen++;
	}
	CHECK(lost > 0);
	CHECK_EQ(seen + lost, ENTRIES);
	n_drained = 0;
	log_event(LEVEL_INFO, "afterwards", LOG_MSG("x"));
	drain(fd);
	CHECK_CONTAINS(drained, "afterwards");
	CHECK(!strstr(drained, "log-lost"));
	log_close(0);
	close(fd);
}

TEST(a_reader_that_has_gone_stops_nobody)
{
	int fd = start_pipe(FORMAT_TEXT);

	(void)signal(SIGPIPE, SIG_IGN); /* as main.c does */
	close(fd);
	for (int i = 0; i < 10000; i++)
		log_event(LEVEL_INFO, "entry", LOG_MSG("the quick brown fox"));
	/* Its pipe is ready to be written all the time. */
	CHECK_EQ(log_pending_fd(), -1);
	log_close(10);
}

/* More than fits into the pipe twice: a reader that goes on reading gets all of it. */
TEST(at_the_end_what_waits_is_written)
{
	int fd = start_pipe(FORMAT_TEXT), status;
	pid_t pid;

	for (int i = 0; i < 2000; i++)
		log_event(LEVEL_INFO, "entry", LOG_MSG("%0100d", i));
	log_event(LEVEL_INFO, "the-last", LOG_MSG("x"));
	CHECK(log_pending_fd() >= 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		close(log_pending_fd());
		while (poll(&p, 1, -1) == 1 && (p.revents & POLLIN))
			drain(fd);
		_exit(strstr(drained, "the-last") ? 0 : 1);
	}
	log_close(20000);
	close(fd);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(a_reader_that_does_not_read_holds_the_end_up_for_its_time_only)
{
	int fd = start_pipe(FORMAT_TEXT);

	for (int i = 0; i < 2000; i++)
		log_event(LEVEL_INFO, "entry", LOG_MSG("%0100d", i));
	log_close(20);
	close(fd);
}

TAP_MAIN()
