#include "conf.h"

#include "base/words.h"
#include "config/option.h"

#include <errno.h>
#include <string.h>

static void free_options(enum option_section section, void *conf)
{
	const struct option *opt;

	for_each_option (opt, section)
		option_clear(opt, conf);
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
	free_options(OPTION_SERVICE, sc);
	free(sc->release);
	strlist_free(sc->file_environment);
	free(sc);
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->n_services; i++)
		service_conf_unref(conf->services[i]);
	free(conf->services);
	free_options(OPTION_BROKER, &conf->broker);
	free(conf->file);
	free(conf);
}

struct service_conf *conf_find_service(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_services; i++)
		if (!strcmp(conf->services[i]->name, name))
			return conf->services[i];
	return NULL;
}

char *const *conf_find_wrap(const struct service_conf *sc, unsigned slot)
{
	for (size_t i = 0; i < sc->n_wraps; i++)
		if (sc->wraps[i].slot == slot)
			return sc->wraps[i].words;
	return NULL;
}

bool conf_port_is_private(const struct service_conf *sc, uint16_t port)
{
	for (size_t i = 0; i < sc->n_private_ports; i++)
		if (port >= sc->private_ports[i].first && port <= sc->private_ports[i].last)
			return true;
	return false;
}

/* --- as text --- */

#define TEXT_MAX ((size_t)1 << 30) /* 1024 services that inherit many variables */
#define COLUMN	 40		   /* where the comments begin, if the value is shorter */

static void print_section(const struct conf *conf, enum option_section section, const void *values,
			  struct strbuf *out)
{
	const struct option *opt;

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
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct service_conf *sc = conf->services[i];

		strbuf_addf(&out, "\n[service:%s]\n", sc->name);
		print_section(conf, OPTION_SERVICE, sc, &out);
	}
	if (out.cut)
		strbuf_deinit(&out);
	*ret_text = out.text;
	return out.text ? 0 : -ENOMEM;
}
