#include "conf_build.h"

#include "origin.h"
#include "strlist.h"

#include <errno.h>
#include <string.h>

/* The entry before @at that sets the same name, or @at if none does. */
static size_t find_same_name(char *const *environment, size_t at)
{
	size_t name = strcspn(environment[at], "=") + 1;
	size_t i = 0;

	while (i < at && strncmp(environment[i], environment[at], name) != 0)
		i++;
	return i;
}

/*
 * Two entries of the environment with one name: in one section that is a
 * mistake, and against [defaults] the service's own takes the place of the
 * other. @before: entries that were there before this setting.
 */
static void settle_environment(struct conf_builder *b, struct conf_target *target,
			       const struct option *option, size_t before)
{
	struct service_conf *sc = target->conf;
	size_t at = before;

	while (sc->environment[at]) {
		size_t twin = find_same_name(sc->environment, at);
		const struct conf_origin *from, *first;

		if (twin == at) {
			at++;
			continue;
		}
		from = origin_find(sc->origins, sc->n_origins, option, at);
		first = origin_find(sc->origins, sc->n_origins, option, twin);
		if (from->kind == first->kind) {
			conf_errors_add(b->errors, from->line,
					"environment: %.*s is set a second time; the first is in "
					"line %u",
					(int)strcspn(sc->environment[at], "="), sc->environment[at],
					first->line);
			target->clean = false;
			at++;
			continue;
		}
		/* All that follow move up by one, so the next is at @at already. */
		strlist_remove(sc->environment, twin);
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
		 const char *text, size_t len, enum origin_kind kind, unsigned line)
{
	size_t before = option_is_list(option) ? option_entries(option, target->conf) : 0;
	STRBUF(why, sizeof(((struct conf_error *)0)->text));
	int r = option_set(option, text, len, b->facts, target->conf, &why);

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
	if (r == 0 && !strcmp(option->key, "environment") &&
	    before < option_entries(option, target->conf))
		settle_environment(b, target, option, before);
	return r;
}

static int apply_default(struct conf_builder *b, struct conf_target *target,
			 const struct option *option)
{
	/* Nothing to parse where the default is "not set"; the struct is all zero yet. */
	if (!*option->fallback)
		return conf_note_origin(target, option, 0, ORIGIN_DEFAULT, 0);
	return apply(b, target, option, option->fallback, strlen(option->fallback), ORIGIN_DEFAULT,
		     0);
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
			r = apply(b, target, option, setting->text, setting->len, kind,
				  setting->line);
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
			r = apply(b, target, option, variable, strlen(variable), ORIGIN_ENVIRONMENT,
				  0);
		if (r == 0 && (option_is_list(option) || !own_has))
			r = apply_section(b, target, option, defaults, ORIGIN_DEFAULTS);
		if (r == 0)
			r = apply_section(b, target, option, own, own_kind);
		if (r < 0)
			return r;
	}
	return 0;
}
