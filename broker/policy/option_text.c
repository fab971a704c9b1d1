/*
 * The option types whose value is text: a word of a table, a name, a path, a
 * command, the environment.
 */
#include "option_type.h"

#include "nearest.h"
#include "quote.h"
#include "strlist.h"
#include "words.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_BYTES 64
#define PATH_MAX_BYTES 4095 /* the kernel's PATH_MAX without the terminator */

static int refuse(struct strbuf *why, const char *word, const char *reason)
{
	quote_add(why, word);
	strbuf_addf(why, " %s", reason);
	return -EINVAL;
}

static int set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* --- one word of a table --- */

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
		refuse(why, *word, "is unknown");
		option_add_did_you_mean(opt, *word, why);
		return -EINVAL;
	}
	*(unsigned *)field_of(opt, conf) = (unsigned)at;
	return 0;
}

static unsigned get_word(const struct option *opt, const void *conf)
{
	return *(const unsigned *)field_in(opt, conf);
}

static void word_format(const struct option *opt, const void *conf, size_t entry,
			struct strbuf *out)
{
	(void)entry;
	strbuf_add(out, opt->words[get_word(opt, conf)]);
}

static bool word_equal(const struct option *opt, const void *a, const void *b)
{
	return get_word(opt, a) == get_word(opt, b);
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

/* --- what a char * holds --- */

static const char *get_text(const struct option *opt, const void *conf)
{
	return *(char *const *)field_in(opt, conf);
}

static void text_format(const struct option *opt, const void *conf, size_t entry,
			struct strbuf *out)
{
	const char *text = get_text(opt, conf);

	(void)entry;
	if (text)
		words_add_quoted(out, text);
}

static bool text_equal(const struct option *opt, const void *a, const void *b)
{
	const char *x = get_text(opt, a), *y = get_text(opt, b);

	return x && y ? !strcmp(x, y) : x == y;
}

static void text_clear(const struct option *opt, void *conf)
{
	free(*(char **)field_of(opt, conf));
}

static int name_parse(const struct option *opt, char *const *word, size_t n,
		      const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	(void)n;
	(void)facts;
	/* What passwd(5) and directory services use; above all no ':' and no '/'. */
	for (const char *c = *word; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-$",
			    *c))
			return refuse(why, *word, "is not a name or number");
	if (**word == '\0' || **word == '-' || strlen(*word) > NAME_MAX_BYTES)
		return refuse(why, *word, "is not a name or number");
	return set_text(field_of(opt, conf), *word);
}

static void name_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "a name or a number");
}

const struct option_type type_name = {
	.name = "name",
	.may_unset = true,
	.one_word = true,
	.parse = name_parse,
	.format = text_format,
	.allowed = name_allowed,
	.equal = text_equal,
	.clear = text_clear,
	.size = sizeof(char *),
};

/* Makes @word absolute and puts it into *@field. */
static int set_path(char **field, const char *word, const struct conf_facts *facts,
		    struct strbuf *why)
{
	_cleanup_free_ char *joined = NULL;
	size_t base, size;

	if (*word == '\0')
		return refuse(why, word, "is not a path");
	if (*word == '~')
		return refuse(why, word, "begins with \"~\", but nothing is expanded here");

	while (word[0] == '.' && word[1] == '/') {
		word += 2;
		while (*word == '/')
			word++;
	}
	if (!strcmp(word, "."))
		word++;
	/* "/" and "/etc" both join to a path with single slashes. */
	base = *word == '/' ? 0 : strlen(facts->base_dir);
	while (base > 1 && facts->base_dir[base - 1] == '/')
		base--;
	size = base + 1 + strlen(word) + 1;
	if (size > PATH_MAX_BYTES + 1)
		return refuse(why, word, "is too long for a path");
	joined = malloc(size);
	if (!joined)
		return -ENOMEM;
	memcpy(joined, facts->base_dir, base);
	if (base > 0 && *word && joined[base - 1] != '/')
		joined[base++] = '/';
	memcpy(joined + base, word, strlen(word) + 1);

	free(*field);
	*field = joined;
	joined = NULL;
	return 0;
}

static int path_parse(const struct option *opt, char *const *word, size_t n,
		      const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	(void)n;
	return set_path(field_of(opt, conf), *word, facts, why);
}

static void path_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "a path");
}

const struct option_type type_path = {
	.name = "path",
	.may_unset = true,
	.one_word = true,
	.parse = path_parse,
	.format = text_format,
	.allowed = path_allowed,
	.equal = text_equal,
	.clear = text_clear,
	.size = sizeof(char *),
};

/* --- a word of a table, or a path --- */

static bool is_target_path(const struct option *opt, const void *conf)
{
	return !opt->words[get_word(opt, conf)];
}

static int target_parse(const struct option *opt, char *const *word, size_t n,
			const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	char **path = also_of(opt, conf);
	unsigned *target = field_of(opt, conf);
	int at = option_find_word(opt, *word);

	(void)n;
	if (at >= 0) {
		free(*path);
		*path = NULL;
		*target = (unsigned)at;
		return 0;
	}
	/* Without this a mistyped word would quietly become a file of that name. */
	if (!strchr(*word, '/')) {
		refuse(why, *word, "is unknown, and a path needs a \"/\" (./NAME)");
		option_add_did_you_mean(opt, *word, why);
		return -EINVAL;
	}
	at = set_path(path, *word, facts, why);
	if (at < 0)
		return at;
	*target = 0;
	while (opt->words[*target])
		++*target; /* the value behind the words is the path's */
	return 0;
}

static void target_format(const struct option *opt, const void *conf, size_t entry,
			  struct strbuf *out)
{
	if (is_target_path(opt, conf))
		words_add_quoted(out, *(char *const *)also_in(opt, conf));
	else
		word_format(opt, conf, entry, out);
}

static void target_allowed(const struct option *opt, struct strbuf *out)
{
	option_add_words(opt, out);
	strbuf_add(out, ", or a path");
}

static bool target_equal(const struct option *opt, const void *a, const void *b)
{
	if (!word_equal(opt, a, b))
		return false;
	return !is_target_path(opt, a) ||
	       !strcmp(*(char *const *)also_in(opt, a), *(char *const *)also_in(opt, b));
}

static void target_clear(const struct option *opt, void *conf)
{
	char **path = also_of(opt, conf);

	free(*path);
	*path = NULL;
}

const struct option_type type_target = {
	.name = "word or path",
	.one_word = true,
	.parse = target_parse,
	.format = target_format,
	.allowed = target_allowed,
	.equal = target_equal,
	.clear = target_clear,
	.size = sizeof(unsigned),
};

/* --- command --- */

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

/* --- environment --- */

static int environment_check(const char *word, struct strbuf *why)
{
	size_t name = strcspn(word, "=");

	if (name == 0 || word[name] == '\0')
		return refuse(why, word,
			      "is not NAME=value (quote a value with blanks: "
			      "NAME=\"a b\")");
	if (!strncmp(word, "BROKER_", 7))
		return refuse(why, word, "sets a name that belongs to the broker (BROKER_...)");
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
