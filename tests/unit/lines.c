/* links: broker/policy/lines broker/base/strbuf */
#include "policy/lines.h"
#include "tap.h"

struct seen {
	size_t n; /* lines */
	size_t used;
	size_t ends[64 * 1024 + 1];
	char text[1 << 20];
};

static struct seen got, want;

static void collect(void *arg, const char *line, size_t n)
{
	struct seen *s = arg;

	CHECK(s->n < ARRAY_SIZE(s->ends) && s->used + n <= sizeof(s->text));
	memcpy(s->text + s->used, line, n);
	s->used += n;
	s->ends[s->n++] = s->used;
}

/* The @i-th line as text, for the tests that read. */
static const char *line(const struct seen *s, size_t i)
{
	static char text[LINES_MAX + 1];
	size_t from = i ? s->ends[i - 1] : 0;

	CHECK(i < s->n);
	memcpy(text, s->text + from, s->ends[i] - from);
	text[s->ends[i] - from] = '\0';
	return text;
}

static size_t line_len(const struct seen *s, size_t i)
{
	return s->ends[i] - (i ? s->ends[i - 1] : 0);
}

static void feed(struct lines *l, const char *text)
{
	lines_feed(l, text, strlen(text), collect, &got);
}

TEST(who_says_little_needs_little)
{
	static struct lines l;

	CHECK(!l.part.text && !l.tail.text);
	feed(&l, "listening on 3000\n");
	CHECK(!l.part.text && l.tail.size <= 128);
	feed(&l, "begun");
	CHECK(l.part.text);
	feed(&l, ", and ended\n");
	lines_deinit(&l);
	CHECK(!l.tail.text && !l.tail.len);
}

TEST(lines_are_given_out_when_they_end)
{
	static struct lines l;

	lines_deinit(&l);
	feed(&l, "one\ntw");
	CHECK_EQ(got.n, 1);
	CHECK_STR(line(&got, 0), "one");
	feed(&l, "o\n\nthree");
	CHECK_EQ(got.n, 3);
	CHECK_STR(line(&got, 1), "two");
	CHECK_STR(line(&got, 2), "");
	lines_finish(&l, collect, &got);
	CHECK_EQ(got.n, 4);
	CHECK_STR(line(&got, 3), "three");
	lines_finish(&l, collect, &got);
	CHECK_EQ(got.n, 4);
}

TEST(a_cr_before_the_line_end_belongs_to_it)
{
	static struct lines l;

	lines_deinit(&l);
	feed(&l, "a\r\nb\rc\r");
	feed(&l, "\n\r\n\r\r\nd\r");
	lines_finish(&l, collect, &got);
	CHECK_EQ(got.n, 5);
	CHECK_STR(line(&got, 0), "a");
	CHECK_STR(line(&got, 1), "b\rc");
	CHECK_STR(line(&got, 2), "");
	CHECK_STR(line(&got, 3), "\r");
	CHECK_STR(line(&got, 4), "d");
}

TEST(a_long_line_comes_in_pieces_and_loses_nothing)
{
	static char text[3 * LINES_MAX + 10];
	static struct lines l;
	size_t total = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	text[LINES_MAX - 1] = '\r'; /* at the end of a piece, not of the line */
	text[sizeof(text) - 1] = '\n';
	lines_deinit(&l);
	lines_feed(&l, text, sizeof(text), collect, &got);
	CHECK_EQ(got.n, 4);
	for (size_t i = 0; i < got.n; i++)
		total += line_len(&got, i);
	CHECK_EQ(total, sizeof(text) - 1);
	CHECK(!memcmp(got.text, text, total));
}

/* Wherever the reads cut it: a full buffer may still be followed by the line end. */
TEST(a_line_of_just_the_buffer_is_one_line)
{
	static char text[LINES_MAX + 1];
	static struct lines l;

	memset(text, 'x', LINES_MAX);
	text[LINES_MAX] = '\n';
	lines_deinit(&l);
	lines_feed(&l, text, LINES_MAX, collect, &got);
	lines_feed(&l, text + LINES_MAX, 1, collect, &got);
	feed(&l, "next\n");
	CHECK_EQ(got.n, 2);
	CHECK_EQ(line_len(&got, 0), LINES_MAX);
	CHECK_STR(line(&got, 1), "next");
}

static void check_tail(const struct lines *l, const struct seen *s)
{
	size_t at = l->tail.len, i = s->n;

	CHECK(l->tail.len <= LINES_TAIL);
	CHECK(l->tail.len == 0 || l->tail.text[l->tail.len - 1] == '\n');
	/* Backwards: each is one of the last lines, whole, or the first half of a tail of it. */
	while (i-- > 0) {
		size_t n = line_len(s, i), from = i ? s->ends[i - 1] : 0;

		n = n > LINES_TAIL / 2 ? LINES_TAIL / 2 : n;
		if (n + 1 > at) {
			/* It was dropped because it did not fit. */
			CHECK_EQ(at, 0);
			CHECK(l->tail.len + n + 1 > LINES_TAIL);
			return;
		}
		at -= n + 1;
		CHECK(!memcmp(l->tail.text + at, s->text + from, n));
	}
	CHECK_EQ(at, 0);
}

TEST(the_tail_holds_the_last_whole_lines)
{
	static struct lines l;

	lines_deinit(&l);
	feed(&l, "first\nsecond\nunfinished");
	CHECK_EQ(l.tail.len, strlen("first\nsecond\n"));
	CHECK(!memcmp(l.tail.text, "first\nsecond\n", l.tail.len));
	for (int i = 0; i < 1000; i++) {
		char text[64];

		snprintf(text, sizeof(text), "line %d of many\n", i);
		feed(&l, text);
		check_tail(&l, &got);
	}
	CHECK(l.tail.len > LINES_TAIL - 64);
	CHECK(!memcmp(l.tail.text, "line ", 5));
}

TEST(a_long_line_leaves_the_one_before_it_in_the_tail)
{
	static char text[LINES_MAX];
	static struct lines l;

	lines_deinit(&l);
	feed(&l, "the reason\n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\n';
	lines_feed(&l, text, sizeof(text), collect, &got);
	CHECK(!memcmp(l.tail.text, "the reason\nxxx", 14));
	check_tail(&l, &got);
}

/* The specification in its simplest form: all text at once, cut by loops. */
static void naive(const char *text, size_t n, struct seen *out)
{
	size_t from = 0;

	while (from < n) {
		size_t end = from;

		while (end < n && text[end] != '\n')
			end++;
		while (end - from > LINES_MAX) {
			collect(out, text + from, LINES_MAX);
			from += LINES_MAX;
		}
		if (end < n || end > from)
			collect(out, text + from,
				end - from - (end > from && text[end - 1] == '\r'));
		from = end + 1;
	}
}

TEST(however_the_bytes_are_cut_the_lines_are_the_same)
{
	static char text[64 * 1024];
	static struct lines l;
	unsigned long long rnd = tap_seed();

	for (int run = 0; run < 200; run++) {
		size_t n = tap_random(&rnd, sizeof(text)), at = 0;
		/* Line ends rare or frequent; every byte there is, NUL and 0xff included. */
		unsigned rare = 1 + tap_random(&rnd, run % 2 ? 20 : 4000);

		for (size_t i = 0; i < n; i++) {
			unsigned c = tap_random(&rnd, rare);

			text[i] = c == 0 ? '\n' : c == 1 ? '\r' : (char)tap_random(&rnd, 256);
		}
		got.n = got.used = want.n = want.used = 0;
		naive(text, n, &want);
		for (size_t i = 0; i < want.used; i++)
			want.text[i] = want.text[i] ? want.text[i] : ' ';
		lines_deinit(&l);
		while (at < n) {
			size_t part = 1 + tap_random(&rnd, run % 3 ? 5000 : LINES_MAX);

			part = part > n - at ? n - at : part;
			lines_feed(&l, text + at, part, collect, &got);
			check_tail(&l, &got);
			at += part;
		}
		lines_finish(&l, collect, &got);
		CHECK_EQ(got.n, want.n);
		CHECK_EQ(got.used, want.used);
		CHECK(!memcmp(got.ends, want.ends, got.n * sizeof(got.ends[0])));
		CHECK(!memcmp(got.text, want.text, got.used));
		check_tail(&l, &got);
	}
}

TAP_MAIN()
