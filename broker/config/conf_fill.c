#include "config/conf_build.h"

#include "config/origin.h"
#include "base/strlist.h"

#include <errno.h>
#include <string.h>

/* A list each of whose entries has a name of its own: a variable, the slot of a wrapper. */
struct named_list {
	bool (*same_name)(const struct service_conf *sc, size_t a, size_t b);
	void (*add_name)(const struct service_conf *sc, size_t at, struct strbuf *out);
	void (*remove)(struct service_conf *sc, size_t at);
};

static bool same_variable(const struct service_conf *sc, size_t a, size_t b)
{
	size_t name = strcspn(sc->environment[b], "=") + 1;

	return !strncmp(sc->environment[a], sc->environment[b], name);
}

static void add_variable(const struct service_conf *sc, size_t at, struct strbuf *out)
{
	strbuf_addf(out, "environment: %.*s", (int)strcspn(sc->environment[at], "="),
		    sc->environment[at]);
}

static void remove_variable(struct service_conf *sc, size_t at)
{
	strlist_remove(sc->environment, at);
}

static bool same_slot(const struct service_conf *sc, size_t a, size_t b)
{
	return sc->wraps[a].slot == sc->wraps[b].slot;
}

static void add_slot(const struct service_conf *sc, size_t at, struct strbuf *out)
{
	strbuf_addf(out, "wrap.%u", sc->wraps[at].slot);
}

static void remove_wrap(struct service_conf *sc, size_t at)
{
	strlist_free(sc->wraps[at].words);
	memmove(&sc->wraps[at], &sc->wraps[at + 1], (--sc->n_wraps - at) * sizeof(sc->wraps[0]));
}

static const struct named_list *named_list_of(const struct option *option)
{
	static const struct named_list variables = { same_variable, add_variable, remove_variable };
	static const struct named_list wraps = { same_slot, add_slot, remove_wrap };

	if (option->section != OPTION_SERVICE)
		return NULL;
	return !strcmp(option->key, "environment") ? &variables
	       : !strcmp(option->key, "wrap")	   ? &wraps
						   : NULL;
}

/*
 * Two entries with one name: in one section that is a mistake, and against
 * [defaults] the service's own takes the place of the other. @before: entries
 * that were there before this setting.
 */
static void settle_names(struct conf_builder *b, struct conf_target *target,
			 const struct option *option, const struct named_list *list, size_t before)
{
	struct service_conf *sc = target->conf;
	size_t at = before;

	while (at < option_entries(option, sc)) {
		const struct conf_origin *from, *first;
		STRBUF(name, 300);
		size_t twin = 0;

		while (twin < at && !list->same_name(sc, twin, at))
			twin++;

		if (twin == at) {
			at++;
			continue;
		}
		from = origin_find(sc->origins, sc->n_origins, option, at);
		first = origin_find(sc->origins, sc->n_origins, option, twin);
		if (from->kind == first->kind) {
			list->add_name(sc, at, &name);
			conf_errors_add(b->errors, from->line,
					"%s is set a second time; the first is in line %u",
					name.text, first->line);
			target->clean = false;
			at++;
			continue;
		}
		/* All that follow move up by one, so the next is at @at already. */
		list->remove(sc, twin);
		origin_remove(sc->origins, &sc->n_origins, option, twin);
	}
}

int conf_note_origin(struct conf_target *target, const struct option *option, size_t before,
		     enum origin_kind kind, unsigned line)
{
	struct conf_origin origin = { .option = option, .kind = kind, .line = line };
	size_t n = 1;

	if (option_is_list(option)) {
		size_t now = option_entries(option, target->conf);

		if (now == 0)
			before = 0;
		n = now > 0 ? now - before : 1;
	}
	if (!option_is_list(option) || before == 0)
		origin_clear(*target->origins, target->n_origins, option);
	while (n-- > 0) {
		int r = origin_add(target->origins, target->n_origins, &origin);

		if (r < 0)
			return r;
	}
	return 0;
}

/* 0 or -ENOMEM: a bad value goes to the errors, and the field stays as it was. */
static int apply(struct conf_builder *b, struct conf_target *target, const struct option *option,
		 const char *number, const char *text, size_t len, enum origin_kind kind,
		 unsigned line)
{
	size_t before = option_is_list(option) ? option_entries(option, target->conf) : 0;
	STRBUF(why, sizeof(((struct conf_error *)0)->text));
	const struct named_list *names = named_list_of(option);
	int r = option_set_numbered(option, number, text, len, b->facts, target->conf, &why);

	if (r == -EINVAL) {
		assert(kind != ORIGIN_DEFAULT); /* our own table */
		if (kind == ORIGIN_ENVIRONMENT)
			conf_errors_add(b->errors, 0, "$%s in the environment: %s",
					option->variable, why.text);
		else
			conf_errors_add(b->errors, line, "%s", why.text);
		target->clean = false;
		return 0;
	}
	if (r == 0)
		r = conf_note_origin(target, option, before, kind, line);
	if (r == 0 && names && before < option_entries(option, target->conf))
		settle_names(b, target, option, names, before);
	return r;
}

static int apply_default(struct conf_builder *b, struct conf_target *target,
			 const struct option *option)
{
	/* Nothing to parse where the default is "not set"; the struct is all zero yet. */
	if (!*option->fallback)
		return conf_note_origin(target, option, 0, ORIGIN_DEFAULT, 0);
	return apply(b, target, option, NULL, option->fallback, strlen(option->fallback),
		     ORIGIN_DEFAULT, 0);
}

static const char *variable_of(const struct option *option, const struct conf_facts *facts)
{
	const char *value = NULL;

	if (option->variable && !strcmp(option->variable, "WORKER_COUNT"))
		value = facts->worker_count;
	return value && *value ? value : NULL;
}

/* All that @section says of @option. */
static int apply_section(struct conf_builder *b, struct conf_target *target,
			 const struct option *option, const struct conf_section *section,
			 enum origin_kind kind)
{
	int r = 0;

	for (size_t i = 0; section && r == 0 && i < section->n; i++) {
		const struct conf_setting *setting = &section->settings[i];

		if (setting->option == option)
			r = apply(b, target, option, *setting->number ? setting->number : NULL,
				  setting->text, setting->len, kind, setting->line);
	}
	return r;
}

int conf_fill(struct conf_builder *b, struct conf_target *target, const struct conf_section *own,
	      enum origin_kind own_kind, const struct conf_section *defaults)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *option = &option_table[i];
		bool own_has = conf_section_find(own, option);
		const char *variable = variable_of(option, b->facts);
		int r;

		if (option->section != target->options)
			continue;
		r = apply_default(b, target, option);
		if (r == 0 && variable && !own_has && !conf_section_find(defaults, option))
			r = apply(b, target, option, NULL, variable, strlen(variable),
				  ORIGIN_ENVIRONMENT, 0);
		if (r == 0 && (option_is_list(option) || !own_has))
			r = apply_section(b, target, option, defaults, ORIGIN_DEFAULTS);
		if (r == 0)
			r = apply_section(b, target, option, own, own_kind);
		if (r < 0)
			return r;
	}
	return 0;
}
