/* links: broker/base/words broker/base/strbuf broker/base/units */
#include "base/words.h"
#include "tap.h"

#include <errno.h>

/* The words in square brackets, or the message behind an exclamation mark. */
static const char *split(enum words_kind kind, const char *text)
{
	static char shown[1024];
	_cleanup_free_ char **words = NULL;
	size_t text_len;
	STRBUF(error, 512);
	struct strbuf out;
	int r = words_split(kind, text, &words, &text_len, &error);

	strbuf_init(&out, shown, sizeof(shown));
	if (r < 0) {
		CHECK_EQ(r, -EINVAL);
		CHECK(!words);
		strbuf_addf(&out, "!%s", error.text);
		return shown;
	}
	CHECK(!words[r]);
	for (int i = 0; i < r; i++)
		strbuf_addf(&out, "[%s]", words[i]);
	return shown;
}

TEST(words_are_split_as_a_shell_splits_them)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "", "" },
		{ " \t ", "" },
		{ "node app.js", "[node][app.js]" },
		{ "  node\t app.js  ", "[node][app.js]" },
		{ "sh -c 'a  b'", "[sh][-c][a  b]" },
		{ "a\"b c\"d'e f'", "[ab cde f]" },
		{ "''", "[]" },
		{ "a \"\" b", "[a][][b]" },
		{ "'it'\\''s'", "[it's]" },
		{ "\"a\\\"b\\\\c\\$d\\`e\"", "[a\"b\\c$d`e]" },
		{ "\"\\n\"", "[\\n]" },
		{ "'\\'", "[\\]" },
		{ "a\\ b\\\\c", "[a b\\c]" },
		{ "\\#x \\$y", "[#x][$y]" },
		{ "\"$HOME\" '$HOME|`'", "[$HOME][$HOME|`]" },
		{ "node app.js # the app", "[node][app.js]" },
		{ "#", "" },
		{ "a#b c '#'", "[a#b][c][#]" },
		{ "java -cp lib/*:~/x Main[] {} !? %n",
		  "[java][-cp][lib/*:~/x][Main[]][{}][!?][%n]" },
		{ "gr\xc3\xbc\xc3\x9f", "[gr\xc3\xbc\xc3\x9f]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(split(WORDS_COMMAND, cases[i].text), cases[i].words);
}

TEST(what_only_a_shell_could_do_is_refused)
{
	static const char operators[] = "|;&<>$`";

	for (size_t i = 0; operators[i]; i++) {
		char text[32], want[256];

		snprintf(text, sizeof(text), "node app.js %c x", operators[i]);
		snprintf(
			want, sizeof(want),
			"!\"%c\" outside quotes, but no shell is run: write command = sh -c '...', "
			"or quote the \"%c\" if the program itself is to get it",
			operators[i], operators[i]);
		CHECK_STR(split(WORDS_COMMAND, text), want);
	}
	CHECK_STR(split(WORDS_VALUE, "URL=http://h/?a=1&b=2;c|d>e<f"),
		  "[URL=http://h/?a=1&b=2;c|d>e<f]");
	CHECK_STR(split(WORDS_VALUE, "PATH=/x:$PATH"),
		  "!\"$\" outside quotes, but nothing is expanded here: put it in single quotes if "
		  "it is meant as it stands");
}

TEST(what_is_not_closed_is_refused)
{
	CHECK_STR(split(WORDS_VALUE, "'a"), "!a quote is opened with ' and never closed");
	CHECK_STR(split(WORDS_VALUE, "x \"a'"), "!a quote is opened with \" and never closed");
	CHECK_STR(split(WORDS_VALUE, "\"a\\\""), "!a quote is opened with \" and never closed");
	CHECK_STR(split(WORDS_VALUE, "a \\"),
		  "!a backslash at the end: a line cannot be continued");
}

TEST(words_and_bytes_are_bounded)
{
	char many[2 * (WORDS_MAX + 1) + 1] = "";
	char *large = malloc(WORDS_BYTES_MAX + 1);

	for (size_t i = 0; i < WORDS_MAX; i++)
		memcpy(many + 2 * i, "x ", 3);
	CHECK(*split(WORDS_VALUE, many) == '[');
	memcpy(many + 2L * WORDS_MAX, "x ", 3);
	CHECK_STR(split(WORDS_VALUE, many), "!more than 256 words");

	memset(large, 'x', WORDS_BYTES_MAX + 1);
	large[WORDS_BYTES_MAX] = '\0';
	CHECK_STR(split(WORDS_VALUE, large), "!more than 16384 bytes");
	large[WORDS_BYTES_MAX - 1] = '\0'; /* the terminator counts */
	CHECK(*split(WORDS_VALUE, large) == '[');
	free(large);
}

TEST(the_text_ends_before_a_comment)
{
	_cleanup_free_ char **words = NULL;
	size_t text_len;
	STRBUF(error, 64);

	CHECK_EQ(words_split(WORDS_VALUE, "a 'b '  # c", &words, &text_len, &error), 2);
	CHECK_EQ(text_len, 6);
}

TEST(a_word_that_was_quoted_comes_back)
{
	static const char letters[] = "ab '\"\\$`|;&<>#\t=*~/.";
	unsigned long long state = tap_seed();

	for (int round = 0; round < 5000; round++) {
		_cleanup_free_ char **words = NULL;
		size_t text_len;
		char word[12];
		STRBUF(text, 128);
		STRBUF(error, 512);
		unsigned len = tap_random(&state, sizeof(word));

		for (unsigned i = 0; i < len; i++)
			word[i] = letters[tap_random(&state, sizeof(letters) - 1)];
		word[len] = '\0';
		words_add_quoted(&text, word);
		CHECK_EQ(words_split(WORDS_COMMAND, text.text, &words, &text_len, &error), 1);
		CHECK_STR(words[0], word);
	}
}

TEST(what_cannot_stand_in_a_file_is_shown_escaped)
{
	STRBUF(text, 64);

	words_add_quoted(&text, "a\nb");
	CHECK_STR(text.text, "a\\x0ab");
}

TEST(a_word_is_one_of_several_or_not)
{
	CHECK(words_have("one two\tthree ", "two") && words_have(" one", "ONE"));
	CHECK(!words_have("one two", "tw") && !words_have("one two", "one two"));
	CHECK(!words_have("one two", "") && !words_have("", "one"));
	CHECK(words_have_bytes("python perl", "python3", 6));
}

TAP_MAIN()
