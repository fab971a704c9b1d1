#include "units.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>

#define RTMIN 34 /* the first one that neither libc uses for itself */

/* Largest first: the first that divides evenly is the one to print. */
const struct unit units_counts[] = { { "", 1 }, { 0 } };
const struct unit units_durations[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { 0 },
};
const struct unit units_sizes[] = {
	{ "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 }, { "", 1 }, { 0 },
};

/* As signal(7) has them; numbers differ between architectures. */
const char *const units_signal_names[UNITS_SIGNALS] = {
	[SIGHUP] = "HUP",	[SIGINT] = "INT",     [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
	[SIGTRAP] = "TRAP",	[SIGABRT] = "ABRT",   [SIGBUS] = "BUS",	  [SIGFPE] = "FPE",
	[SIGKILL] = "KILL",	[SIGUSR1] = "USR1",   [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",	[SIGALRM] = "ALRM",   [SIGTERM] = "TERM", [SIGCHLD] = "CHLD",
	[SIGCONT] = "CONT",	[SIGSTOP] = "STOP",   [SIGTSTP] = "TSTP", [SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU",	[SIGURG] = "URG",     [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ",
	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF",   [SIGIO] = "IO",	  [SIGPWR] = "PWR",
	[SIGSYS] = "SYS",	[SIGWINCH] = "WINCH",
};

/* Digits at @text; *@ret_rest is what follows them. */
static int parse_digits(const char *text, int64_t *ret, const char **ret_rest)
{
	char *rest;

	if (*text < '0' || *text > '9')
		return UNITS_MALFORMED;
	errno = 0;
	*ret = strtoll(text, &rest, 10);
	*ret_rest = rest;
	return errno ? UNITS_TOO_BIG : 0;
}

int units_parse(const struct unit *units, const char *text, int64_t *ret)
{
	const struct unit *unit = units;
	const char *rest;
	int64_t value;
	int r = parse_digits(text, &value, &rest);

	if (r != 0)
		return r;
	while (unit->factor && strcasecmp(rest, unit->name) != 0)
		unit++;
	if (!unit->factor && *rest)
		return units == units_counts ? UNITS_MALFORMED : UNITS_BAD_UNIT;
	if (!unit->factor && value != 0)
		return UNITS_NO_UNIT;
	if (value != 0 && value > INT64_MAX / unit->factor)
		return UNITS_TOO_BIG;
	*ret = value * unit->factor;
	return 0;
}

int units_parse_count(const char *text, int64_t *ret)
{
	return units_parse(units_counts, text, ret);
}

int units_parse_clock(const char *text, int *ret_minutes)
{
	int64_t hour, minute;
	const char *rest;

	if (parse_digits(text, &hour, &rest) != 0 || *rest != ':' ||
	    parse_digits(rest + 1, &minute, &rest) != 0 || *rest || rest[-3] != ':' || hour > 23 ||
	    minute > 59)
		return UNITS_MALFORMED;
	*ret_minutes = (int)(hour * 60 + minute);
	return 0;
}

static int parse_one_limit(const char *text, int64_t *ret)
{
	*ret = UNITS_UNLIMITED;
	return strcmp(text, "unlimited") ? units_parse(units_sizes, text, ret) : 0;
}

int units_parse_limit(const char *text, int64_t *ret_soft, int64_t *ret_hard)
{
	const char *colon = strchr(text, ':');
	char soft[32];

	snprintf(soft, sizeof(soft), "%.*s", colon ? (int)(colon - text) : (int)strlen(text), text);
	if (parse_one_limit(soft, ret_soft) != 0 ||
	    parse_one_limit(colon ? colon + 1 : soft, ret_hard) != 0 || *ret_soft > *ret_hard)
		return UNITS_MALFORMED;
	return 0;
}

int units_parse_cpus(const char *text, struct units_cpus *ret)
{
	static const char per_worker[] = "per-worker";
	int64_t first, last;

	*ret = (struct units_cpus){ .per_worker = !strncmp(text, per_worker, strlen(per_worker)) };
	if (ret->per_worker)
		text += strlen(per_worker);
	ret->all = ret->per_worker && !*text;
	if (ret->all)
		return 0;
	if (ret->per_worker && *text++ != ':')
		return UNITS_MALFORMED;
	do {
		if (parse_digits(text, &first, &text) != 0)
			return UNITS_MALFORMED;
		last = first;
		if (*text == '-' && parse_digits(text + 1, &last, &text) != 0)
			return UNITS_MALFORMED;
		if (first > last || last >= UNITS_CPUS)
			return UNITS_MALFORMED;
		for (; first <= last; first++)
			ret->has[first] = true;
	} while (*text++ == ',');
	return text[-1] ? UNITS_MALFORMED : 0;
}

int units_parse_signal(const char *text, int *ret)
{
	int64_t number;
	bool rt;

	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < UNITS_SIGNALS; i++) {
		if (units_signal_names[i] && strcasecmp(text, units_signal_names[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	rt = strncasecmp(text, "RTMIN+", 6) == 0;
	if (units_parse_count(rt ? text + 6 : text, &number) != 0 || number >= UNITS_SIGNALS)
		return UNITS_MALFORMED;
	number += rt ? RTMIN : 0;
	if (number < 1 || number >= UNITS_SIGNALS)
		return UNITS_MALFORMED;
	*ret = (int)number;
	return 0;
}

void units_add(struct strbuf *out, const struct unit *units, int64_t n)
{
	/* The last has factor 1. */
	while (n % units->factor != 0)
		units++;
	strbuf_addf(out, "%" PRId64 "%s", n / units->factor, n ? units->name : "");
}

struct units_signal units_signal(int signal)
{
	struct units_signal name;

	if (signal > 0 && signal < UNITS_SIGNALS && units_signal_names[signal])
		strcpy(name.text, units_signal_names[signal]);
	else
		snprintf(name.text, sizeof(name.text), "%d", signal);
	return name;
}
