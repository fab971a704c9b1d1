#include "conf.h"

#include "conf_check.h"
#include "conf_read.h"
#include "option.h"
#include "origin.h"
#include "strlist.h"

#include <errno.h>
#include <string.h>

/* One struct that is being filled. */
struct target {
	enum option_section options;
	void *conf; /* struct broker_conf or service_conf */
	struct conf_origin **origins;
	size_t *n_origins;
	bool clean; /* every value that was given is good */
};

struct builder {
	const struct conf_facts *facts;
	struct conf_errors *errors;
};

/* --- life --- */

static void clear_options(enum option_section section, void *conf)
{
	for (size_t i = 0; i < option_count; i++)
		if (option_table[i].section == section)
			option_clear(&option_table[i], conf);
}

struct service_conf *service_conf_ref(struct service_conf *sc)
{
	assert(sc->refs > 0);
	sc->refs++;
	return sc;
}

void service_conf_unref(struct service_conf *sc)
{
	if (!sc)
		return;
	assert(sc->refs > 0);
	if (--sc->refs > 0)
		return;
	clear_options(OPTION_SERVICE, sc);
	free(sc->origins);
	free(sc->name);
	free(sc);
}

static int service_conf_new(const char *name, unsigned line, struct service_conf **ret)
{
	struct service_conf *sc = calloc(1, sizeof(*sc));

	if (!sc)
		return -ENOMEM;
	sc->refs = 1;
	sc->line = line;
	sc->name = strdup(name);
	if (!sc->name || strlist_init(&sc->environment) < 0) {
		service_conf_unref(sc);
		return -ENOMEM;
	}
	*ret = sc;
	return 0;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->n_services; i++)
		service_conf_unref(conf->services[i]);
	free(conf->services);
	clear_options(OPTION_BROKER, &conf->broker);
	free(conf->broker.origins);
	free(conf->file);
	free(conf);
}

/* @n_services: room for them. */
static int conf_new(const char *file, size_t n_services, struct conf **ret)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (!conf)
		return -ENOMEM;
	conf->services = calloc(n_services + 1, sizeof(struct service_conf *));
	if (file)
		conf->file = strdup(file);
	if (!conf->services || (file && !conf->file)) {
		conf_free(conf);
		return -ENOMEM;
	}
	*ret = conf;
	return 0;
}

struct service_conf *conf_find_service(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_services; i++)
		if (!strcmp(conf->services[i]->name, name))
			return conf->services[i];
	return NULL;
}

bool conf_port_is_private(const struct service_conf *sc, uint16_t port)
{
	for (size_t i = 0; i < sc->n_private_ports; i++)
		if (port >= sc->private_ports[i].first && port <= sc->private_ports[i].last)
			return true;
	return false;
}

/* --- values --- */

/*
 * Two entries of the environment with one name: in one section that is a
 * mistake, and against [defaults] the service's own takes the place of the
 * other. @before: entries that were there before this setting.
 */
static void settle_environment(struct builder *b, struct target *target,
			       const struct option *option, size_t before)
{
	struct service_conf *sc = target->conf;

	for (size_t new = before; sc->environment[new]; new ++) {
		size_t name = strcspn(sc->environment[new], "=") + 1;

		for (size_t old = 0; old < new; old++) {
			const struct conf_origin *from, *first;

			if (strncmp(sc->environment[old], sc->environment[new], name) != 0)
				continue;
			from = origin_find(sc->origins, sc->n_origins, option, new);
			first = origin_find(sc->origins, sc->n_origins, option, old);
			if (from->kind == first->kind) {
				conf_errors_add(b->errors, from->line,
						"environment: %.*s is set a second time; the first "
						"is in line %u",
						(int)(name - 1), sc->environment[new], first->line);
				target->clean = false;
				continue;
			}
			strlist_remove(sc->environment, old);
			origin_remove(sc->origins, &sc->n_origins, option, old);
			old--;
			new --;
		}
	}
}

/* Remembers where the value of @option, or what was added to it, came from. */
static int note_origin(struct target *target, const struct option *option, size_t before,
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
static int apply(struct builder *b, struct target *target, const struct option *option,
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
		r = note_origin(target, option, before, kind, line);
	if (r == 0 && !strcmp(option->key, "environment") &&
	    before < option_entries(option, target->conf))
		settle_environment(b, target, option, before);
	return r;
}

static int apply_default(struct builder *b, struct target *target, const struct option *option)
{
	/* Nothing to parse where the default is "not set"; the struct is all zero yet. */
	if (!*option->fallback)
		return note_origin(target, option, 0, ORIGIN_DEFAULT, 0);
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
static int apply_section(struct builder *b, struct target *target, const struct option *option,
			 const struct conf_section *section, enum origin_kind kind)
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

/*
 * Fills a whole struct. @own and @defaults may be NULL. A single value has the
 * default first, so that a bad one leaves a good one in its place and the
 * checks that follow see no nonsense. A list has that of [defaults] first.
 */
static int fill(struct builder *b, struct target *target, const struct conf_section *own,
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

/* --- sections --- */

static int fill_broker(struct builder *b, const struct conf_section *own, struct broker_conf *bc)
{
	struct target target = {
		.options = OPTION_BROKER,
		.conf = bc,
		.origins = &bc->origins,
		.n_origins = &bc->n_origins,
		.clean = true,
	};

	return fill(b, &target, own, ORIGIN_FILE, NULL);
}

/* What only the whole service says of its listeners. */
static void finish_listeners(struct service_conf *sc)
{
	const struct option *option = option_find(OPTION_SERVICE, "listen");

	for (size_t i = 0; i < sc->n_listen; i++) {
		sc->listen[i].line = origin_line(sc->origins, sc->n_origins, option, i);
		if (sc->v6only && sc->listen[i].addr.family == 6)
			sc->listen[i].addr.flags |= HANDOFF_V6ONLY;
	}
}

static int make_service(struct builder *b, const struct conf_section *own,
			enum origin_kind own_kind, const struct conf_section *defaults,
			struct service_conf **ret, bool *ret_clean)
{
	struct service_conf *sc;
	struct target target = { .options = OPTION_SERVICE, .clean = true };
	int r = service_conf_new(own->name, own->line, &sc);

	if (r < 0)
		return r;
	target.conf = sc;
	target.origins = &sc->origins;
	target.n_origins = &sc->n_origins;
	r = fill(b, &target, own, own_kind, defaults);
	/* `environment =` leaves nothing behind, and nobody is to meet that. */
	if (r == 0 && !sc->environment)
		r = strlist_init(&sc->environment);
	if (r < 0) {
		service_conf_unref(sc);
		return r;
	}
	finish_listeners(sc);
	*ret = sc;
	*ret_clean = target.clean;
	return 0;
}

/* Finds what is wrong in [defaults] even where no service inherits it. */
static int try_defaults(struct builder *b, const struct conf_section *defaults)
{
	struct service_conf *sc;
	bool clean;
	int r;

	if (!defaults)
		return 0;
	r = make_service(b, defaults, ORIGIN_DEFAULTS, NULL, &sc, &clean);
	if (r == 0)
		service_conf_unref(sc);
	return r;
}

static int make_services(struct builder *b, const struct conf_sections *sections, struct conf *conf)
{
	const struct conf_section *defaults = conf_sections_find(sections, SECTION_DEFAULTS, NULL);
	const struct option *command = option_find(OPTION_SERVICE, "command");

	for (size_t i = 0; i < sections->n; i++) {
		const struct conf_section *own = &sections->section[i];
		bool clean;
		int r;

		if (own->kind != SECTION_SERVICE)
			continue;
		r = make_service(b, own, ORIGIN_FILE, defaults, &conf->services[conf->n_services],
				 &clean);
		if (r < 0)
			return r;
		if (!conf_section_find(own, command) && !conf_section_find(defaults, command))
			conf_errors_add(b->errors, own->line,
					"[service:%s] has no command; write command = PROGRAM "
					"ARGUMENTS",
					own->name);
		/* Between values that are not all good there is no saying who is wrong. */
		if (clean)
			conf_check_service(conf->services[conf->n_services], b->errors);
		conf->n_services++;
	}
	conf_check_listeners(conf, b->errors);
	return 0;
}

static int build(struct builder *b, const char *file, const struct conf_sections *sections,
		 struct conf **ret)
{
	struct conf *conf;
	int r = conf_new(file, sections->n, &conf);

	if (r < 0)
		return r;
	r = fill_broker(b, conf_sections_find(sections, SECTION_BROKER, NULL), &conf->broker);
	if (r == 0)
		r = try_defaults(b, conf_sections_find(sections, SECTION_DEFAULTS, NULL));
	if (r == 0)
		r = make_services(b, sections, conf);
	if (r == 0 && b->errors->n > 0)
		r = -EINVAL;
	if (r < 0) {
		conf_free(conf);
		return r;
	}
	*ret = conf;
	return 0;
}

int conf_parse(const char *file, const char *text, size_t len, const struct conf_facts *facts,
	       struct conf **ret, struct strbuf *error)
{
	_cleanup_free_ struct conf_errors *errors = calloc(1, sizeof(*errors));
	struct builder b = { .facts = facts, .errors = errors };
	struct conf_sections sections;
	int r;

	assert(facts->base_dir && facts->base_dir[0] == '/');
	if (!errors)
		return -ENOMEM;
	if (len > CONF_FILE_MAX) {
		strbuf_addf(error, "%s: the file is larger than 1 MiB", file);
		return -EINVAL;
	}
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

/* --- the command line --- */

static const char *service_name_for(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *base = slash ? slash + 1 : program;

	return conf_name_ok(base, strlen(base)) ? base : "app";
}

/* Takes the place of a `command` line; the words are there already. */
static int set_command(struct service_conf *sc, char *const *argv)
{
	struct target target = { .conf = sc, .origins = &sc->origins, .n_origins = &sc->n_origins };
	int r = strlist_copy(argv, &sc->command);

	if (r < 0)
		return r;
	return note_origin(&target, option_find(OPTION_SERVICE, "command"), 0, ORIGIN_COMMAND_LINE,
			   0);
}

static int build_from_command(struct builder *b, char *const *argv,
			      const struct conf_section *section, struct conf **ret)
{
	struct conf *conf;
	bool clean;
	int r = conf_new(NULL, 1, &conf);

	if (r < 0)
		return r;
	r = fill_broker(b, NULL, &conf->broker);
	if (r == 0)
		r = make_service(b, section, ORIGIN_COMMAND_LINE, NULL, &conf->services[0], &clean);
	if (r == 0) {
		conf->n_services = 1;
		r = set_command(conf->services[0], argv);
	}
	if (r == 0)
		conf_check_listeners(conf, b->errors);
	if (r == 0 && b->errors->n > 0)
		r = -EINVAL;
	if (r < 0) {
		conf_free(conf);
		return r;
	}
	*ret = conf;
	return 0;
}

int conf_from_command(char *const *argv, const char *workers, const char *const *listen,
		      size_t n_listen, const struct conf_facts *facts, struct conf **ret,
		      struct strbuf *error)
{
	_cleanup_free_ struct conf_errors *errors = calloc(1, sizeof(*errors));
	_cleanup_free_ struct conf_setting *settings = calloc(n_listen + 1, sizeof(*settings));
	struct builder b = { .facts = facts, .errors = errors };
	struct conf_section section = { .kind = SECTION_SERVICE, .settings = settings };
	const char *name;
	int r;

	assert(argv[0] && facts->base_dir && facts->base_dir[0] == '/');
	if (!errors || !settings)
		return -ENOMEM;
	name = service_name_for(argv[0]);
	memcpy(section.name, name, strlen(name));
	if (workers)
		settings[section.n++] = (struct conf_setting){
			.option = option_find(OPTION_SERVICE, "workers"),
			.text = workers,
			.len = strlen(workers),
		};
	for (size_t i = 0; i < n_listen; i++)
		settings[section.n++] = (struct conf_setting){
			.option = option_find(OPTION_SERVICE, "listen"),
			.text = listen[i],
			.len = strlen(listen[i]),
		};
	r = build_from_command(&b, argv, &section, ret);
	if (r == -EINVAL)
		conf_errors_print(errors, "command line", error);
	return r;
}
