#include "conf_build.h"

#include "config/conf.h"
#include "config/conf_check.h"
#include "config/conf_fill.h"
#include "config/origin.h"
#include "base/strlist.h"

#include <errno.h>
#include <string.h>

/* Completes the listeners from other options of the service. */
static void finish_listeners(struct service_conf *sc)
{
	const struct option *option = option_find(OPTION_SERVICE, "listen");

	for (size_t i = 0; i < sc->n_listen; i++) {
		sc->listen[i].line = origin_line(option, sc, i);
		if (sc->v6only && sc->listen[i].addr.family == 6)
			sc->listen[i].addr.flags |= HANDOFF_V6ONLY;
	}
}

static int make_service(struct conf_builder *b, const struct conf_section *own,
			enum origin_kind own_kind, const struct conf_section *defaults,
			struct service_conf **ret)
{
	struct service_conf *sc;
	int r = service_conf_new(own->name, own->line, &sc);

	if (r < 0)
		return r;
	r = conf_fill(b, OPTION_SERVICE, sc, own, own_kind, defaults);
	/* An empty list is NULL, which service_conf.environment must not be. */
	if (r == 0 && !sc->environment)
		r = strlist_init(&sc->environment);
	if (r < 0) {
		service_conf_unref(sc);
		return r;
	}
	finish_listeners(sc);
	*ret = sc;
	return 0;
}

/* Finds mistakes in [defaults] even where no service inherits them. */
static int try_defaults(struct conf_builder *b, const struct conf_section *defaults)
{
	struct service_conf *sc;
	int r;

	if (!defaults)
		return 0;
	r = make_service(b, defaults, ORIGIN_DEFAULTS, NULL, &sc);
	if (r == 0)
		service_conf_unref(sc);
	return r;
}

static int make_services(struct conf_builder *b, const struct conf_sections *sections,
			 struct conf *conf)
{
	const struct conf_section *defaults = conf_sections_find(sections, SECTION_DEFAULTS, NULL);
	const struct option *command = option_find(OPTION_SERVICE, "command");

	for (size_t i = 0; i < sections->n; i++) {
		const struct conf_section *own = &sections->section[i];
		int r;

		if (own->kind != SECTION_SERVICE)
			continue;
		r = make_service(b, own, ORIGIN_FILE, defaults, &conf->services[conf->n_services]);
		if (r < 0)
			return r;
		if (!conf_section_find(own, command) && !conf_section_find(defaults, command))
			conf_errors_add(b->errors, own->line,
					"[service:%s] has no command; write command = PROGRAM "
					"ARGUMENTS",
					own->name);
		/* Where a value is bad already, a contradiction would blame the wrong line. */
		if (b->clean)
			conf_check_service(conf->services[conf->n_services], b->errors);
		conf->n_services++;
	}
	conf_check_listeners(conf, b->errors);
	return 0;
}

static int fill_broker(struct conf_builder *b, const struct conf_sections *sections,
		       struct conf *conf)
{
	return conf_fill(b, OPTION_BROKER, &conf->broker,
			 conf_sections_find(sections, SECTION_BROKER, NULL), ORIGIN_FILE, NULL);
}

/* Hands @conf over, or frees it if a step before failed (@r) or found mistakes. */
static int finish(const struct conf_builder *b, int r, struct conf *conf, struct conf **ret)
{
	if (r == 0 && b->errors->n > 0)
		r = -EINVAL;
	if (r < 0)
		conf_free(conf);
	else
		*ret = conf;
	return r;
}

static int build(struct conf_builder *b, const char *file, const struct conf_sections *sections,
		 struct conf **ret)
{
	struct conf *conf;
	int r = conf_new(file, sections->n, &conf);

	if (r < 0)
		return r;
	r = fill_broker(b, sections, conf);
	if (r == 0)
		r = try_defaults(b, conf_sections_find(sections, SECTION_DEFAULTS, NULL));
	if (r == 0)
		r = make_services(b, sections, conf);
	return finish(b, r, conf, ret);
}

int conf_parse(const char *file, const char *text, size_t len, const struct conf_facts *facts,
	       struct conf **ret, struct strbuf *error)
{
	_cleanup_free_ struct conf_errors *errors = calloc(1, sizeof(*errors));
	struct conf_builder b = { .facts = facts, .errors = errors };
	struct conf_sections sections;
	int r;

	assert(facts->base_dir && facts->base_dir[0] == '/');
	if (!errors)
		return -ENOMEM;
	if (len > CONF_FILE_MAX)
		return strbuf_fail(error, -EINVAL, "%s: the file is larger than 1 MiB", file);
	r = conf_read(text, len, errors, &sections);
	if (r == 0 && !conf_sections_find(&sections, SECTION_SERVICE, NULL) && errors->n == 0)
		conf_errors_add(errors, 0,
				"%s: no service; write [service:NAME] and below it command = "
				"PROGRAM ARGUMENTS",
				file);
	if (r == 0)
		r = build(&b, file, &sections, ret);
	conf_sections_free(&sections);
	if (r == -EINVAL)
		conf_errors_print(errors, file, error);
	return r;
}

int conf_parse_broker(const char *text, size_t len, const struct conf_facts *facts,
		      struct conf **ret)
{
	_cleanup_free_ struct conf_errors *passed_over = calloc(1, sizeof(*passed_over));
	struct conf_builder b = { .facts = facts, .errors = passed_over };
	struct conf_sections sections;
	struct conf *conf;
	int r;

	if (!passed_over)
		return -ENOMEM;
	r = conf_read(text, len, passed_over, &sections);
	if (r == 0)
		r = conf_new(NULL, 0, &conf);
	if (r == 0) {
		r = fill_broker(&b, &sections, conf);
		if (r < 0)
			conf_free(conf);
		else
			*ret = conf;
	}
	conf_sections_free(&sections);
	return r;
}

/* --- the command line ---------------------------------------------------------------- */

static const char *service_name_for(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *base = slash ? slash + 1 : program;

	return conf_name_ok(base, strlen(base)) ? base : "app";
}

static int build_from_command(struct conf_builder *b, char *const *argv,
			      const struct conf_section *section, struct conf **ret)
{
	const struct option *command = option_find(OPTION_SERVICE, "command");
	struct conf_origin origin = { .kind = ORIGIN_COMMAND_LINE };
	struct service_conf *sc;
	struct conf *conf;
	int r = conf_new(NULL, 1, &conf);

	if (r < 0)
		return r;
	r = fill_broker(b, &(struct conf_sections){ 0 }, conf);
	if (r == 0)
		r = make_service(b, section, ORIGIN_COMMAND_LINE, NULL, &sc);
	if (r == 0) {
		conf->services[conf->n_services++] = sc;
		/* In place of a `command` line: the words are there already. */
		r = strlist_copy(argv, &sc->command);
	}
	if (r == 0)
		r = origin_set(command, sc, 0, 1, origin);
	if (r == 0)
		conf_check_listeners(conf, b->errors);
	return finish(b, r, conf, ret);
}

static struct conf_setting setting_of(const char *key, const char *text)
{
	return (struct conf_setting){
		.option = option_find(OPTION_SERVICE, key),
		.text = text,
		.len = strlen(text),
	};
}

int conf_from_command(char *const *argv, const char *workers, const char *const *listen,
		      size_t n_listen, const struct conf_facts *facts, struct conf **ret,
		      struct strbuf *error)
{
	_cleanup_free_ struct conf_errors *errors = calloc(1, sizeof(*errors));
	_cleanup_free_ struct conf_setting *settings = calloc(n_listen + 1, sizeof(*settings));
	struct conf_builder b = { .facts = facts, .errors = errors };
	struct conf_section section = { .kind = SECTION_SERVICE, .settings = settings };
	const char *name;
	int r;

	assert(argv[0] && facts->base_dir && facts->base_dir[0] == '/');
	if (!errors || !settings)
		return -ENOMEM;
	name = service_name_for(argv[0]);
	memcpy(section.name, name, strlen(name));
	if (workers)
		settings[section.n++] = setting_of("workers", workers);
	for (size_t i = 0; i < n_listen; i++)
		settings[section.n++] = setting_of("listen", listen[i]);
	r = build_from_command(&b, argv, &section, ret);
	if (r == -EINVAL)
		conf_errors_print(errors, "command line", error);
	return r;
}
