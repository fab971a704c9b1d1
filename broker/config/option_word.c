/*
 * The option types whose value is one word, and the environment, a list of such words.
 */
#include "config/option_type.h"

#include "base/address.h"
#include "base/words.h"
#include "base/units.h"

#include <limits.h>
#include <signal.h>
#include <strings.h>
#include <sys/param.h>

#define NAME_MAX_BYTES 64
#define PATH_MAX_BYTES 4095 /* the kernel's PATH_MAX without the terminator */

/* @near: what may have been meant, or NULL. */
static int refuse_near(const struct option_input *in, const char *reason, const char *near)
{
	strbuf_refuse(in->why, *in->word, "%s", reason);
	if (near)
		strbuf_addf(in->why, "; did you mean \"%s\"?", near);
	return -EINVAL;
}

/* --- a word of a table --------------------------------------------------------------- */

/* Its index; as many as there are: it is none of them. */
static unsigned find_word(const struct option *opt, const char *word)
{
	unsigned i = 0;

	while (opt->words[i] && strcmp(opt->words[i], word) != 0)
		i++;
	return i;
}

/* @n: the number of words, of which it is none. */
static int refuse_word(const struct option_input *in, unsigned n, const char *reason)
{
	return refuse_near(in, reason, nearest(*in->word, in->opt->words, n));
}

static int word_parse(const struct option_input *in, void *ret)
{
	unsigned at = find_word(in->opt, *in->word);

	if (!in->opt->words[at])
		return refuse_word(in, at, "is unknown");
	*(unsigned *)ret = at;
	return 0;
}

static void word_format(const struct option *opt, const void *value, struct strbuf *out)
{
	strbuf_add(out, opt->words[*(const unsigned *)value]);
}

/* --- bool ---------------------------------------------------------------------------- */

static int bool_parse(const struct option_input *in, void *ret)
{
	/* Every second one is true. */
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(*in->word, words[i]) == 0) {
			*(bool *)ret = i % 2;
			return 0;
		}
	return strbuf_refuse(in->why, *in->word, "is neither yes nor no");
}

static void bool_format(const struct option *opt, const void *value, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, *(const bool *)value ? "yes" : "no");
}

/* --- signal -------------------------------------------------------------------------- */

static int signal_parse(const struct option_input *in, void *ret)
{
	static const int harmless[] = {
		SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGCHLD, SIGURG
	};
	const char *word = *in->word;
	int number;

	if (units_parse_signal(word, &number) != 0)
		return refuse_near(in, "is not a signal", nearest_signal(word));
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (number == harmless[i])
			return strbuf_refuse(in->why, word, "ends no program");
	*(int *)ret = number;
	return 0;
}

static void signal_format(const struct option *opt, const void *value, struct strbuf *out)
{
	(void)opt;
	if (*(const int *)value)
		strbuf_add(out, units_signal(*(const int *)value).text);
}

/* --- number -------------------------------------------------------------------------- */

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

/* What word @at in place of a number stands for: the largest numbers, but for "cpus". */
static int64_t number_of_word(const struct option_input *in, unsigned at)
{
	if (strcmp(*in->word, "cpus") != 0)
		return UINT_MAX - at;
	/* "One for each" holds as far as the limits go, on any machine. */
	return MAX(in->opt->min, MIN(in->opt->max, in->facts->cpus));
}

static int number_parse(const struct option_input *in, void *ret)
{
	const struct option *opt = in->opt;
	unsigned at = opt->words ? find_word(opt, *in->word) : 0;
	bool is_word = opt->words && opt->words[at];
	int64_t number = is_word ? number_of_word(in, at) : 0;
	int r = is_word ? 0 : units_parse(opt->type->units, *in->word, &number);

	if (r != 0)
		return refuse_units(in, (enum units_error)r);
	if (!is_word && number % opt->type->scale != 0)
		return strbuf_refuse(in->why, *in->word, "is not a whole number of seconds");
	if (!is_word)
		number /= opt->type->scale;
	if (!is_word && (number < opt->min || number > opt->max) && !(number == 0 && opt->or_zero))
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

	for (unsigned i = 0; opt->words && opt->words[i]; i++)
		if (number == UINT_MAX - i) {
			strbuf_add(out, opt->words[i]);
			return;
		}
	units_add(out, opt->type->units, number * opt->type->scale);
}

/* --- what a char * holds ------------------------------------------------------------- */

static void text_format(const struct option *opt, const void *value, struct strbuf *out)
{
	const char *text = *(char *const *)value;

	(void)opt;
	if (text)
		words_add_quoted(out, text);
}

/* Whether what stays a text can be read by whom it is for. */
static bool is_good(const struct option *opt, const char *text)
{
	const struct option_type *type = opt->type;
	struct units_cpus cpus;
	int64_t n, hard;
	int minutes;
	char *end;

	if (type == &type_limit)
		return units_parse_limit(text, &n, &hard) == 0;
	if (type == &type_clock)
		return units_parse_clock(text, &minutes) == 0;
	if (type == &type_cpus)
		return units_parse_cpus(text, &cpus) == 0;
	if (!text[*text == '-'] || strspn(text, "-0123456789") != strlen(text))
		return false;
	n = strtoll(text, &end, type == &type_octal ? 8 : 10);
	return !*end && n >= opt->min && n <= opt->max;
}

static int checked_parse(const struct option_input *in, void *ret)
{
	if (!is_good(in->opt, *in->word))
		return strbuf_refuse(in->why, *in->word, "is not a %s", in->opt->type->noun);
	*(char **)ret = strdup(*in->word);
	return *(char **)ret ? 0 : -ENOMEM;
}

static int name_parse(const struct option_input *in, void *ret)
{
	/* What passwd(5) and directory services use; above all no ':' and no '/'. */
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-$";
	const char *name = *in->word;
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_BYTES || *name == '-' || strspn(name, good) != len)
		return strbuf_refuse(in->why, name, "is not a name or number");
	*(char **)ret = strdup(name);
	return *(char **)ret ? 0 : -ENOMEM;
}

static int variable_parse(const struct option_input *in, void *ret)
{
	const char *word = *in->word;

	if (*word == '=' || !strchr(word, '='))
		return strbuf_refuse(in->why, word,
				     "is not NAME=value (quote a value with blanks: NAME=\"a b\")");
	if (!strncmp(word, "BROKER_", 7))
		return strbuf_refuse(in->why, word,
				     "sets a name that belongs to the broker (BROKER_...)");
	*(char **)ret = strdup(word);
	return *(char **)ret ? 0 : -ENOMEM;
}

static bool variable_same_name(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return !strncmp(x, y, strcspn(y, "=") + 1);
}

static void variable_add_name(const void *value, struct strbuf *out)
{
	const char *text = *(char *const *)value;

	strbuf_addf(out, ": %.*s", (int)strcspn(text, "="), text);
}

/* The same path, made absolute. */
static int path_parse(const struct option_input *in, void *ret)
{
	const char *word = *in->word, *base = in->facts->base_dir;
	size_t base_len = strlen(base);
	STRBUF(path, PATH_MAX_BYTES + 1);

	if (*word == '\0')
		return strbuf_refuse(in->why, word, "is not a path");
	if (*word == '~')
		return strbuf_refuse(in->why, word,
				     "begins with \"~\", but nothing is expanded here");

	while (word[0] == '.' && word[1] == '/')
		word += 1 + strspn(word + 1, "/");
	if (!strcmp(word, "."))
		word++;
	if (*word != '/') {
		/* "/" and "/etc" both join to a path with single slashes. */
		while (base_len > 0 && base[base_len - 1] == '/')
			base_len--;
		strbuf_add_bytes(&path, base, base_len);
		if (*word || base_len == 0)
			strbuf_add(&path, "/");
	}
	strbuf_add(&path, word);
	if (path.cut)
		return strbuf_refuse(in->why, *in->word, "is too long for a path");
	*(char **)ret = strdup(path.text);
	return *(char **)ret ? 0 : -ENOMEM;
}

/* --- a word of a table, or a path ---------------------------------------------------- */

static int target_parse(const struct option_input *in, void *ret)
{
	struct option_target *target = ret;

	target->word = find_word(in->opt, *in->word);
	if (in->opt->words[target->word])
		return 0;
	/* Without this a mistyped word would quietly become a file of that name. */
	if (!strchr(*in->word, '/'))
		return refuse_word(in, target->word,
				   "is unknown, and a path needs a \"/\" (./NAME)");
	return path_parse(in, &target->path);
}

static void target_format(const struct option *opt, const void *value, struct strbuf *out)
{
	const struct option_target *target = value;

	if (target->path)
		words_add_quoted(out, target->path);
	else
		word_format(opt, &target->word, out);
}

/* --- an address, or a path ----------------------------------------------------------- */

static int serve_parse(const struct option_input *in, void *ret)
{
	struct conf_serve *serve = ret;
	bool port_only;

	if (strchr(*in->word, '/'))
		return path_parse(in, &serve->path);
	if (address_parse(*in->word, &serve->addr, &port_only, in->why) < 0)
		return -EINVAL;
	/* Clients are not checked, so an open port must be meant. */
	if (port_only)
		return strbuf_refuse(in->why, *in->word,
				     "is every address of this machine: write 127.0.0.1:%u, or "
				     "0.0.0.0:%u if everybody may ask",
				     serve->addr.port, serve->addr.port);
	return 0;
}

static void serve_format(const struct option *opt, const void *value, struct strbuf *out)
{
	const struct conf_serve *serve = value;

	if (serve->addr.family)
		strbuf_add(out, address_text(&serve->addr).text);
	else
		text_format(opt, &serve->path, out);
}

/* --- the types ----------------------------------------------------------------------- */

#define PLAIN(ctype) .size = sizeof(ctype), .plain = sizeof(ctype)
#define NUMBER(ctype, of, times, what, example)                                                    \
	PLAIN(ctype), .parse = number_parse, .format = number_format, .units = (of),               \
		      .scale = (times), .noun = (what), .unit = (example)
#define TEXT .size = sizeof(char *), .owns = OWNS_TEXT, .format = text_format

#define CHECKED(what) TEXT, .may_unset = true, .parse = checked_parse, .noun = (what)

/* A table is read in columns. */
/* clang-format off */
const struct option_type type_count = { NUMBER(unsigned, units_counts, 1, "number", "") };
const struct option_type type_size = { NUMBER(unsigned, units_sizes, 1, "size", "k") };
const struct option_type type_ms = { NUMBER(int64_t, units_durations, 1, "duration", "s") };
const struct option_type type_seconds = {
	NUMBER(unsigned, units_durations, MSEC_PER_SEC, "duration", "s"),
};
const struct option_type type_word = {
	PLAIN(unsigned), .parse = word_parse, .format = word_format,
};
const struct option_type type_bool = {
	PLAIN(bool), .allowed = "yes, no", .parse = bool_parse, .format = bool_format,
};
const struct option_type type_signal = {
	PLAIN(int), .allowed = "a name such as TERM or QUIT, or 1 to 64",
	.parse = signal_parse, .format = signal_format,
};
const struct option_type type_name = {
	TEXT, .allowed = "a name or a number", .may_unset = true, .parse = name_parse,
};
const struct option_type type_environment = {
	TEXT, .allowed = "NAME=value ...", .list = true, .parse = variable_parse,
	.same_name = variable_same_name, .add_name = variable_add_name,
};
const struct option_type type_path = {
	TEXT, .allowed = "a path", .may_unset = true, .parse = path_parse,
};
const struct option_type type_limit = {
	CHECKED("limit"),
	.allowed = "SOFT:HARD, or one for both; each a number, also with k, m, g, or unlimited",
};
const struct option_type type_integer = {
	CHECKED("number in the range"), .scale = 1, .units = units_counts,
};
const struct option_type type_octal = {
	CHECKED("set of rights"), .allowed = "an octal number such as 0027 or 0660",
};
const struct option_type type_clock = {
	CHECKED("time of day"), .allowed = "a time such as 03:00, up to 23:59",
};
const struct option_type type_cpus = {
	CHECKED("list of processors"),
	.allowed = "a list such as 0-3,8; or per-worker, or per-worker:0-3",
};
const struct option_type type_target = {
	.allowed = ", or a path", .size = sizeof(struct option_target), .plain = sizeof(unsigned),
	.owns = OWNS_TEXT, .owned = offsetof(struct option_target, path),
	.parse = target_parse, .format = target_format,
};
const struct option_type type_serve = {
	.allowed = "ADDRESS:PORT, or a path", .may_unset = true,
	.size = sizeof(struct conf_serve), .plain = sizeof(struct handoff_addr),
	.owns = OWNS_TEXT, .owned = offsetof(struct conf_serve, path),
	.parse = serve_parse, .format = serve_format,
};
/* clang-format on */
