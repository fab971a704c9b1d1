/*
 * The end of the broker: all services end, gracefully or not.
 */
#include "base/units.h"
#include "master/master.h"
#include "service/stop.h"
#include "sys/log.h"

void master_stop(struct master *m, bool drain, int signo)
{
	/* Asked twice, or more urgently: it ends now. */
	enum worker_event how = m->broker.stopping ? EV_KILL : drain ? EV_RETIRE : EV_STOP;
	struct service *s, *tmp;
	STRBUF(by, 32);

	if (signo)
		strbuf_addf(&by, "SIG%s", units_signal(signo).text);
	else
		strbuf_add(&by, "by hand");
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
