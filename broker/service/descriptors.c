#include "service/descriptors.h"

#include <errno.h>

static uint64_t descriptors_of_broker(const struct broker_conf *bc)
{
	bool serves = bc->metrics.addr.family || bc->metrics.path || bc->agent_check.addr.family ||
		      bc->agent_check.path;

	return 64 + CONTROL_CLIENTS_MAX + (serves ? WEB_DESCRIPTORS : 0);
}

/*
 * What @workers of @sc can need at the same time, generously: a reload doubles them, and with
 * a probation or a rollback_window those of the reload before it may still be there.
 */
static uint64_t descriptors_of(const struct service_conf *sc, unsigned workers)
{
	/* tx, rx, the rendezvous connection, and the page that is shared. */
	const uint64_t of_channel = 4;
	uint64_t channels = sc->n_listen ? sc->n_listen : 1;
	uint64_t generations = sc->rollback_window_ms || sc->probation_ms ? 3 : 2;

	uint64_t of_check = sc->check || sc->activation ? 3 : 0;

	/* idle_end.h takes three. */
	return generations * workers * (2 + of_channel * channels + of_check) + channels +
	       sc->queue + 3;
}

static int check_limit(uint64_t need, struct strbuf *error)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need)
		return 0;
	strbuf_addf(
		error,
		"the configured workers may need %llu descriptors, but the limit is %llu: raise it "
		"(ulimit -Hn, LimitNOFILE=), or configure fewer workers",
		(unsigned long long)need, (unsigned long long)limit.rlim_cur);
	return -EMFILE;
}

int descriptors_check(const struct conf *conf, struct strbuf *error)
{
	uint64_t need = descriptors_of_broker(&conf->broker);

	for (size_t i = 0; i < conf->n_services; i++)
		need += descriptors_of(conf->services[i], conf->services[i]->workers);
	return check_limit(need, error);
}

int descriptors_check_workers(const struct service *s, unsigned workers, struct strbuf *error)
{
	const struct broker_conf *bc = s->broker->conf;
	uint64_t need = descriptors_of_broker(bc);

	list_for_each (const struct service, other, &s->broker->services, link)
		need += descriptors_of(other->conf, other == s ? workers : other->want);
	return check_limit(need, error);
}
