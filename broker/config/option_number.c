#include "option_number.h"

#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

static int refuse_units(const struct option_input *in, enum units_error error)
{
	const struct option_type *type = in->opt->type;
	const char *word = *in->word;

	switch (error) {
	case UNITS_MALFORMED:
		return strbuf_refuse(in->why, word, "is not a %s", type->noun);
	case UNITS_NO_UNIT:
		return strbuf_refuse(in->why, word, "has no unit: write %.20s%s", word, type->unit);
	case UNITS_BAD_UNIT:
		return strbuf_refuse(in->why, word,
				     "is not a %s that ends in a known unit (such as %s)",
				     type->noun, type->unit);
	case UNITS_TOO_BIG:
		return strbuf_refuse(in->why, word, "is out of range");
	}
	return -EINVAL;
}

/* What the word in place of a number stands for: cpus or all. */
static unsigned number_of_word(const struct option_input *in)
{
	unsigned cpus = in->facts->cpus;

	if (strcmp(*in->word, "cpus") != 0)
		return UINT_MAX;
	/* "One for each" holds as far as the limits go, on any machine. */
	if (cpus < in->opt->min)
		return (unsigned)in->opt->min;
	return cpus > in->opt->max ? (unsigned)in->opt->max : cpus;
}

static int number_parse(const struct option_input *in, void *ret)
{
	const struct option *opt = in->opt;
	int64_t number;
	int r;

	if (opt->words && !strcmp(*in->word, opt->words[0])) {
		*(unsigned *)ret = number_of_word(in);
		return 0;
	}
	r = opt->type->parse_number(*in->word, &number);
	if (r != 0)
		return refuse_units(in, (enum units_error)r);
	if (number % opt->type->scale != 0)
		return strbuf_refuse(in->why, *in->word, "is not a whole number of seconds");
	number /= opt->type->scale;
	if ((number < opt->min || number > opt->max) && !(number == 0 && opt->or_zero))
		return strbuf_refuse(in->why, *in->word, "is out of range");
	if (opt->type->size == sizeof(int64_t))
		*(int64_t *)ret = number;
	else
		*(unsigned *)ret = (unsigned)number;
	return 0;
}

static void number_format(const struct option *opt, const void *value, struct strbuf *out)
{
	bool wide = opt->type->size == sizeof(int64_t);
	int64_t number = wide ? *(const int64_t *)value : *(const unsigned *)value;

	if (number == UINT_MAX && opt->words)
		strbuf_add(out, opt->words[0]);
	else
		opt->type->add_number(out, number * opt->type->scale);
}

static void add_count(struct strbuf *out, int64_t count)
{
	strbuf_addf(out, "%" PRId64, count);
}

/* --- the types ----------------------------------------------------------------------- */

/* A table is read in columns. */
/* clang-format off */
const struct option_type type_count = {
	.noun = "number", .size = sizeof(unsigned), .parse = number_parse,
	.format = number_format, .parse_number = units_parse_count, .add_number = add_count,
	.unit = "", .scale = 1,
};
const struct option_type type_size = {
	.noun = "size", .size = sizeof(unsigned), .parse = number_parse, .format = number_format,
	.parse_number = units_parse_size, .add_number = units_add_size, .unit = "k", .scale = 1,
};
const struct option_type type_ms = {
	.noun = "duration", .size = sizeof(int64_t), .parse = number_parse,
	.format = number_format, .parse_number = units_parse_duration,
	.add_number = units_add_duration, .unit = "s", .scale = 1,
};
const struct option_type type_seconds = {
	.noun = "duration", .size = sizeof(unsigned), .parse = number_parse,
	.format = number_format, .parse_number = units_parse_duration,
	.add_number = units_add_duration, .unit = "s", .scale = MSEC_PER_SEC,
};
/* clang-format on */
