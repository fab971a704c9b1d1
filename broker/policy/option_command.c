/*
 * The option types whose value is many strings: a command, the environment.
 */
#include "option_type.h"

#include "quote.h"
#include "strlist.h"
#include "words.h"

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

static int command_parse(const struct option *opt, char *const *word, size_t n,
			 const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	char ***field = field_of(opt, conf);
	char **copy;
	int r;

	(void)n;
	(void)facts;
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
	r = strlist_copy(word, &copy);
	if (r < 0)
		return r;
	strlist_free(*field);
	*field = copy;
	return 0;
}

static void command_format(const struct option *opt, const void *conf, size_t entry,
			   struct strbuf *out)
{
	char **argv = *(char **const *)field_in(opt, conf);

	(void)entry;
	for (size_t i = 0; argv && argv[i]; i++) {
		if (i)
			strbuf_add(out, " ");
		words_add_quoted(out, argv[i]);
	}
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
