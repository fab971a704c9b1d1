#include "option.h"

#include "base/units.h"
#include "base/words.h"

#define NUMBER_SHOWN 7 /* of a key: what is longer is none */

const struct option *option_find(enum option_section section, const char *key)
{
	for_each_option (opt, section)
		if (!strcmp(opt->key, key))
			return opt;
	return NULL;
}

const char *const option_apply_names[APPLY_N] = {
	[APPLY_LIVE] = "at once",
	[APPLY_WORKERS] = "with new workers",
	[APPLY_LISTENERS] = "with new listeners",
	[APPLY_RESTART] = "after a restart",
};

/* --- fields ----------------------------------------------------------------------- */

static void *field_of(const struct option *opt, void *conf)
{
	return (char *)conf + opt->offset;
}

static const void *value_in(const struct option *opt, const void *conf, size_t entry)
{
	const void *field = (const char *)conf + opt->offset;
	const char *entries;

	if (!opt->type->list)
		return field;
	entries = ((const struct option_list *)field)->entries;
	return entries ? entries + entry * opt->type->size : NULL;
}

static void *owned_by(const struct option_type *type, const void *value)
{
	return *(void *const *)(const void *)((const char *)value + type->owned);
}

static void free_values(const struct option_type *type, const void *values, size_t n)
{
	for (size_t i = 0; type->owns != OWNS_NOTHING && i < n; i++) {
		void *owned = owned_by(type, (const char *)values + i * type->size);

		if (type->owns == OWNS_WORDS)
			strlist_free(owned);
		else
			free(owned);
	}
}

/* --- origins ------------------------------------------------------------------------- */

/* Either struct begins with them. */
static struct conf_origin **origins_of(const struct option *opt, void *conf)
{
	return (struct conf_origin **)conf + (opt - option_table);
}

struct conf_origin option_origin(const struct option *opt, const void *conf, size_t entry)
{
	const struct conf_origin *origins = ((struct conf_origin *const *)conf)[opt - option_table];
	bool given = origins && (entry == 0 || entry < option_entries(opt, conf));

	return given ? origins[entry] : (struct conf_origin){ ORIGIN_DEFAULT, 0 };
}

int option_set_origins(const struct option *opt, void *conf, size_t at, size_t n,
		       struct conf_origin origin)
{
	struct conf_origin **origins = origins_of(opt, conf);
	struct conf_origin *of = realloc(*origins, (at + n) * sizeof(*of));

	if (!of)
		return -ENOMEM;
	*origins = of;
	for (size_t i = at; i < at + n; i++)
		of[i] = origin;
	return 0;
}

void option_add_origin(const struct option *opt, const void *conf, size_t entry, const char *file,
		       struct strbuf *out)
{
	struct conf_origin origin = option_origin(opt, conf, entry);

	if (origin.line) {
		strbuf_add_escaped(out, file, strlen(file));
		strbuf_addf(out, ":%u", origin.line);
	} else if (origin.kind == ORIGIN_ENVIRONMENT) {
		strbuf_addf(out, "$%s", opt->variable);
	} else {
		strbuf_add(out, origin.kind == ORIGIN_DEFAULT ? "default" : "command line");
	}
}

/* --- setting ------------------------------------------------------------------------- */

void option_clear(const struct option *opt, void *conf)
{
	struct conf_origin **origins = origins_of(opt, conf);
	struct option_list *list = field_of(opt, conf);

	free_values(opt->type, value_in(opt, conf, 0), option_entries(opt, conf));
	if (opt->type->list)
		free(list->entries);
	memset(list, 0, opt->type->list ? sizeof(*list) : opt->type->size);
	free(*origins);
	*origins = NULL;
}

/* Each word of @in is a value, or all are one: added to a list, else in place of the last value. */
static int store(const struct option_setting *s, struct option_input *in, int n_words, void *conf)
{
	const struct option_type *type = s->option->type;
	struct option_list *list = type->list ? field_of(s->option, conf) : NULL;
	size_t n = type->list && !type->one_entry ? (size_t)n_words : 1, at = list ? list->n : 0;
	_cleanup_free_ char *values = NULL;
	char *to = field_of(s->option, conf);
	int r = 0;

	if (list && at + n > CONF_LIST_MAX)
		return strbuf_fail(in->why, -EINVAL, "the list has more than %d entries",
				   CONF_LIST_MAX);
	values = calloc(n + 1, type->size); /* lists have a zero behind the last entry */
	if (!values)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++, in->word++)
		r = type->parse(in, values + i * type->size);
	if (r == 0 && list) {
		to = realloc(list->entries, (at + n + 1) * type->size);
		list->entries = to ? to : list->entries;
	}
	if (r == 0)
		r = to ? option_set_origins(s->option, conf, at, n, s->origin) : -ENOMEM;
	if (r < 0) {
		free_values(type, values, n);
		return r;
	}
	if (list)
		list->n += n;
	else
		free_values(type, to, n);
	memcpy(to + at * type->size, values, (list ? n + 1 : n) * type->size);
	return 0;
}

/* What holds for values of any type; then the type has its say. */
static int set_words(const struct option_setting *s, struct option_input *in, int n_words,
		     size_t text_len, void *conf)
{
	const struct option_type *type = s->option->type;

	if (n_words == 0) {
		if ((type->may_unset || in->opt->or_none || type->list) && !in->number) {
			option_clear(s->option, conf);
			return option_set_origins(s->option, conf, 0, 1, s->origin);
		}
		return strbuf_fail(in->why, -EINVAL, "the value is empty");
	}
	if (n_words > 1 && !type->list && !type->command)
		return strbuf_fail(in->why, -EINVAL, "%s is more than one value (%s)",
				   strbuf_quote_bytes(s->text, text_len).text,
				   in->word[1][0] == ';' ? "behind a value a comment begins with #"
							 : "quote it if it is one");
	return store(s, in, n_words, conf);
}

int option_set(const struct option_setting *s, const struct conf_facts *facts, void *conf,
	       struct strbuf *ret_error)
{
	_cleanup_free_ char **words = NULL;
	const struct option *opt = s->option;
	STRBUF(why, 512);
	size_t text_len;
	int split = words_split(opt->type->command ? WORDS_COMMAND : WORDS_VALUE, s->text, &words,
				&text_len, &why);
	struct option_input in = { opt, facts, s->number, words, &why };
	int r = split < 0 ? split : set_words(s, &in, split, text_len, conf);

	if (r != -EINVAL)
		return r;
	strbuf_add(ret_error, opt->key);
	if (s->number) {
		strbuf_add(ret_error, ".");
		strbuf_add_escaped(ret_error, s->number, strnlen(s->number, NUMBER_SHOWN));
	}
	strbuf_addf(ret_error, ": %s", why.text);
	/* A mistake of writing: what values are allowed is not the question. */
	if (split >= 0) {
		bool asks = why.len > 0 && why.text[why.len - 1] == '?'; /* did you mean ...? */

		strbuf_add(ret_error, asks ? " Allowed: " : "; allowed: ");
		option_add_allowed(opt, ret_error);
	}
	return r;
}

/* --- reading ------------------------------------------------------------------------- */

static bool value_equal(const struct option_type *type, const void *a, const void *b)
{
	if (memcmp(a, b, type->plain) != 0)
		return false;
	if (type->owns == OWNS_TEXT) {
		const char *x = owned_by(type, a), *y = owned_by(type, b);

		return x && y ? !strcmp(x, y) : x == y;
	}
	return type->owns == OWNS_NOTHING || strlist_equal(owned_by(type, a), owned_by(type, b));
}

/*
 * The first entry of @other that has the name of @entry of @conf (a variable, or the slot of a
 * wrapper); as many as @other has: none has, or entries of @opt have no names.
 */
static size_t find_same(const struct option *opt, const void *conf, size_t entry, const void *other)
{
	const void *value = value_in(opt, conf, entry);
	size_t n = option_entries(opt, other), i = 0;

	if (!opt->type->same_name)
		return n;
	while (i < n && !opt->type->same_name(value_in(opt, other, i), value))
		i++;
	return i;
}

bool option_equal(const struct option *opt, const void *a, const void *b)
{
	size_t n = option_entries(opt, a);

	if (n != option_entries(opt, b))
		return false;
	for (size_t i = 0; i < n; i++) {
		/* The order of numbered keys in the file means nothing. */
		size_t same = opt->type->numbered ? find_same(opt, a, i, b) : i;

		if (same == n ||
		    !value_equal(opt->type, value_in(opt, a, i), value_in(opt, b, same)))
			return false;
	}
	return true;
}

bool option_changes(enum option_section section, const void *a, const void *b,
		    enum option_apply apply, struct strbuf *ret_keys)
{
	bool any = false;

	for_each_option (opt, section) {
		if ((apply != APPLY_N && opt->apply != apply) || option_equal(opt, a, b))
			continue;
		strbuf_addf(ret_keys, "%s%s", any ? ", " : "", opt->key);
		any = true;
	}
	return any;
}

void option_format(const struct option *opt, const void *conf, size_t entry, struct strbuf *out)
{
	if (entry < option_entries(opt, conf))
		opt->type->format(opt, value_in(opt, conf, entry), out);
}

void option_add_allowed(const struct option *opt, struct strbuf *out)
{
	const struct option_type *type = opt->type;

	if (type->units) {
		units_add(out, type->units, opt->min * type->scale);
		strbuf_add(out, " to ");
		units_add(out, type->units, opt->max * type->scale);
		strbuf_add(out, opt->or_zero ? ", or 0" : "");
	}
	for (size_t i = 0; opt->words && opt->words[i]; i++)
		strbuf_addf(out, "%s%s", type->units ? ", or " : i ? ", " : "", opt->words[i]);
	if (type->allowed)
		strbuf_add(out, type->allowed);
	strbuf_add(out, opt->or_none ? "; or nothing" : "");
}

/* --- lists --------------------------------------------------------------------------- */

size_t option_entries(const struct option *opt, const void *conf)
{
	const void *field = (const char *)conf + opt->offset;

	return opt->type->list ? ((const struct option_list *)field)->n : 1;
}

void option_add_key(const struct option *opt, const void *conf, size_t entry, struct strbuf *out)
{
	strbuf_add(out, opt->key);
	if (opt->type->numbered && entry < option_entries(opt, conf))
		opt->type->add_name(value_in(opt, conf, entry), out);
}

void option_format_key(const struct option *opt, const void *conf, size_t entry, bool names_only,
		       struct strbuf *out)
{
	if (opt->type->numbered) {
		option_format(opt, conf, entry, out);
		return;
	}
	for (size_t i = 0; i < option_entries(opt, conf); i++) {
		size_t start;
		char *equals;

		strbuf_add(out, i ? ", " : "");
		start = out->len;
		option_format(opt, conf, i, out);
		equals = names_only && opt->type->same_name ? strchr(out->text + start, '=') : NULL;
		if (equals) {
			out->len = (size_t)(equals - out->text);
			strbuf_add(out, "=...");
		}
	}
}

bool option_pair(const struct option *opt, const void *a, const void *b, size_t n, size_t *ret_a,
		 size_t *ret_b)
{
	size_t n_a = option_entries(opt, a), n_b = option_entries(opt, b), in_b_only = n - n_a;

	*ret_a = n;
	*ret_b = 0;
	if (!opt->type->numbered || n_a + n_b == 0)
		return n == 0;
	if (n < n_a) {
		*ret_b = find_same(opt, a, n, b);
		return true;
	}
	for (*ret_b = 0; *ret_b < n_b; ++*ret_b)
		if (find_same(opt, b, *ret_b, a) == n_a && in_b_only-- == 0)
			return true;
	return false;
}

/* Frees one entry; those behind it move up. */
static void remove_entry(const struct option *opt, void *conf, size_t entry)
{
	struct conf_origin *origin = *origins_of(opt, conf) + entry;
	struct option_list *list = field_of(opt, conf);
	size_t size = opt->type->size, behind = --list->n - entry;
	char *value = (char *)list->entries + entry * size;

	free_values(opt->type, value, 1);
	memmove(value, value + size, (behind + 1) * size); /* and the zero */
	memmove(origin, origin + 1, behind * sizeof(*origin));
}

bool option_settle(const struct option *opt, void *conf, size_t *at, struct strbuf *ret_why)
{
	for (; *at < option_entries(opt, conf); ++*at) {
		size_t twin = find_same(opt, conf, *at, conf);
		struct conf_origin first = option_origin(opt, conf, twin);

		if (twin >= *at)
			continue;
		if (option_origin(opt, conf, *at).kind == first.kind) {
			strbuf_add(ret_why, opt->key);
			opt->type->add_name(value_in(opt, conf, (*at)++), ret_why);
			strbuf_addf(ret_why, " is set a second time; the first is in line %u",
				    first.line);
			return true;
		}
		remove_entry(opt, conf, twin);
		--*at; /* all that follow have moved up */
	}
	return false;
}
