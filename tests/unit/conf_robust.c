/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
/* wrap: malloc calloc realloc strdup nearest */
#include "conf_util.h"

#include "config/option.h"

#include <errno.h>

/* --- allocation: the n-th one from now fails; -1: none does -------------------------- */

static long fail_in = -1;

static bool fails(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

/* --- how often a word is compared with all that there are ------------------------------ */

static unsigned compared;

const char *__real_nearest(const char *word, const char *const *candidates, size_t n);
const char *__wrap_nearest(const char *word, const char *const *candidates, size_t n);

const char *__wrap_nearest(const char *word, const char *const *candidates, size_t n)
{
	compared++;
	return __real_nearest(word, candidates, n);
}

static const char good[] = "\xef\xbb\xbf# all of it\r\n"
			   "[broker]\n"
			   "log = ./log\n"
			   "pid_file = 'a b'\n"
			   "user = www\n"
			   "[defaults]\n"
			   "environment = A=1 B=\"x y\"\n"
			   "private_ports = 9229 9400-9409\n"
			   "output = ./out\n"
			   "[service:web]\n"
			   "command = node app.js # comment\n"
			   "listen = 0.0.0.0:80 for 3000\n"
			   "listen = [::1]:8080\n"
			   "environment = B=2 C=gr\xc3\xbc\xc3\x9f\n"
			   "workers = cpus\n"
			   "drain_timeout = 2m\n"
			   "[service:api]\n"
			   "command = sh -c 'exec \"$SHELL\"'\n"
			   "stop_signal = SIGQUIT\n"
			   "so_rcvbuf = 64k\n"
			   "environment =\n";

/* Parses, and prints and frees what comes of it. The result of the parsing. */
static int try(const char *text, size_t len, bool facts_of_environment)
{
	struct conf_facts facts = { .cpus = 2,
				    .base_dir = "/etc",
				    .worker_count = facts_of_environment ? "3" : NULL };
	struct conf *conf = NULL;
	STRBUF(error, CONF_ERROR_BYTES);
	char *printed = NULL;
	int r = conf_parse("broker.ini", text, len, &facts, &conf, &error);

	CHECK(!error.cut);
	if (r < 0) {
		CHECK(!conf);
		CHECK(r == -ENOMEM || r == -EINVAL);
		CHECK_EQ(error.len == 0, r == -ENOMEM);
		return r;
	}
	CHECK_EQ(r, 0);
	CHECK_EQ(error.len, 0);
	if (conf_print(conf, &printed) == 0)
		free(printed);
	else
		r = -ENOMEM;
	conf_free(conf);
	return r;
}

TEST(every_allocation_may_fail)
{
	char program[] = "node", *argv[] = { program, program, NULL };
	const struct conf_command given = { argv, "4", { "80", "81 for 82" }, 2 };
	long n = 0;
	int r;

	do {
		fail_in = n++;
		r = try(good, strlen(good), true);
		CHECK(r == 0 || r == -ENOMEM);
	} while (r < 0);
	CHECK(fail_in >= 0);
	CHECK(n > 100);

	n = 0;
	do {
		struct conf *conf = NULL;
		STRBUF(error, CONF_ERROR_BYTES);

		fail_in = n++;
		r = conf_from_command(&given, &conf_test_facts, &conf, &error);
		CHECK(r == 0 ? conf != NULL : r == -ENOMEM && !conf);
		conf_free(conf);
	} while (r < 0);
	CHECK(n > 40);

	/* With a mistake in the file too: never both, never neither. */
	n = 0;
	do {
		fail_in = n++;
		r = try("[defaults]\nqueue = 0\n[service:a]\ncommand = x\nworker = 1", 51, false);
	} while (r == -ENOMEM);
	CHECK_EQ(r, -EINVAL);
	fail_in = -1;
}

/* A megabyte of misspelt keys took a second: what is not told is not searched for. */
TEST(the_work_for_messages_is_bounded_like_the_messages)
{
	struct strbuf text = STRBUF_GROWS(CONF_FILE_MAX);
	STRBUF(error, CONF_ERROR_BYTES);
	struct conf *conf;

	strbuf_add(&text, "[service:web]\ncommand = x\n");
	while (text.len < CONF_FILE_MAX - 20)
		strbuf_add(&text, "drain_timeour = 1\n");
	compared = 0;
	CHECK_EQ(conf_parse("f", text.text, text.len, &conf_test_facts, &conf, &error), -EINVAL);
	CHECK_CONTAINS(error.text, "f:22: unknown key");
	CHECK_CONTAINS(error.text, "there are more errors");
	CHECK(compared > CONF_ERRORS_MAX && compared < 2 * CONF_ERRORS_MAX);
	strbuf_deinit(&text);
}

TEST(a_value_that_cannot_be_stored_changes_nothing)
{
	static const char *const keys[][3] = {
		{ "environment", "A=1", "B=2 C=3 D=4" },
		{ "listen", "80", "81" },
		{ "private_ports", "1", "2 3" },
		{ "command", "x y", "z" },
		{ "directory", "/a", "/b" },
		{ "user", "a", "b" },
		{ "output", "/a", "/b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct option *option = option_find(OPTION_SERVICE, keys[i][0]);
		long n = 0;
		int r;

		do {
			struct service_conf sc = { 0 };
			STRBUF(error, 512);
			STRBUF(value, 64);

			CHECK_EQ(conf_set(option, keys[i][1], &sc, &error), 0);
			fail_in = n++;
			r = conf_set(option, keys[i][2], &sc, &error);
			fail_in = -1;
			if (r < 0) {
				CHECK_EQ(r, -ENOMEM);
				CHECK_EQ(option_entries(option, &sc), 1);
				option_format(option, &sc, 0, &value);
				CHECK_STR(value.text, keys[i][1]);
			}
			option_clear(option, &sc);
		} while (r < 0);
		CHECK(n > 1);
	}
}

TEST(no_prefix_of_a_good_file_does_harm)
{
	for (size_t len = 0; len <= strlen(good); len++) {
		/* In memory of its own, so that a sanitizer sees a read beyond the end. */
		char *exact = malloc(len ? len : 1);

		memcpy(exact, good, len);
		try(exact, len, false);
		free(exact);
	}
	CHECK_EQ(try(good, strlen(good), false), 0);
}

TEST(a_damaged_file_does_no_harm)
{
	unsigned long long state = tap_seed();

	for (int round = 0; round < 3000; round++) {
		size_t len = strlen(good);
		char *text = malloc(len);

		memcpy(text, good, len);
		for (unsigned i = tap_random(&state, 6); i > 0; i--) {
			size_t at = tap_random(&state, (unsigned)len);

			switch (tap_random(&state, 3)) {
			case 0:
				text[at] = (char)tap_random(&state, 256);
				break;
			case 1:
				text[at] = "[]=#;'\"\\ \n\t$\0:-0"[tap_random(&state, 17)];
				break;
			case 2: /* a piece of it elsewhere */
				memmove(text, text + at, len - at);
				break;
			}
		}
		try(text, len, true);
		free(text);
	}
}

TEST(random_bytes_do_no_harm)
{
	unsigned long long state = tap_seed();

	for (int round = 0; round < 3000; round++) {
		size_t len = tap_random(&state, 400);
		char *text = malloc(len + 1);

		for (size_t i = 0; i < len; i++)
			text[i] = (char)tap_random(&state, round % 2 ? 256 : 127);
		try(text, len, false);
		free(text);
	}
}

TAP_MAIN()
