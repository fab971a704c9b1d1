#include "conf.h"

#include "base/address.h"
#include "base/words.h"
#include "config/conf_read.h"

#include <stdio.h>

static void free_options(enum option_section section, void *conf)
{
	for_each_option (opt, section)
		option_clear(opt, conf);
}

/* --- what one was read from, as bytes ------------------------------------------------ */

/* Terminated: the number of processors, file, directory, $WORKER_COUNT; then the text. */
static struct conf_source *source_new(const char *file, const char *text, size_t len,
				      const struct conf_facts *facts)
{
	struct strbuf b = STRBUF_GROWS(CONF_FILE_MAX + (64 << 10));
	struct conf_source *s = NULL;

	strbuf_addf(&b, "%u%c%s%c%s%c%s%c", facts->cpus, 0, file ? file : "", 0, facts->base_dir, 0,
		    facts->worker_count ? facts->worker_count : "", 0);
	strbuf_add_bytes(&b, text, len);
	if (!b.cut)
		s = malloc(sizeof(*s) + b.len);
	if (s) {
		*s = (struct conf_source){ .len = b.len };
		memcpy(s->bytes, b.text, b.len);
	}
	strbuf_deinit(&b);
	return s;
}

/* --- parts --------------------------------------------------------------------------- */

void conf_names_unref(struct conf_names *names)
{
	if (names && --names->refs == 0)
		free(names);
}

void conf_set_names(struct conf *conf, struct conf_names *names)
{
	conf->broker.names = names;
	for_each_service (sc, conf)
		sc->names = names;
	if (names)
		names->refs++;
}

struct service_conf *service_conf_ref(struct service_conf *sc)
{
	sc->conf->refs++;
	return sc;
}

void service_conf_unref(struct service_conf *sc)
{
	if (sc)
		conf_free(sc->conf);
}

void conf_free(struct conf *conf)
{
	assert(!conf || conf->refs > 0);
	if (!conf || --conf->refs > 0)
		return;
	for_each_service (sc, conf) {
		free_options(OPTION_SERVICE, sc);
		free(sc->release);
		strlist_free(sc->file_environment);
		free(sc);
	}
	free(conf->services);
	free_options(OPTION_BROKER, &conf->broker);
	conf_names_unref(conf->broker.names);
	free(conf->source);
	free(conf);
}

struct service_conf *conf_find_service(const struct conf *conf, const char *name)
{
	for_each_service (sc, conf)
		if (!strcmp(sc->name, name))
			return sc;
	return NULL;
}

char *const *conf_find_wrap(const struct service_conf *sc, unsigned slot)
{
	for (size_t i = 0; i < sc->n_wraps; i++)
		if (sc->wraps[i].slot == slot)
			return sc->wraps[i].words;
	return NULL;
}

/* --- as text ------------------------------------------------------------------------- */

#define TEXT_MAX ((size_t)1 << 30) /* 1024 services that inherit many variables */
#define COLUMN	 40		   /* where the comments begin, if the value is shorter */

static void print_section(const struct conf *conf, enum option_section section, const void *values,
			  struct strbuf *out)
{
	for_each_option (opt, section) {
		/* An empty list has its line too: every option is shown. */
		for (size_t i = 0; i == 0 || i < option_entries(opt, values); i++) {
			size_t start = out->len, width;

			option_add_key(opt, values, i, out);
			strbuf_add(out, " = ");
			option_format(opt, values, i, out);
			width = out->len - start;
			strbuf_addf(out, "%*s # ", width < COLUMN ? (int)(COLUMN - width) : 0, "");
			if (option_origin(opt, values, i).kind == ORIGIN_DEFAULTS)
				strbuf_add(out, "[defaults] ");
			option_add_origin(opt, values, i, conf->file, out);
			strbuf_add(out, "\n");
		}
	}
}

int conf_print(const struct conf *conf, char **ret_text)
{
	struct strbuf out = STRBUF_GROWS(TEXT_MAX);

	strbuf_add(&out, "[broker]\n");
	print_section(conf, OPTION_BROKER, &conf->broker, &out);
	for_each_service (sc, conf) {
		strbuf_addf(&out, "\n[service:%s]\n", sc->name);
		print_section(conf, OPTION_SERVICE, sc, &out);
	}
	if (out.cut)
		strbuf_deinit(&out);
	*ret_text = out.text;
	return out.text ? 0 : -ENOMEM;
}

/* --- building one: from settings to one struct broker_conf or service_conf ------------ */

struct builder {
	const struct conf_facts *facts;
	struct conf *conf; /* what it is about */
	struct conf_errors errors;
	struct conf_sections sections;
	char *const *argv; /* the one service's command; NULL: each section has its own */
	bool clean;	   /* every value that was given to the last fill() is good */
	bool no_memory;	   /* what was built is of no use */
};

static const struct conf_section no_section;

static void apply(struct builder *b, const struct option_setting *setting, void *conf)
{
	const struct option *opt = setting->option;
	size_t at = option_entries(opt, conf);
	STRBUF(why, sizeof(((struct conf_error *)0)->text));
	int r;

	if (setting->origin.kind == ORIGIN_ENVIRONMENT)
		strbuf_addf(&why, "$%s in the environment: ", opt->variable);
	r = option_set(setting, b->facts, conf, &why);
	b->no_memory |= r == -ENOMEM;
	for (bool wrong = r == -EINVAL || option_settle(opt, conf, &at, &why); wrong;
	     wrong = option_settle(opt, conf, &at, &why)) {
		assert(setting->origin.kind != ORIGIN_DEFAULT); /* our own table */
		conf_errors_add(&b->errors, setting->origin.line, "%s", why.text);
		b->clean = false;
		strbuf_init(&why, why.text, why.size);
	}
}

/* @text NULL or empty: nothing is said. */
static void apply_text(struct builder *b, const struct option *opt, const char *text,
		       enum origin_kind kind, void *conf)
{
	const struct option_setting setting = { .option = opt, .text = text, .origin.kind = kind };

	if (text && *text)
		apply(b, &setting, conf);
}

/* What @section says, and of single values @over does not. */
static void apply_section(struct builder *b, const struct conf_section *section,
			  const struct conf_section *over, void *conf)
{
	for (size_t i = 0; i < section->n; i++) {
		const struct option *opt = section->settings[i].option;

		if (opt->type->list || !conf_section_find(over, opt))
			apply(b, &section->settings[i], conf);
	}
}

/*
 * Fills @conf, which is new. A single value has the default first, so that a
 * bad one leaves a good one in its place and the checks that follow see no
 * nonsense. A list has that of [defaults] first, and the section's own is added
 * to it. A bad value is no failure of a step, it goes to the errors, so that
 * all of them are found.
 */
static void fill(struct builder *b, enum option_section options, const struct conf_section *own,
		 const struct conf_section *defaults, void *conf)
{
	b->clean = true;
	for_each_option (opt, options) {
		apply_text(b, opt, opt->fallback, ORIGIN_DEFAULT, conf);
		if (opt->variable && !conf_section_find(own, opt) &&
		    !conf_section_find(defaults, opt))
			apply_text(b, opt, b->facts->worker_count, ORIGIN_ENVIRONMENT, conf);
	}
	apply_section(b, defaults, own, conf);
	apply_section(b, own, &no_section, conf);
}

/* --- from sections to a struct conf -------------------------------------------------- */

static void fill_service(struct builder *b, const struct conf_section *own,
			 const struct conf_section *defaults, struct service_conf *sc)
{
	fill(b, OPTION_SERVICE, own, defaults, sc);
	for (size_t i = 0; sc->v6only && i < sc->n_listen; i++)
		if (sc->listen[i].addr.family == 6)
			sc->listen[i].addr.flags |= HANDOFF_V6ONLY;
	/* One process reads the socket: no number of workers is meant by the default. */
	if (conf_is_udp(sc) &&
	    option_origin(option_find(OPTION_SERVICE, "workers"), sc, 0).kind != ORIGIN_FILE)
		sc->workers = 1;
	/* It has no port of its own: whatever it is reached by goes the same way. */
	for (size_t i = 0; sc->mode == MODE_INETD && i < sc->n_listen; i++)
		sc->listen[i].app = address_app(&sc->listen[0].addr);
}

static void add_service(struct builder *b, const struct conf_section *own)
{
	const struct option *command = option_find(OPTION_SERVICE, "command");
	const struct conf_section *defaults = &b->sections.of[SECTION_DEFAULTS];
	const struct conf_origin given = { .kind = ORIGIN_COMMAND_LINE };
	struct service_conf *sc = calloc(1, sizeof(*sc));

	b->no_memory = !sc;
	if (!sc)
		return;
	sc->conf = b->conf;
	sc->line = own->line;
	fill_service(b, own, defaults, sc);
	strcpy(sc->name, strchr(own->name, ':') + 1);
	b->conf->services[b->conf->n_services++] = sc;
	if (b->argv) {
		/* In place of a `command` line: the words are there already. */
		b->no_memory |= strlist_copy(b->argv, &sc->command) < 0 ||
				option_set_origins(command, sc, 0, 1, given) < 0;
		return;
	}
	if (!conf_section_find(own, command) && !conf_section_find(defaults, command))
		conf_errors_add(&b->errors, own->line,
				"[%s] has no command; write command = PROGRAM ARGUMENTS",
				own->name);
	/* Where a value is bad already, a contradiction would blame the wrong line. */
	if (b->clean)
		conf_check_service(sc, &b->errors);
}

/*
 * @file NULL: command line. -EINVAL if there are mistakes, which are in @error then. @error NULL:
 * no services, and mistakes are passed over.
 */
static int build(struct builder *b, const char *file, const char *text, size_t len,
		 struct conf **ret, struct strbuf *error)
{
	const struct conf_section *defaults = &b->sections.of[SECTION_DEFAULTS];
	struct conf *conf = b->conf = calloc(1, sizeof(*conf));
	struct service_conf nobody = { 0 };

	if (!conf)
		return -ENOMEM;
	conf->refs = 1;
	assert(b->facts->base_dir && b->facts->base_dir[0] == '/');
	conf->source = source_new(file, text, len, b->facts);
	conf->services = calloc(CONF_SERVICES_MAX, sizeof(struct service_conf *));
	b->no_memory = !conf->source || !conf->services;
	if (file && conf->source)
		conf->file = strchr(conf->source->bytes, '\0') + 1;
	fill(b, OPTION_BROKER, &b->sections.of[SECTION_BROKER], &no_section, &conf->broker);
	/* Mistakes in [defaults] are found even where no service inherits them. */
	if (error && defaults->line)
		fill_service(b, defaults, &no_section, &nobody);
	free_options(OPTION_SERVICE, &nobody);
	for (size_t i = SECTION_SERVICES; error && !b->no_memory && i < b->sections.n; i++)
		add_service(b, &b->sections.of[i]);
	conf_check_listeners(conf, &b->errors);
	if (!b->no_memory && (!error || b->errors.n == 0)) {
		*ret = conf;
		return 0;
	}
	conf_free(conf);
	if (b->no_memory)
		return -ENOMEM;
	conf_errors_print(&b->errors, file ? file : "command line", error);
	return -EINVAL;
}

int conf_parse(const char *file, const char *text, size_t len, const struct conf_facts *facts,
	       struct conf **ret, struct strbuf *error)
{
	struct builder b = { .facts = facts };
	int r;

	if (error && len > CONF_FILE_MAX)
		return strbuf_fail(error, -EINVAL, "%s: the file is larger than 1 MiB", file);
	r = conf_read(text, len, &b.errors, &b.sections);
	if (r == 0 && b.sections.n == SECTION_SERVICES && b.errors.n == 0)
		conf_errors_add(&b.errors, 0,
				"%s: no service; write [service:NAME] and below it command = "
				"PROGRAM ARGUMENTS",
				file);
	if (r == 0)
		r = build(&b, file, text, len, ret, error);
	conf_sections_free(&b.sections);
	return r;
}

int conf_from_command(const struct conf_command *command, const struct conf_facts *facts,
		      struct conf **ret, struct strbuf *error)
{
	struct option_setting settings[1 + CONF_COMMAND_LISTEN_MAX] = { 0 };
	struct builder b = { .facts = facts,
			     .argv = command->argv,
			     .sections.n = SECTION_SERVICES + 1 };
	struct conf_section *service = &b.sections.of[SECTION_SERVICES];
	const char *name = words_base(command->argv[0]);

	service->settings = settings;
	(void)snprintf(service->name, sizeof(service->name), "service:%s",
		       conf_name_ok(name, strlen(name)) ? name : "app");
	if (command->workers)
		settings[service->n++].text = command->workers;
	for (size_t i = 0; i < command->n_listen; i++)
		settings[service->n++].text = command->listen[i];
	for (size_t i = 0; i < service->n; i++) {
		const char *key = command->workers && i == 0 ? "workers" : "listen";

		settings[i].option = option_find(OPTION_SERVICE, key);
		settings[i].origin.kind = ORIGIN_COMMAND_LINE;
	}
	return build(&b, NULL, "", 0, ret, error);
}

/* --- for another program --------------------------------------------------------------- */

static const char *next_text(const char **at, const char *end)
{
	const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	*at = nul ? nul + 1 : end;
	return nul ? text : NULL;
}

int conf_unkeep(const char *bytes, size_t len, const struct conf_command *command,
		struct conf **ret, struct strbuf *error)
{
	const char *at = bytes, *end = bytes + len;
	const char *cpus = next_text(&at, end), *file = next_text(&at, end);
	const char *directory = next_text(&at, end), *count = next_text(&at, end);
	struct conf_facts facts = { .worker_count = count, .base_dir = directory };

	if (!count || *directory != '/')
		return strbuf_fail(error, -EINVAL, "a configuration in it cannot be read");
	facts.cpus = (unsigned)strtoul(cpus, NULL, 10);
	if (*file)
		return conf_parse(file, at, (size_t)(end - at), &facts, ret, error);
	if (!command->argv)
		return strbuf_fail(error, -EINVAL, "it is of a command line, which is not given");
	return conf_from_command(command, &facts, ret, error);
}

void service_conf_keep(const struct service_conf *sc, struct strbuf *out)
{
	strbuf_addf(out, "%u%c%s%c%s%c", sc->conf->source->number, 0, sc->name, 0,
		    sc->release ? sc->release : "", 0);
	for (char *const *e = sc->file_environment; e && *e; e++)
		strbuf_add_bytes(out, *e, strlen(*e) + 1);
}

struct service_conf *service_conf_unkeep(const char *bytes, size_t len, struct conf *const *confs,
					 size_t n)
{
	const char *at = bytes, *end = bytes + len, *variable;
	const char *number = next_text(&at, end), *name = next_text(&at, end);
	const char *release = next_text(&at, end);
	size_t which = release ? strtoul(number, NULL, 10) : 0;
	struct service_conf *sc =
		which && which <= n ? conf_find_service(confs[which - 1], name) : NULL;

	if (!sc || sc->release || sc->file_environment)
		return NULL;
	if (*release && !(sc->release = strdup(release)))
		return NULL;
	while ((variable = next_text(&at, end)))
		if (strlist_append(&sc->file_environment, variable) < 0)
			return NULL;
	return sc;
}
