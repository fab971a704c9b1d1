#include "conf.h"

#include "base/strlist.h"
#include "config/option.h"

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
