/*
 * The end of the broker: all services end, gracefully or not.
 */
#include "base/units.h"
#include "master/master.h"
#include "service/life.h"
#include "sys/log.h"

/* timeout(1) signals the process, and then its group: one request that comes twice. */
#define SAME_REQUEST_MS 1000

void master_stop(struct master *m, bool drain, int signo)
{
	/* Asked twice, or more urgently: it ends now. */
	enum worker_event how = m->broker.stopping ? EV_KILL : drain ? EV_RETIRE : EV_STOP;
	int64_t now = loop_now(&m->broker.loop);
	struct service *s, *tmp;
	STRBUF(by, 32);

	if (signo)
		strbuf_addf(&by, "SIG%s", units_signal(signo).text);
	else
		strbuf_add(&by, "by hand");
	if (m->broker.stopping && signo && now - m->stop_asked_ms < SAME_REQUEST_MS) {
		log_event(LEVEL_INFO, "broker-stopping", LOG_INT("signal", signo),
			  LOG_MSG("%s within a second of the first request: taken for the same",
				  by.text));
		return;
	}
	if (!m->broker.stopping)
		m->stop_asked_ms = now;
	m->broker.stopping = true;
	log_event(LEVEL_INFO, "broker-stopping", LOG_INT("signal", signo),
		  LOG_MSG("%s: %s", by.text,
			  how == EV_KILL   ? "second request: killing all workers"
			  : how == EV_STOP ? "telling all workers to end"
					   : "serving waiting clients, then draining all workers"));
	list_for_each_safe (s, tmp, &m->broker.services, link)
		service_stop(s, how);
	broker_tidy(&m->broker);
}
