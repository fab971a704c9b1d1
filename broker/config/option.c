#include "option.h"

#include "config/option_type.h"
#include "base/words.h"

#include <errno.h>
#include <string.h>

static void *field_of(const struct option *opt, void *conf)
{
	return (char *)conf + opt->offset;
}

static const void *field_in(const struct option *opt, const void *conf)
{
	return (const char *)conf + opt->offset;
}

static const void *value_in(const struct option *opt, const void *conf, size_t entry)
{
	const void *field = field_in(opt, conf);

	if (!opt->type->list)
		return field;
	return (const char *)((const struct option_list *)field)->entries + entry * opt->type->size;
}

static void free_values(const struct option_type *type, void *values, size_t n)
{
	for (size_t i = 0; type->free && i < n; i++)
		type->free((char *)values + i * type->size);
}

void option_clear(const struct option *opt, void *conf)
{
	void *field = field_of(opt, conf);
	struct option_list *list = field;

	if (opt->type->list) {
		free_values(opt->type, list->entries, list->n);
		free(list->entries);
		*list = (struct option_list){ 0 };
	} else {
		free_values(opt->type, field, 1);
		memset(field, 0, opt->type->size);
	}
}

/* --- setting ------------------------------------------------------------------------- */

/* Takes over the @n values of @values, which has room for one more. 0 or -ENOMEM. */
static int store(const struct option *opt, void *values, size_t n, void *conf)
{
	struct option_list *list = field_of(opt, conf);
	size_t size = opt->type->size;
	char *bigger;

	if (!opt->type->list) {
		option_clear(opt, conf);
		memcpy(list, values, size);
		return 0;
	}
	bigger = realloc(list->entries, (list->n + n + 1) * size);
	if (!bigger)
		return -ENOMEM;
	memcpy(bigger + list->n * size, values, (n + 1) * size);
	list->entries = bigger;
	list->n += n;
	return 0;
}

/* @in->word: all words of the text, @n of them. Each is a value, or all are one. */
static int parse_words(struct option_input *in, size_t n, void *conf)
{
	const struct option_type *type = in->opt->type;
	size_t n_values = type->list && !type->one_entry ? n : 1, parsed = 0;
	_cleanup_free_ char *values = NULL;
	int r = 0;

	if (type->list && n_values + option_entries(in->opt, conf) > CONF_LIST_MAX)
		return strbuf_fail(in->why, -EINVAL, "the list has more than %d entries",
				   CONF_LIST_MAX);
	values = calloc(n_values + 1, type->size);
	if (!values)
		return -ENOMEM;
	for (; r == 0 && parsed < n_values; in->word++) {
		r = type->parse(in, values + parsed * type->size);
		parsed += r == 0;
	}
	if (r == 0)
		r = store(in->opt, values, n_values, conf);
	if (r < 0)
		free_values(type, values, parsed);
	return r;
}

/* What holds for values of any type; then the type has its say. */
static int set_words(struct option_input *in, const struct words *words, const char *text,
		     void *conf)
{
	const struct option_type *type = in->opt->type;

	if (words->n == 0) {
		if ((type->may_unset || type->list) && !in->number) {
			option_clear(in->opt, conf);
			return 0;
		}
		return strbuf_fail(in->why, -EINVAL, "the value is empty");
	}
	if (words->n > 1 && !type->list && !type->command) {
		strbuf_add_quoted_bytes(in->why, text, words->text_len);
		strbuf_add(in->why, words->word[1][0] == ';'
					    ? " is more than one value (behind a value a comment "
					      "begins with #)"
					    : " is more than one value (quote it if it is one)");
		return -EINVAL;
	}
	in->word = words->word;
	return parse_words(in, words->n, conf);
}

int option_set(const struct option *opt, const char *number, const char *text, size_t len,
	       const struct conf_facts *facts, void *conf, struct strbuf *ret_error)
{
	_cleanup_words_ struct words words = { 0 };
	STRBUF(why, 512);
	struct option_input in = { .opt = opt, .facts = facts, .number = number, .why = &why };
	int split, r;

	r = split = words_split(opt->type->command ? WORDS_COMMAND : WORDS_VALUE, text, len, &words,
				&why);
	if (r == 0)
		r = set_words(&in, &words, text, conf);
	if (r != -EINVAL)
		return r;

	strbuf_add(ret_error, opt->key);
	if (number) {
		strbuf_add(ret_error, ".");
		strbuf_add_escaped(ret_error, number, strlen(number));
	}
	strbuf_addf(ret_error, ": %s", why.text);
	/* A mistake of writing: what values are allowed is not the question. */
	if (split == 0) {
		bool asks = why.len > 0 && why.text[why.len - 1] == '?'; /* did you mean ...? */

		strbuf_add(ret_error, asks ? " Allowed: " : "; allowed: ");
		option_add_allowed(opt, ret_error);
	}
	return r;
}

/* --- reading ------------------------------------------------------------------------- */

bool option_equal(const struct option *opt, const void *a, const void *b)
{
	const struct option_type *type = opt->type;
	size_t n = option_entries(opt, a);

	if (n != option_entries(opt, b))
		return false;
	for (size_t i = 0; i < n; i++) {
		/* The order of numbered keys in the file means nothing. */
		size_t same = type->numbered ? option_find_same(opt, a, i, b) : i;
		const void *x = value_in(opt, a, i), *y = value_in(opt, b, same);

		if (same == n)
			return false;
		if (type->equal ? !type->equal(x, y) : memcmp(x, y, type->size) != 0)
			return false;
	}
	return true;
}

void option_format(const struct option *opt, const void *conf, size_t entry, struct strbuf *out)
{
	if (entry < option_entries(opt, conf))
		opt->type->format(opt, value_in(opt, conf, entry), out);
}

void option_add_allowed(const struct option *opt, struct strbuf *out)
{
	const struct option_type *type = opt->type;

	if (type->add_number) {
		type->add_number(out, opt->min * type->scale);
		strbuf_add(out, " to ");
		type->add_number(out, opt->max * type->scale);
		strbuf_add(out, opt->or_zero ? ", or 0" : "");
	}
	for (size_t i = 0; opt->words && opt->words[i]; i++)
		strbuf_addf(out, "%s%s", type->add_number ? ", or " : i ? ", " : "", opt->words[i]);
	if (type->allowed)
		strbuf_add(out, type->allowed);
}

/* --- lists --------------------------------------------------------------------------- */

void option_format_all(const struct option *opt, const void *conf, struct strbuf *out)
{
	for (size_t i = 0; i < option_entries(opt, conf); i++) {
		strbuf_add(out, i ? ", " : "");
		option_format(opt, conf, i, out);
	}
}

bool option_is_list(const struct option *opt)
{
	return opt->type->list;
}

bool option_is_numbered(const struct option *opt)
{
	return opt->type->numbered;
}

size_t option_entries(const struct option *opt, const void *conf)
{
	return opt->type->list ? ((const struct option_list *)field_in(opt, conf))->n : 1;
}

void option_add_key(const struct option *opt, const void *conf, size_t entry, struct strbuf *out)
{
	strbuf_add(out, opt->key);
	if (opt->type->numbered && entry < option_entries(opt, conf))
		opt->type->add_name(value_in(opt, conf, entry), out);
}

size_t option_find_same(const struct option *opt, const void *conf, size_t entry, const void *other)
{
	const void *value = value_in(opt, conf, entry);
	size_t n = option_entries(opt, other), i = 0;

	if (!opt->type->same_name)
		return n;
	while (i < n && !opt->type->same_name(value_in(opt, other, i), value))
		i++;
	return i;
}

void option_add_entry_name(const struct option *opt, const void *conf, size_t entry,
			   struct strbuf *out)
{
	strbuf_add(out, opt->key);
	opt->type->add_name(value_in(opt, conf, entry), out);
}

void option_remove(const struct option *opt, void *conf, size_t entry)
{
	struct option_list *list = field_of(opt, conf);
	size_t size = opt->type->size;
	char *value = (char *)list->entries + entry * size;

	free_values(opt->type, value, 1);
	memmove(value, value + size, (list->n - entry) * size);
	list->n--;
}
