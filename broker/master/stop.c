/*
 * The end of the broker: all services end, gracefully or not.
 */
#include <signal.h>
#include "master/master.h"
#include "service/stop.h"
#include "sys/log.h"

enum stop_mode { STOP_DRAIN, STOP_FAST, STOP_NOW };

static const char *signal_word(int signo)
{
	switch (signo) {
	case SIGTERM:
		return "SIGTERM";
	case SIGINT:
		return "SIGINT";
	case SIGQUIT:
		return "SIGQUIT";
	}
	return "by hand";
}

static const char *mode_words(enum stop_mode mode)
{
	static const char *const words[] = {
		[STOP_DRAIN] = "serving waiting clients, then draining all workers",
		[STOP_FAST] = "telling all workers to end",
		[STOP_NOW] = "second request: killing all workers",
	};

	return words[mode];
}

void master_stop(struct master *m, bool drain, int signo)
{
	/* Asked twice, or more urgently: it ends now. */
	enum stop_mode mode = m->broker.stopping ? STOP_NOW : drain ? STOP_DRAIN : STOP_FAST;
	struct service *s, *tmp;

	m->broker.stopping = true;
	log_event(LEVEL_INFO, "broker-stopping", LOG_INT("signal", signo),
		  LOG_MSG("%s: %s", signal_word(signo), mode_words(mode)));
	list_for_each_safe (s, tmp, &m->broker.services, link) {
		if (mode == STOP_NOW)
			service_kill(s);
		else
			service_stop(s, mode == STOP_DRAIN);
	}
	broker_tidy(&m->broker);
}
