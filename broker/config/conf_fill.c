#include "conf_fill.h"

#include "config/option.h"
#include "config/origin.h"

#include <errno.h>
#include <string.h>

/*
 * Two entries with one name: in one section that is a mistake, and against
 * [defaults] the service's own takes the place of the other. @before: entries
 * that were there before this setting.
 */
static void settle_names(struct conf_builder *b, const struct option *opt, void *conf,
			 size_t before)
{
	size_t at = before;

	while (at < option_entries(opt, conf)) {
		size_t twin = option_find_same(opt, conf, at, conf);
		const struct conf_origin *from = origin_find(opt, conf, at);
		const struct conf_origin *first = origin_find(opt, conf, twin);

		if (twin >= at) {
			at++;
		} else if (from->kind == first->kind) {
			STRBUF(name, 300);

			option_add_entry_name(opt, conf, at, &name);
			conf_errors_add(b->errors, from->line,
					"%s is set a second time; the first is in line %u",
					name.text, first->line);
			b->clean = false;
			at++;
		} else {
			/* All that follow move up by one, so the next is at @at already. */
			option_remove(opt, conf, twin);
			origin_remove(opt, conf, twin);
		}
	}
}

static int apply(struct conf_builder *b, const struct option *opt, void *conf,
		 const struct conf_setting *setting, enum origin_kind kind)
{
	size_t before = option_is_list(opt) ? option_entries(opt, conf) : 0, now;
	struct conf_origin origin = { .kind = kind, .line = setting->line };
	STRBUF(why, sizeof(((struct conf_error *)0)->text));
	int r = option_set(opt, *setting->number ? setting->number : NULL, setting->text,
			   setting->len, b->facts, conf, &why);

	if (r == -EINVAL) {
		assert(kind != ORIGIN_DEFAULT); /* our own table */
		if (kind == ORIGIN_ENVIRONMENT)
			conf_errors_add(b->errors, 0, "$%s in the environment: %s", opt->variable,
					why.text);
		else
			conf_errors_add(b->errors, setting->line, "%s", why.text);
		b->clean = false;
		return 0;
	}
	if (r < 0)
		return r;
	now = option_entries(opt, conf);
	if (now <= before) /* an empty value: the list has been emptied */
		return origin_set(opt, conf, 0, 1, origin);
	r = origin_set(opt, conf, before, now - before, origin);
	if (r == 0 && option_is_list(opt))
		settle_names(b, opt, conf, before);
	return r;
}

static int apply_text(struct conf_builder *b, const struct option *opt, void *conf,
		      const char *text, enum origin_kind kind)
{
	struct conf_setting setting = { .text = text, .len = strlen(text) };

	return apply(b, opt, conf, &setting, kind);
}

static int apply_default(struct conf_builder *b, const struct option *opt, void *conf)
{
	/* Nothing to parse where the default is "not set"; the struct is all zero yet. */
	if (!*opt->fallback)
		return origin_set(opt, conf, 0, 1, (struct conf_origin){ .kind = ORIGIN_DEFAULT });
	return apply_text(b, opt, conf, opt->fallback, ORIGIN_DEFAULT);
}

static const char *variable_of(const struct option *opt, const struct conf_facts *facts)
{
	const char *value = NULL;

	if (opt->variable && !strcmp(opt->variable, "WORKER_COUNT"))
		value = facts->worker_count;
	return value && *value ? value : NULL;
}

/* All that @section says of @opt. */
static int apply_section(struct conf_builder *b, const struct option *opt, void *conf,
			 const struct conf_section *section, enum origin_kind kind)
{
	int r = 0;

	for (size_t i = 0; section && r == 0 && i < section->n; i++)
		if (section->settings[i].option == opt)
			r = apply(b, opt, conf, &section->settings[i], kind);
	return r;
}

int conf_fill(struct conf_builder *b, enum option_section options, void *conf,
	      const struct conf_section *own, enum origin_kind own_kind,
	      const struct conf_section *defaults)
{
	b->clean = true;
	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];
		bool own_has = conf_section_find(own, opt);
		const char *variable = variable_of(opt, b->facts);
		int r;

		if (opt->section != options)
			continue;
		r = apply_default(b, opt, conf);
		if (r == 0 && variable && !own_has && !conf_section_find(defaults, opt))
			r = apply_text(b, opt, conf, variable, ORIGIN_ENVIRONMENT);
		if (r == 0 && (option_is_list(opt) || !own_has))
			r = apply_section(b, opt, conf, defaults, ORIGIN_DEFAULTS);
		if (r == 0)
			r = apply_section(b, opt, conf, own, own_kind);
		if (r < 0)
			return r;
	}
	return 0;
}
