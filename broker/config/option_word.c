/*
 * The option types whose value is one of some words: a table's, yes and no, the
 * signals.
 */
#include "config/option_type.h"

#include "base/nearest.h"
#include "base/quote.h"
#include "base/units.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

int option_refuse(struct strbuf *why, const char *word, const char *reason)
{
	quote_add(why, word);
	strbuf_addf(why, " %s", reason);
	return -EINVAL;
}

/* --- one word of a table ------------------------------------------------------------- */

int option_find_word(const struct option *opt, const char *word)
{
	for (int i = 0; opt->words[i]; i++)
		if (!strcmp(opt->words[i], word))
			return i;
	return -1;
}

void option_add_words(const struct option *opt, struct strbuf *out)
{
	for (size_t i = 0; opt->words[i]; i++)
		strbuf_addf(out, "%s%s", i ? ", " : "", opt->words[i]);
}

void option_add_did_you_mean(const struct option *opt, const char *word, struct strbuf *out)
{
	const char *near;
	size_t n = 0;

	while (opt->words[n])
		n++;
	near = nearest(word, opt->words, n);
	if (near)
		strbuf_addf(out, "; did you mean \"%s\"?", near);
}

static int word_parse(const struct option *opt, char *const *word, size_t n,
		      const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	int at = option_find_word(opt, *word);

	(void)n;
	(void)facts;
	if (at < 0) {
		option_refuse(why, *word, "is unknown");
		option_add_did_you_mean(opt, *word, why);
		return -EINVAL;
	}
	*(unsigned *)field_of(opt, conf) = (unsigned)at;
	return 0;
}

unsigned option_word(const struct option *opt, const void *conf)
{
	return *(const unsigned *)field_in(opt, conf);
}

static void word_format(const struct option *opt, const void *conf, size_t entry,
			struct strbuf *out)
{
	(void)entry;
	strbuf_add(out, opt->words[option_word(opt, conf)]);
}

static bool word_equal(const struct option *opt, const void *a, const void *b)
{
	return option_word(opt, a) == option_word(opt, b);
}

const struct option_type type_word = {
	.name = "word",
	.one_word = true,
	.parse = word_parse,
	.format = word_format,
	.allowed = option_add_words,
	.equal = word_equal,
	.size = sizeof(unsigned),
};

/* --- bool ---------------------------------------------------------------------------- */

static int bool_parse(const struct option *opt, char *const *word, size_t n,
		      const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	(void)n;
	(void)facts;
	if (units_parse_bool(*word, field_of(opt, conf)) != 0)
		return option_refuse(why, *word, "is neither yes nor no");
	return 0;
}

static void bool_format(const struct option *opt, const void *conf, size_t entry,
			struct strbuf *out)
{
	(void)entry;
	strbuf_add(out, *(const bool *)field_in(opt, conf) ? "yes" : "no");
}

static void bool_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "yes, no");
}

static bool bool_equal(const struct option *opt, const void *a, const void *b)
{
	return *(const bool *)field_in(opt, a) == *(const bool *)field_in(opt, b);
}

const struct option_type type_bool = {
	.name = "yes or no",
	.one_word = true,
	.parse = bool_parse,
	.format = bool_format,
	.allowed = bool_allowed,
	.equal = bool_equal,
	.size = sizeof(bool),
};

/* --- signal -------------------------------------------------------------------------- */

static int signal_parse(const struct option *opt, char *const *word, size_t n,
			const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	int number;

	(void)n;
	(void)facts;
	if (units_parse_signal(*word, &number) != 0) {
		const char *names[64], *near;
		size_t i;

		for (i = 0; i < ARRAY_SIZE(names) && units_signal_name(i); i++)
			names[i] = units_signal_name(i);
		near = nearest(strncmp(*word, "SIG", 3) == 0 ? *word + 3 : *word, names, i);
		option_refuse(why, *word, "is not a signal");
		if (near)
			strbuf_addf(why, "; did you mean \"%s\"?", near);
		return -EINVAL;
	}
	switch (number) {
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCONT:
	case SIGCHLD:
	case SIGURG:
		return option_refuse(why, *word, "ends no program");
	}
	*(int *)field_of(opt, conf) = number;
	return 0;
}

static void signal_format(const struct option *opt, const void *conf, size_t entry,
			  struct strbuf *out)
{
	(void)entry;
	units_add_signal(out, *(const int *)field_in(opt, conf));
}

static void signal_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "a name such as TERM or QUIT, or 1 to 64");
}

static bool signal_equal(const struct option *opt, const void *a, const void *b)
{
	return *(const int *)field_in(opt, a) == *(const int *)field_in(opt, b);
}

const struct option_type type_signal = {
	.name = "signal",
	.one_word = true,
	.parse = signal_parse,
	.format = signal_format,
	.allowed = signal_allowed,
	.equal = signal_equal,
	.size = sizeof(int),
};
