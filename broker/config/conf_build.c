#include "conf_build.h"

#include "config/conf.h"
#include "config/conf_check.h"
#include "config/conf_read.h"
#include "base/strlist.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct builder {
	const struct conf_facts *facts;
	struct conf_errors errors;
	struct conf_sections sections;
	char *const *argv; /* the one service's command; NULL: each section has its own */
	bool clean;	   /* every value that was given to the last fill() is good */
};

/* --- from settings to one struct broker_conf or service_conf ------------------------- */

/*
 * Two entries with one name: in one section that is a mistake, and against
 * [defaults] the service's own takes the place of the other. @at: the first
 * entry that is new.
 */
static void settle_names(struct builder *b, const struct option *opt, void *conf, size_t at)
{
	while (at < option_entries(opt, conf)) {
		size_t twin = option_find_same(opt, conf, at, conf);
		struct conf_origin from = option_origin(opt, conf, at);
		struct conf_origin first = option_origin(opt, conf, twin);

		if (twin < at && from.kind != first.kind) {
			/* All that follow move up by one, so the next is at @at already. */
			option_remove(opt, conf, twin);
			continue;
		}
		if (twin < at) {
			STRBUF(name, 300);

			option_add_entry_name(opt, conf, at, &name);
			conf_errors_add(&b->errors, from.line,
					"%s is set a second time; the first is in line %u",
					name.text, first.line);
			b->clean = false;
		}
		at++;
	}
}

static int apply(struct builder *b, const struct option_setting *setting, void *conf)
{
	const struct option *opt = setting->option;
	size_t before = option_entries(opt, conf);
	STRBUF(why, sizeof(((struct conf_error *)0)->text));
	int r;

	if (setting->origin.kind == ORIGIN_ENVIRONMENT)
		strbuf_addf(&why, "$%s in the environment: ", opt->variable);
	r = option_set(setting, b->facts, conf, &why);
	if (r == 0)
		settle_names(b, opt, conf, before);
	if (r != -EINVAL)
		return r;
	assert(setting->origin.kind != ORIGIN_DEFAULT); /* our own table */
	conf_errors_add(&b->errors, setting->origin.line, "%s", why.text);
	b->clean = false;
	return 0;
}

static struct option_setting setting_of(const struct option *opt, const char *text,
					enum origin_kind kind)
{
	return (struct option_setting){
		.option = opt,
		.text = text,
		.origin.kind = kind,
	};
}

/* @text NULL or empty: nothing is said. */
static int apply_text(struct builder *b, const struct option *opt, const char *text,
		      enum origin_kind kind, void *conf)
{
	struct option_setting setting = setting_of(opt, text ? text : "", kind);

	return *setting.text ? apply(b, &setting, conf) : 0;
}

/* All that @section says of @opt. */
static int apply_section(struct builder *b, const struct option *opt,
			 const struct conf_section *section, void *conf)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < section->n; i++)
		if (section->settings[i].option == opt)
			r = apply(b, &section->settings[i], conf);
	return r;
}

/*
 * Fills @conf, which is new. A single value has the default first, so that a
 * bad one leaves a good one in its place and the checks that follow see no
 * nonsense. A list has that of [defaults] first, and the section's own is added
 * to it. 0 or -ENOMEM: a bad value is no failure of a step, it goes to the
 * errors, so that all of them are found.
 */
static int fill(struct builder *b, enum option_section options, const struct conf_section *own,
		const struct conf_section *defaults, void *conf)
{
	const struct option *opt;

	b->clean = true;
	for_each_option (opt, options) {
		bool own_has = conf_section_find(own, opt);
		int r = apply_text(b, opt, opt->fallback, ORIGIN_DEFAULT, conf);

		if (r == 0 && opt->variable && !own_has && !conf_section_find(defaults, opt))
			r = apply_text(b, opt, b->facts->worker_count, ORIGIN_ENVIRONMENT, conf);
		if (r == 0 && (opt->type->list || !own_has))
			r = apply_section(b, opt, defaults, conf);
		if (r == 0)
			r = apply_section(b, opt, own, conf);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- from sections to a struct conf -------------------------------------------------- */

static const struct conf_section no_section;

/* With room for the services. NULL: there is no memory. */
static struct conf *conf_new(const char *file)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (!conf)
		return NULL;
	conf->services = calloc(CONF_SERVICES_MAX, sizeof(struct service_conf *));
	if (file)
		conf->file = strdup(file);
	if (conf->services && (!file || conf->file))
		return conf;
	conf_free(conf);
	return NULL;
}

static int make_service(struct builder *b, const struct conf_section *own,
			const struct conf_section *defaults, struct service_conf **ret)
{
	struct service_conf *sc = calloc(1, sizeof(*sc));
	int r;

	if (!sc)
		return -ENOMEM;
	sc->refs = 1;
	sc->line = own->line;
	r = fill(b, OPTION_SERVICE, own, defaults, sc);
	if (r < 0) {
		service_conf_unref(sc);
		return r;
	}
	for (size_t i = 0; sc->v6only && i < sc->n_listen; i++)
		if (sc->listen[i].addr.family == 6)
			sc->listen[i].addr.flags |= HANDOFF_V6ONLY;
	*ret = sc;
	return 0;
}

/* In place of a `command` line: the words are there already. */
static int set_command(struct service_conf *sc, char *const *argv)
{
	int r = strlist_copy(argv, &sc->command);

	if (r < 0)
		return r;
	return option_set_origin(option_find(OPTION_SERVICE, "command"), sc,
				 (struct conf_origin){ .kind = ORIGIN_COMMAND_LINE });
}

static int add_service(struct builder *b, const struct conf_section *own, struct conf *conf)
{
	const struct option *command = option_find(OPTION_SERVICE, "command");
	const struct conf_section *defaults = &b->sections.of[SECTION_DEFAULTS];
	struct service_conf *sc;
	int r = make_service(b, own, defaults, &sc);

	if (r < 0)
		return r;
	strcpy(sc->name, strchr(own->name, ':') + 1);
	conf->services[conf->n_services++] = sc;
	if (b->argv)
		return set_command(sc, b->argv);
	if (!conf_section_find(own, command) && !conf_section_find(defaults, command))
		conf_errors_add(&b->errors, own->line,
				"[%s] has no command; write command = PROGRAM ARGUMENTS",
				own->name);
	/* Where a value is bad already, a contradiction would blame the wrong line. */
	if (b->clean)
		conf_check_service(sc, &b->errors);
	return 0;
}

static int add_services(struct builder *b, struct conf *conf)
{
	const struct conf_section *defaults = &b->sections.of[SECTION_DEFAULTS];
	struct service_conf *tried = NULL;
	int r = 0;

	/* Mistakes in [defaults] are found even where no service inherits them. */
	if (defaults->line)
		r = make_service(b, defaults, &no_section, &tried);
	service_conf_unref(tried);
	for (size_t i = SECTION_SERVICES; r == 0 && i < b->sections.n; i++)
		r = add_service(b, &b->sections.of[i], conf);
	if (r == 0)
		conf_check_listeners(conf, &b->errors);
	return r;
}

/*
 * @file NULL: command line. -EINVAL if there are mistakes, which are in @error then. @error NULL:
 * no services, and mistakes are passed over.
 */
static int build(struct builder *b, const char *file, struct conf **ret, struct strbuf *error)
{
	const struct conf_section *broker = &b->sections.of[SECTION_BROKER];
	struct conf *conf = conf_new(file);
	int r = conf ? fill(b, OPTION_BROKER, broker, &no_section, &conf->broker) : -ENOMEM;

	if (r == 0 && error)
		r = add_services(b, conf);
	if (r == 0 && error && b->errors.n > 0) {
		conf_errors_print(&b->errors, file ? file : "command line", error);
		r = -EINVAL;
	}
	if (r == 0)
		*ret = conf;
	else
		conf_free(conf);
	return r;
}

int conf_parse(const char *file, const char *text, size_t len, const struct conf_facts *facts,
	       struct conf **ret, struct strbuf *error)
{
	struct builder b = { .facts = facts };
	int r;

	assert(facts->base_dir && facts->base_dir[0] == '/');
	if (len > CONF_FILE_MAX)
		return strbuf_fail(error, -EINVAL, "%s: the file is larger than 1 MiB", file);
	r = conf_read(text, len, &b.errors, &b.sections);
	if (r == 0 && b.sections.n == SECTION_SERVICES && b.errors.n == 0)
		conf_errors_add(&b.errors, 0,
				"%s: no service; write [service:NAME] and below it command = "
				"PROGRAM ARGUMENTS",
				file);
	if (r == 0)
		r = build(&b, file, ret, error);
	conf_sections_free(&b.sections);
	return r;
}

int conf_parse_broker(const char *text, size_t len, const struct conf_facts *facts,
		      struct conf **ret)
{
	struct builder b = { .facts = facts };
	int r = conf_read(text, len, &b.errors, &b.sections);

	if (r == 0)
		r = build(&b, NULL, ret, NULL);
	conf_sections_free(&b.sections);
	return r;
}

int conf_from_command(char *const *argv, const char *workers, const char *const *listen,
		      size_t n_listen, const struct conf_facts *facts, struct conf **ret,
		      struct strbuf *error)
{
	_cleanup_free_ struct option_setting *settings = calloc(n_listen + 1, sizeof(*settings));
	struct builder b = { .facts = facts, .argv = argv, .sections.n = SECTION_SERVICES + 1 };
	struct conf_section *service = &b.sections.of[SECTION_SERVICES];
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

	assert(facts->base_dir && facts->base_dir[0] == '/');
	if (!settings)
		return -ENOMEM;
	service->settings = settings;
	(void)snprintf(service->name, sizeof(service->name), "service:%s",
		       conf_name_ok(name, strlen(name)) ? name : "app");
	if (workers)
		settings[service->n++] = setting_of(option_find(OPTION_SERVICE, "workers"), workers,
						    ORIGIN_COMMAND_LINE);
	for (size_t i = 0; i < n_listen; i++)
		settings[service->n++] = setting_of(option_find(OPTION_SERVICE, "listen"),
						    listen[i], ORIGIN_COMMAND_LINE);
	return build(&b, NULL, ret, error);
}
