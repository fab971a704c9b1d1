/* links: broker/base/units broker/base/strbuf */
#include "base/units.h"
#include "tap.h"

#include <signal.h>

TEST(durations_need_a_unit)
{
	static const struct {
		const char *text;
		int r;
		int64_t ms;
	} cases[] = {
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "500ms", 0, 500 },
		{ "10s", 0, 10000 },
		{ "2m", 0, 120000 },
		{ "1h", 0, 3600000 },
		{ "1d", 0, 86400000 },
		{ "10S", 0, 10000 },
		{ "30", UNITS_NO_UNIT, -1 },
		{ "30sec", UNITS_BAD_UNIT, -1 },
		{ "1.5s", UNITS_BAD_UNIT, -1 },
		{ "1h30m", UNITS_BAD_UNIT, -1 },
		{ "", UNITS_MALFORMED, -1 },
		{ "s", UNITS_MALFORMED, -1 },
		{ "-1s", UNITS_MALFORMED, -1 },
		{ "+1s", UNITS_MALFORMED, -1 },
		{ " 1s", UNITS_MALFORMED, -1 },
		{ "1 s", UNITS_BAD_UNIT, -1 },
		{ "9223372036854775807ms", 0, INT64_MAX },
		{ "9223372036854775808ms", UNITS_TOO_BIG, -1 },
		{ "9223372036854775807s", UNITS_TOO_BIG, -1 },
		{ "99999999999999999999999d", UNITS_TOO_BIG, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ms = -1;

		CHECK_EQ(units_parse(units_durations, cases[i].text, &ms), cases[i].r);
		CHECK_EQ(ms, cases[i].ms);
	}
}

TEST(sizes_are_bytes_or_powers_of_1024)
{
	static const struct {
		const char *text;
		int r;
		int64_t bytes;
	} cases[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "64k", 0, 65536 },
		{ "64K", 0, 65536 },
		{ "1m", 0, 1048576 },
		{ "2g", 0, 2147483648 },
		{ "64kb", UNITS_BAD_UNIT, -1 },
		{ "k", UNITS_MALFORMED, -1 },
		{ "9223372036854775807g", UNITS_TOO_BIG, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t bytes = -1;

		CHECK_EQ(units_parse(units_sizes, cases[i].text, &bytes), cases[i].r);
		CHECK_EQ(bytes, cases[i].bytes);
	}
}

TEST(counts_are_digits_only)
{
	int64_t n = -1;

	CHECK_EQ(units_parse_count("0042", &n), 0);
	CHECK_EQ(n, 42);
	CHECK_EQ(units_parse_count("4x", &n), UNITS_MALFORMED);
	CHECK_EQ(units_parse_count("", &n), UNITS_MALFORMED);
	CHECK_EQ(units_parse_count("9223372036854775808", &n), UNITS_TOO_BIG);
	CHECK_EQ(n, 42);
}

TEST(signals_have_names_and_numbers)
{
	static const struct {
		const char *text;
		int signal;
	} cases[] = {
		{ "TERM", SIGTERM }, { "SIGTERM", SIGTERM }, { "term", SIGTERM }, { "15", 15 },
		{ "QUIT", SIGQUIT }, { "RTMIN+3", 37 },	     { "64", 64 },
	};
	static const char *const bad[] = { "",	 "SIG", "TREM",	    "0",    "65",
					   "-9", "9x",	"RTMIN+31", "RTMIN" };
	int signal = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(units_parse_signal(cases[i].text, &signal), 0);
		CHECK_EQ(signal, cases[i].signal);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(units_parse_signal(bad[i], &signal), UNITS_MALFORMED);
	CHECK_EQ(signal, 64);
}

TEST(every_signal_comes_back_as_it_was_written)
{
	for (int signal = 1; signal <= 64; signal++) {
		int back = 0;

		CHECK_EQ(units_parse_signal(units_signal(signal).text, &back), 0);
		CHECK_EQ(back, signal);
	}
}

TEST(a_number_is_written_with_its_largest_unit)
{
	static const struct {
		int64_t value;
		const char *duration, *size;
	} cases[] = {
		{ 0, "0", "0" },
		{ 1, "1ms", "1" },
		{ 1500, "1500ms", "1500" },
		{ 60000, "1m", "60000" },
		{ 90000, "90s", "90000" },
		{ 86400000, "1d", "84375k" },
		{ 65536, "65536ms", "64k" },
		{ 1 << 30, "1073741824ms", "1g" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(duration, 32);
		STRBUF(size, 32);

		units_add(&duration, units_durations, cases[i].value);
		units_add(&size, units_sizes, cases[i].value);
		CHECK_STR(duration.text, cases[i].duration);
		CHECK_STR(size.text, cases[i].size);
	}
}

TAP_MAIN()
