#include "openmetrics.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *classic; /* of the type, in either format */
	const char *suffix;	    /* of a sample; a histogram has several */
} types[] = {
	[OPENMETRICS_COUNTER] = { "counter", "counter", "_total" },
	[OPENMETRICS_GAUGE] = { "gauge", "gauge", "" },
	[OPENMETRICS_HISTOGRAM] = { "histogram", "histogram", "" },
	[OPENMETRICS_INFO] = { "info", "gauge", "_info" },
	[OPENMETRICS_STATESET] = { "stateset", "gauge", "" },
};

/* Backslash, newline and quote: all three in labels and in HELP, where the quote is not asked for
 * but allowed. */
static void add_escaped(struct buf *out, const char *text)
{
	size_t plain;

	while (*text) {
		plain = strcspn(text, "\\\"\n");
		buf_add(out, text, plain);
		text += plain;
		if (!*text)
			return;
		buf_add_str(out, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
		text++;
	}
}

void openmetrics_family(struct openmetrics *om, const struct openmetrics_family *family)
{
	const char *suffix = om->classic ? types[family->type].suffix : "";
	struct buf *out = om->out;

	om->family = family;
	buf_addf(out, "# TYPE %s%s %s\n", family->name, suffix,
		 om->classic ? types[family->type].classic : types[family->type].name);
	if (family->unit && !om->classic)
		buf_addf(out, "# UNIT %s %s\n", family->name, family->unit);
	buf_addf(out, "# HELP %s%s ", family->name, suffix);
	add_escaped(out, family->help);
	buf_add_str(out, "\n");
}

static void add_label(struct buf *out, const struct openmetrics_label *label, const char **before)
{
	buf_add_str(out, *before);
	buf_add_str(out, label->name);
	buf_add_str(out, "=\"");
	add_escaped(out, label->value);
	buf_add_str(out, "\"");
	*before = ",";
}

/* Name, suffix and labels, up to the blank before the value. @extra: one more label, or NULL. */
static void begin(struct openmetrics *om, const char *suffix,
		  const struct openmetrics_label *labels, const struct openmetrics_label *extra)
{
	struct buf *out = om->out;
	const char *before = "{";

	buf_add_str(out, om->family->name);
	buf_add_str(out, suffix);
	for (; labels->name; labels++)
		add_label(out, labels, &before);
	if (extra)
		add_label(out, extra, &before);
	buf_add_str(out, *before == ',' ? "} " : " ");
}

static void add_number(struct openmetrics *om, uint64_t n)
{
	buf_addf(om->out, "%llu\n", (unsigned long long)n);
}

/* Seconds, exactly, with no more digits than needed. */
static void add_seconds(struct openmetrics *om, uint64_t ns)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(ns / 1000000000),
			 (unsigned long long)(ns % 1000000000));

	while (text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	buf_add(om->out, text, (size_t)n);
	buf_add_str(om->out, "\n");
}

static const char *number_suffix(const struct openmetrics *om)
{
	assert(om->family->type == OPENMETRICS_COUNTER || om->family->type == OPENMETRICS_GAUGE);
	return types[om->family->type].suffix;
}

void openmetrics_number(struct openmetrics *om, const struct openmetrics_label *labels,
			const struct openmetrics_label *extra, uint64_t n)
{
	begin(om, number_suffix(om), labels, extra);
	add_number(om, n);
}

void openmetrics_ns(struct openmetrics *om, const struct openmetrics_label *labels, uint64_t ns)
{
	begin(om, number_suffix(om), labels, NULL);
	add_seconds(om, ns);
}

/*
 * A bound is part of the name of a series, so its form must be the one that all others write: that
 * of Go's %g, and a number that looks whole gets ".0".
 */
static void format_bound(uint64_t us, char *ret, size_t size)
{
	int n = snprintf(ret, size - 2, "%.12g", (double)us / 1e6);

	if (!strpbrk(ret, ".e"))
		memcpy(ret + n, ".0", 3);
}

static void add_bucket(struct openmetrics *om, const struct openmetrics_label *labels,
		       const char *bound, uint64_t n)
{
	begin(om, "_bucket", labels, &(struct openmetrics_label){ "le", bound });
	add_number(om, n);
}

void openmetrics_histogram(struct openmetrics *om, const struct openmetrics_label *labels,
			   const struct histogram *h, size_t first, size_t last)
{
	uint64_t n = 0;

	assert(om->family->type == OPENMETRICS_HISTOGRAM && first <= last);
	for (size_t i = 0; i <= last; i++) {
		char bound[32];

		n += h->count[i];
		if (i < first)
			continue;
		format_bound(histogram_bound_us(i), bound, sizeof(bound));
		add_bucket(om, labels, bound, n);
	}
	n = histogram_total(h);
	add_bucket(om, labels, "+Inf", n);
	begin(om, "_count", labels, NULL);
	add_number(om, n);
	begin(om, "_sum", labels, NULL);
	add_seconds(om, h->sum_ns);
}

void openmetrics_info(struct openmetrics *om, const struct openmetrics_label *labels)
{
	assert(om->family->type == OPENMETRICS_INFO);
	begin(om, "_info", labels, NULL);
	add_number(om, 1);
}

void openmetrics_stateset(struct openmetrics *om, const struct openmetrics_label *labels,
			  const char *const *states, size_t now)
{
	assert(om->family->type == OPENMETRICS_STATESET);
	for (size_t i = 0; states[i]; i++) {
		const struct openmetrics_label state = { om->family->name, states[i] };

		begin(om, "", labels, &state);
		add_number(om, i == now);
	}
}

void openmetrics_end(struct openmetrics *om)
{
	if (!om->classic)
		buf_add_str(om->out, "# EOF\n");
}
