/* links: broker/base/words broker/base/units broker/base/strbuf */
#include "base/words.h"
#include "tap.h"

TEST(a_slip_is_recognised_and_another_word_is_not)
{
	static const char *const words[] = { "workers", "queue",	 "listen",
					     "surge",	"start_timeout", "stop_timeout" };
	static const struct {
		const char *word, *near;
	} cases[] = {
		{ "worker", "workers" },   /* one less */
		{ "workerss", "workers" }, /* one more */
		{ "werkers", "workers" },  /* one other */
		{ "wrokers", "workers" },  /* two swapped: one edit, not two */
		{ "Workers", "workers" },  /* case is no edit */
		{ "start-timeout", "start_timeout" },
		{ "start_timout", "start_timeout" },
		{ "strat_timeot", "start_timeout" },
		{ "stopt_imeout", "stop_timeout" },
		{ "listne", "listen" },
		{ "lsitne", "listen" },
		{ "workers_per_cpu", NULL },
		{ "port", NULL },
		{ "", NULL },
		{ "q", NULL },
		{ "qu", NULL },
		{ "sturgeon", NULL },
		{ "a_word_that_is_much_longer_than_any_word_of_ours_could_be", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *near = nearest(cases[i].word, words, ARRAY_SIZE(words));

		CHECK_STR(near ? near : "none", cases[i].near ? cases[i].near : "none");
	}
}

TEST(the_first_of_equally_near_words_wins)
{
	static const char *const words[] = { "tcp_keepidle", "abcx", "abcy" };

	CHECK_STR(nearest("abcz", words, ARRAY_SIZE(words)), "abcx");
}

TAP_MAIN()
