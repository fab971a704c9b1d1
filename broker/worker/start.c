#include "worker/start.h"

#include <stdio.h>
#include <sys/random.h>
#include "dispatch/channel.h"
#include "sys/log.h"
#include "sys/starter.h"
#include "worker/command.h"
#include "worker/ends.h"
#include "worker/health.h"
#include "worker/output.h"
#include "worker/processes.h"
#include "worker/step.h"

struct worker *worker_new(struct worker_terms *terms, struct service_conf *conf, unsigned slot,
			  unsigned generation)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->terms = terms;
	w->conf = service_conf_ref(conf);
	w->id = ++terms->broker->given.worker;
	w->slot = slot;
	w->generation = generation;
	snprintf(w->name, sizeof(w->name), "%s.%u", conf->name, slot);
	w->state = WORKER_STARTING;
	list_init(&w->link);
	w->pidfd = -1;
	w->process_source.fd = -1;
	w->taker = (struct taker){
		.dispatch = terms->dispatch,
		.ops = &worker_taker_ops,
		.self = &w->kept,
		.conf = conf,
		.processes = conf_forks(conf) ? conf->processes + 2 * INETD_POOL : 0,
	};
	taker_init(&w->taker);
	loop_timer_init(&w->deadline, worker_deadline_expired);
	loop_timer_init(&w->settle, worker_settle_expired);
	loop_timer_init(&w->look, worker_look_expired);
	loop_timer_init(&w->wake, worker_wake_expired);
	worker_output_init(w);
	helper_init(&w->aside, w->terms->broker, w);
	w->started_ms = w->state_since_ms = loop_now(&terms->broker->loop);
	if (worker_check_init(w))
		return w;
	worker_free(w);
	return NULL;
}

void worker_free(struct worker *w)
{
	helper_kill(&w->aside);
	taker_deinit(&w->taker);
	loop_timer_disarm(&w->deadline);
	loop_timer_disarm(&w->settle);
	loop_timer_disarm(&w->wake);
	worker_unwatch_process(w);
	loop_timer_disarm(&w->look);
	worker_output_deinit(w);
	worker_check_deinit(w);
	pid_set_deinit(&w->kin);
	kin_look_end(&w->kin_look);
	list_remove(&w->link);
	service_conf_unref(w->conf);
	free(w);
}

int worker_make_token(struct worker *w, struct strbuf *error)
{
	if (getrandom(w->token, sizeof(w->token), 0) == (ssize_t)sizeof(w->token))
		return 0;
	return strbuf_fail(error, -errno, "the kernel gives no random numbers (getrandom: %m)");
}

struct worker *worker_start(struct worker_terms *terms, struct service_conf *conf, unsigned slot,
			    unsigned generation)
{
	struct worker *w = worker_new(terms, conf, slot, generation);
	STRBUF(name, PIN_WORKER_SIZE);
	STRBUF(error, 512);
	int r = -ENOMEM;

	loop_note(&terms->broker->loop, "start of a worker");
	terms->broker->launch.restore(terms->broker);
	if (w)
		r = worker_make_token(w, &error);
	if (r == 0)
		r = launch_worker(w, &error);
	if (r < 0) {
		strbuf_addf(&name, "%s.%u", conf->name, slot);
		log_event(LEVEL_ERROR, "worker-failed", LOG_STR("service", conf->name),
			  LOG_STR("worker", name.text), LOG_INT("generation", generation),
			  LOG_MSG("cannot start a worker: %s",
				  error.len ? error.text : strerror(-r)));
		if (w && w->pid) {
			(void)starter_kill(w->pid, false, SIGKILL);
			w->pid = 0;
		}
		if (w)
			worker_free(w);
		return NULL;
	}
	loop_timer_arm(&terms->broker->loop, &w->deadline, conf->start_timeout_ms);
	notice_process_started(terms->broker, w, w->pid);
	log_event(LEVEL_INFO, "worker-start", LOG_WORKER(w), LOG_MSG("started"));
	return w;
}
