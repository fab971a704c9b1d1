/*
 * The option types whose value is one piece of text: a name, a path, a path or
 * a word or an address.
 */
#include "config/option_type.h"

#include "base/address.h"
#include "base/words.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_BYTES 64
#define PATH_MAX_BYTES 4095 /* the kernel's PATH_MAX without the terminator */

static int set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* --- what a char * holds ------------------------------------------------------------- */

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
			return option_refuse(why, *word, "is not a name or number");
	if (**word == '\0' || **word == '-' || strlen(*word) > NAME_MAX_BYTES)
		return option_refuse(why, *word, "is not a name or number");
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
		return option_refuse(why, word, "is not a path");
	if (*word == '~')
		return option_refuse(why, word, "begins with \"~\", but nothing is expanded here");

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
		return option_refuse(why, word, "is too long for a path");
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

/* --- a word of a table, or a path ---------------------------------------------------- */

static bool is_target_path(const struct option *opt, const void *conf)
{
	return !opt->words[option_word(opt, conf)];
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
		option_refuse(why, *word, "is unknown, and a path needs a \"/\" (./NAME)");
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
	(void)entry;
	if (is_target_path(opt, conf))
		words_add_quoted(out, *(char *const *)also_in(opt, conf));
	else
		strbuf_add(out, opt->words[option_word(opt, conf)]);
}

static void target_allowed(const struct option *opt, struct strbuf *out)
{
	option_add_words(opt, out);
	strbuf_add(out, ", or a path");
}

static bool target_equal(const struct option *opt, const void *a, const void *b)
{
	if (option_word(opt, a) != option_word(opt, b))
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

/* --- an address, or a path ----------------------------------------------------------- */

static const struct conf_serve *get_serve(const struct option *opt, const void *conf)
{
	return field_in(opt, conf);
}

static int serve_parse(const struct option *opt, char *const *word, size_t n,
		       const struct conf_facts *facts, void *conf, struct strbuf *why)
{
	struct conf_serve *serve = field_of(opt, conf);
	struct handoff_addr addr;
	bool port_only;
	int r;

	(void)n;
	if (strchr(*word, '/')) {
		r = set_path(&serve->path, *word, facts, why);
		if (r == 0)
			serve->addr = (struct handoff_addr){ 0 };
		return r;
	}
	r = address_parse(*word, &addr, &port_only, why);
	if (r < 0)
		return r;
	/* Who may ask is not checked: that everybody may must have been meant. */
	if (port_only) {
		option_refuse(why, *word, "is every address of this machine: write 127.0.0.1:");
		strbuf_addf(why, "%u, or 0.0.0.0:%u if everybody may ask", addr.port, addr.port);
		return -EINVAL;
	}
	free(serve->path);
	*serve = (struct conf_serve){ .addr = addr };
	return 0;
}

static void serve_format(const struct option *opt, const void *conf, size_t entry,
			 struct strbuf *out)
{
	const struct conf_serve *serve = get_serve(opt, conf);

	(void)entry;
	if (serve->path)
		words_add_quoted(out, serve->path);
	else if (serve->addr.family)
		address_format(&serve->addr, out);
}

static void serve_allowed(const struct option *opt, struct strbuf *out)
{
	(void)opt;
	strbuf_add(out, "ADDRESS:PORT, or a path");
}

static bool serve_equal(const struct option *opt, const void *a, const void *b)
{
	const struct conf_serve *x = get_serve(opt, a), *y = get_serve(opt, b);

	if (x->path || y->path)
		return x->path && y->path && !strcmp(x->path, y->path);
	return address_equal(&x->addr, &y->addr);
}

static void serve_clear(const struct option *opt, void *conf)
{
	struct conf_serve *serve = field_of(opt, conf);

	free(serve->path);
}

const struct option_type type_serve = {
	.name = "address or path",
	.may_unset = true,
	.one_word = true,
	.parse = serve_parse,
	.format = serve_format,
	.allowed = serve_allowed,
	.equal = serve_equal,
	.clear = serve_clear,
	.size = sizeof(struct conf_serve),
};
