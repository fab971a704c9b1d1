/*
 * The option types whose value is many strings: a command, the environment.
 */
#include "config/option_type.h"

#include "base/quote.h"
#include "base/strlist.h"
#include "base/units.h"
#include "base/words.h"

#include <errno.h>
#include <string.h>

/* --- command ------------------------------------------------------------------------- */

static bool is_name_start(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* Length of the NAME in NAME=value as a shell has it, 0 if @word does not begin so. */
static size_t assignment_name(const char *word)
{
	size_t n = 0;

	while (is_name_start(word[n]) || (n > 0 && word[n] >= '0' && word[n] <= '9'))
		n++;
	return word[n] == '=' ? n : 0;
}

static int command_check(char *const *word, struct strbuf *why)
{
	if (**word == '\0') {
		strbuf_add(why, "the program's name is empty");
		return -EINVAL;
	}
	if (assignment_name(*word)) {
		quote_add(why, *word);
		strbuf_add(why, " is not a program, and no shell is run: write environment = ");
		strbuf_add_escaped(why, *word, strlen(*word));
		return -EINVAL;
	}
	return 0;
}

static int command_parse(const struct option *opt, char *const *word, size_t n,
			 const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	char ***field = field_of(opt, conf);
	char **copy;
	int r = command_check(word, why);

	(void)n;
	(void)facts;
	if (r == 0)
		r = strlist_copy(word, &copy);
	if (r < 0)
		return r;
	strlist_free(*field);
	*field = copy;
	return 0;
}

static void add_words(char *const *argv, struct strbuf *out)
{
	for (size_t i = 0; argv && argv[i]; i++) {
		if (i)
			strbuf_add(out, " ");
		words_add_quoted(out, argv[i]);
	}
}

static void command_format(const struct option *opt, const void *conf, size_t entry,
			   struct strbuf *out)
{
	(void)entry;
	add_words(*(char **const *)field_in(opt, conf), out);
}

static void command_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "a program and its arguments");
}

static bool strings_equal(const struct option *opt, const void *a, const void *b)
{
	return strlist_equal(*(char **const *)field_in(opt, a), *(char **const *)field_in(opt, b));
}

static void strings_clear(const struct option *opt, void *conf)
{
	strlist_free(*(char ***)field_of(opt, conf));
}

const struct option_type type_command = {
	.name = "command",
	.command = true,
	.parse = command_parse,
	.format = command_format,
	.allowed = command_allowed,
	.equal = strings_equal,
	.clear = strings_clear,
	.size = sizeof(char **),
};

/* --- environment --------------------------------------------------------------------- */

static int environment_check(const char *word, struct strbuf *why)
{
	size_t name = strcspn(word, "=");

	if (name == 0 || word[name] == '\0')
		return option_refuse(why, word,
				     "is not NAME=value (quote a value with blanks: "
				     "NAME=\"a b\")");
	if (!strncmp(word, "BROKER_", 7))
		return option_refuse(why, word,
				     "sets a name that belongs to the broker (BROKER_...)");
	return 0;
}

static int environment_parse(const struct option *opt, char *const *word, size_t n,
			     const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	char ***field = field_of(opt, conf);
	size_t before = strlist_count(*field);
	int r;

	(void)facts;
	for (size_t i = 0; i < n; i++) {
		r = environment_check(word[i], why);
		if (r < 0)
			return r;
	}
	if (!*field) {
		r = strlist_init(field);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		r = strlist_append(field, word[i]);
		if (r < 0) {
			while (strlist_count(*field) > before)
				strlist_remove(*field, before);
			return r;
		}
	}
	return 0;
}

static void environment_format(const struct option *opt, const void *conf, size_t entry,
			       struct strbuf *out)
{
	words_add_quoted(out, (*(char **const *)field_in(opt, conf))[entry]);
}

static void environment_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "NAME=value ...");
}

static size_t environment_entries(const struct option *opt, const void *conf)
{
	return strlist_count(*(char **const *)field_in(opt, conf));
}

const struct option_type type_environment = {
	.name = "list",
	.list = true,
	.may_unset = true,
	.parse = environment_parse,
	.format = environment_format,
	.allowed = environment_allowed,
	.equal = strings_equal,
	.clear = strings_clear,
	.entries = environment_entries,
	.size = sizeof(char **),
};

/* --- wrap ---------------------------------------------------------------------------- */

static const struct conf_wrap *get_wraps(const struct option *opt, const void *conf)
{
	return *(const struct conf_wrap *const *)field_in(opt, conf);
}

static size_t wrap_entries(const struct option *opt, const void *conf)
{
	return *(const size_t *)also_in(opt, conf);
}

static int wrap_parse(const struct option *opt, const char *number, char *const *word, void *conf,
		      struct strbuf *why)
{
	struct conf_wrap **field = field_of(opt, conf), *bigger;
	size_t *n = also_of(opt, conf);
	int64_t slot;
	int r;

	if (!number) {
		strbuf_add(why, "the key has no number of a slot, as in wrap.0");
		return -EINVAL;
	}
	if (units_parse_count(number, &slot) != 0 || slot >= CONF_SLOTS_MAX)
		return option_refuse(why, number, "is not the number of a slot");
	r = command_check(word, why);
	if (r < 0)
		return r;
	bigger = realloc(*field, (*n + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	*field = bigger;
	bigger[*n].slot = (unsigned)slot;
	r = strlist_copy(word, &bigger[*n].words);
	if (r == 0)
		(*n)++;
	return r;
}

static unsigned wrap_number(const struct option *opt, const void *conf, size_t entry)
{
	return get_wraps(opt, conf)[entry].slot;
}

static void wrap_format(const struct option *opt, const void *conf, size_t entry,
			struct strbuf *out)
{
	add_words(get_wraps(opt, conf)[entry].words, out);
}

static void wrap_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_addf(out, "a program and its arguments, for N from 0 to %d", CONF_SLOTS_MAX - 1);
}

/* The order in which they stand in the file means nothing. */
static bool wrap_equal(const struct option *opt, const void *a, const void *b)
{
	const struct service_conf *other = b;
	const struct conf_wrap *wraps = get_wraps(opt, a);

	if (wrap_entries(opt, a) != wrap_entries(opt, b))
		return false;
	for (size_t i = 0; i < wrap_entries(opt, a); i++) {
		char *const *words = conf_find_wrap(other, wraps[i].slot);

		if (!words || !strlist_equal(wraps[i].words, words))
			return false;
	}
	return true;
}

static void wrap_clear(const struct option *opt, void *conf)
{
	struct conf_wrap *wraps = *(struct conf_wrap **)field_of(opt, conf);
	size_t *n = also_of(opt, conf);

	for (size_t i = 0; i < *n; i++)
		strlist_free(wraps[i].words);
	free(wraps);
	*n = 0;
}

const struct option_type type_wrap = {
	.name = "command",
	.list = true,
	.one_entry = true,
	.may_unset = true,
	.command = true,
	.numbered = true,
	.parse_numbered = wrap_parse,
	.number = wrap_number,
	.format = wrap_format,
	.allowed = wrap_allowed,
	.equal = wrap_equal,
	.clear = wrap_clear,
	.entries = wrap_entries,
	.size = sizeof(struct conf_wrap *),
};
