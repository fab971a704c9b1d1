/*
 * The option types whose value is a number.
 */
#include "config/option_type.h"

#include "base/quote.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define WORKERS_MAX 1024

static int check_range(const struct option *opt, const char *word, int64_t value,
		       struct strbuf *why)
{
	if (value == 0 && opt->or_zero)
		return 0;
	if (value < opt->min || value > opt->max)
		return option_refuse(why, word, "is out of range");
	return 0;
}

/* Turns an error of units.h into words. @unit: one that would do, for the example. */
static int refuse_units(struct strbuf *why, const char *word, int error, const char *kind,
			const char *unit)
{
	switch ((enum units_error)error) {
	case UNITS_MALFORMED:
		quote_add(why, word);
		strbuf_addf(why, " is not a %s", kind);
		break;
	case UNITS_NO_UNIT:
		quote_add(why, word);
		strbuf_addf(why, " has no unit: write %.20s%s", word, unit);
		break;
	case UNITS_BAD_UNIT:
		quote_add(why, word);
		strbuf_addf(why, " is not a %s that ends in a known unit (such as %s)", kind, unit);
		break;
	case UNITS_TOO_BIG:
		return option_refuse(why, word, "is out of range");
	}
	return -EINVAL;
}

static int set_unsigned(const struct option *opt, const char *word, int64_t value, void *conf,
			struct strbuf *why)
{
	int r = check_range(opt, word, value, why);

	if (r < 0)
		return r;
	*(unsigned *)field_of(opt, conf) = (unsigned)value;
	return 0;
}

static unsigned get_unsigned(const struct option *opt, const void *conf)
{
	return *(const unsigned *)field_in(opt, conf);
}

static bool equal_unsigned(const struct option *opt, const void *a, const void *b)
{
	return get_unsigned(opt, a) == get_unsigned(opt, b);
}

static void add_range(const struct option *opt, struct strbuf *out,
		      void (*add)(struct strbuf *, int64_t))
{
	add(out, opt->min);
	strbuf_add(out, " to ");
	add(out, opt->max);
	if (opt->or_zero)
		strbuf_add(out, ", or 0");
}

static void add_count(struct strbuf *out, int64_t value)
{
	strbuf_addf(out, "%" PRId64, value);
}

static void add_seconds(struct strbuf *out, int64_t seconds)
{
	units_add_duration(out, seconds * MSEC_PER_SEC);
}

/* --- count --------------------------------------------------------------------------- */

static int count_parse(const struct option *opt, char *const *word, size_t n,
		       const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	int64_t value;
	int r = units_parse_count(*word, &value);

	(void)n;
	(void)facts;
	if (r != 0)
		return refuse_units(why, *word, r, "number", "");
	return set_unsigned(opt, *word, value, conf, why);
}

static void count_format(const struct option *opt, const void *conf, size_t entry,
			 struct strbuf *out)
{
	(void)entry;
	strbuf_addf(out, "%u", get_unsigned(opt, conf));
}

static void count_allowed(const struct option *opt, struct strbuf *out)
{
	add_range(opt, out, add_count);
}

const struct option_type type_count = {
	.name = "number",
	.one_word = true,
	.parse = count_parse,
	.format = count_format,
	.allowed = count_allowed,
	.equal = equal_unsigned,
	.size = sizeof(unsigned),
};

/* --- workers ------------------------------------------------------------------------- */

static int workers_parse(const struct option *opt, char *const *word, size_t n,
			 const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	if (strcmp(*word, "cpus") != 0)
		return count_parse(opt, word, n, facts, conf, why);
	/* "One for each" holds as far as the limit goes, on any machine. */
	*(unsigned *)field_of(opt, conf) = facts->cpus < 1	       ? 1
					   : facts->cpus > WORKERS_MAX ? WORKERS_MAX
								       : facts->cpus;
	return 0;
}

static void workers_allowed(const struct option *opt, struct strbuf *out)
{
	add_range(opt, out, add_count);
	strbuf_add(out, ", or cpus");
}

const struct option_type type_workers = {
	.name = "number",
	.one_word = true,
	.parse = workers_parse,
	.format = count_format,
	.allowed = workers_allowed,
	.equal = equal_unsigned,
	.size = sizeof(unsigned),
};

/* --- surge --------------------------------------------------------------------------- */

static int surge_parse(const struct option *opt, char *const *word, size_t n,
		       const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	if (strcmp(*word, "all") != 0)
		return count_parse(opt, word, n, facts, conf, why);
	*(unsigned *)field_of(opt, conf) = UINT_MAX;
	return 0;
}

static void surge_format(const struct option *opt, const void *conf, size_t entry,
			 struct strbuf *out)
{
	if (get_unsigned(opt, conf) == UINT_MAX)
		strbuf_add(out, "all");
	else
		count_format(opt, conf, entry, out);
}

static void surge_allowed(const struct option *opt, struct strbuf *out)
{
	add_range(opt, out, add_count);
	strbuf_add(out, ", or all");
}

const struct option_type type_surge = {
	.name = "number",
	.one_word = true,
	.parse = surge_parse,
	.format = surge_format,
	.allowed = surge_allowed,
	.equal = equal_unsigned,
	.size = sizeof(unsigned),
};

/* --- size ---------------------------------------------------------------------------- */

static int size_parse(const struct option *opt, char *const *word, size_t n,
		      const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	int64_t value;
	int r = units_parse_size(*word, &value);

	(void)n;
	(void)facts;
	if (r != 0)
		return refuse_units(why, *word, r, "size", "k");
	return set_unsigned(opt, *word, value, conf, why);
}

static void size_format(const struct option *opt, const void *conf, size_t entry,
			struct strbuf *out)
{
	(void)entry;
	units_add_size(out, get_unsigned(opt, conf));
}

static void size_allowed(const struct option *opt, struct strbuf *out)
{
	add_range(opt, out, units_add_size);
}

const struct option_type type_size = {
	.name = "size",
	.one_word = true,
	.parse = size_parse,
	.format = size_format,
	.allowed = size_allowed,
	.equal = equal_unsigned,
	.size = sizeof(unsigned),
};

/* --- durations ----------------------------------------------------------------------- */

static int ms_parse(const struct option *opt, char *const *word, size_t n,
		    const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	int64_t ms;
	int r = units_parse_duration(*word, &ms);

	(void)n;
	(void)facts;
	if (r != 0)
		return refuse_units(why, *word, r, "duration", "s");
	r = check_range(opt, *word, ms, why);
	if (r < 0)
		return r;
	*(int64_t *)field_of(opt, conf) = ms;
	return 0;
}

static void ms_format(const struct option *opt, const void *conf, size_t entry, struct strbuf *out)
{
	(void)entry;
	units_add_duration(out, *(const int64_t *)field_in(opt, conf));
}

static void ms_allowed(const struct option *opt, struct strbuf *out)
{
	add_range(opt, out, units_add_duration);
}

static bool ms_equal(const struct option *opt, const void *a, const void *b)
{
	return *(const int64_t *)field_in(opt, a) == *(const int64_t *)field_in(opt, b);
}

const struct option_type type_ms = {
	.name = "duration",
	.one_word = true,
	.parse = ms_parse,
	.format = ms_format,
	.allowed = ms_allowed,
	.equal = ms_equal,
	.size = sizeof(int64_t),
};

static int seconds_parse(const struct option *opt, char *const *word, size_t n,
			 const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	int64_t ms;
	int r = units_parse_duration(*word, &ms);

	(void)n;
	(void)facts;
	if (r != 0)
		return refuse_units(why, *word, r, "duration", "s");
	if (ms % MSEC_PER_SEC != 0)
		return option_refuse(why, *word, "is not a whole number of seconds");
	return set_unsigned(opt, *word, ms / MSEC_PER_SEC, conf, why);
}

static void seconds_format(const struct option *opt, const void *conf, size_t entry,
			   struct strbuf *out)
{
	(void)entry;
	add_seconds(out, get_unsigned(opt, conf));
}

static void seconds_allowed(const struct option *opt, struct strbuf *out)
{
	add_range(opt, out, add_seconds);
}

const struct option_type type_seconds = {
	.name = "duration",
	.one_word = true,
	.parse = seconds_parse,
	.format = seconds_format,
	.allowed = seconds_allowed,
	.equal = equal_unsigned,
	.size = sizeof(unsigned),
};
