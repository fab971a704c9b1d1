/* links: broker/base/units broker/base/strbuf */
/* Numbers with units: what is read is written so that it is read as the same. */
#include "base/units.h"
#include "fuzz.h"

static void number(const struct unit *units, const char *text)
{
	int64_t n, again;
	STRBUF(out, 64);

	if (units_parse(units, text, &n) != 0)
		return;
	MUST(n >= 0);
	units_add(&out, units, n);
	MUST(!out.cut && units_parse(units, out.text, &again) == 0 && n == again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct units_cpus cpus;
	int64_t soft, hard;
	int n, again;

	number(units_durations, text);
	number(units_sizes, text);
	number(units_counts, text);
	if (units_parse_signal(text, &n) == 0) {
		MUST(n >= 1 && n < UNITS_SIGNALS);
		MUST(units_parse_signal(units_signal(n).text, &again) == 0 && n == again);
	}
	if (units_parse_clock(text, &n) == 0)
		MUST(n >= 0 && n < 24 * 60);
	if (units_parse_limit(text, &soft, &hard) == 0)
		MUST(soft >= 0 && soft <= hard);
	if (units_parse_cpus(text, &cpus) == 0)
		MUST(!cpus.all || cpus.per_worker);
	free(text);
	return 0;
}
