#include "explain.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "base/address.h"
#include "sys/log.h"
#include "sys/sockdiag.h"
#include "worker/core_dump.h"
#include "worker/listening.h"
#include "worker/processes.h"

struct own_listeners {
	const struct pid_set *processes;
	struct strbuf *out;
	unsigned n;
};

static bool list_own(void *arg, const struct sockdiag_socket *s)
{
	struct own_listeners *own = arg;

	for (size_t i = 0; i < own->processes->n; i++) {
		pid_t pid = own->processes->pids[i];
		char name[32];

		if (!proc_holds_socket(pid, s->inode))
			continue;
		proc_name(pid, name, sizeof(name));
		strbuf_addf(own->out, "%s%s (%s, pid %d)", own->n++ ? ", " : "",
			    address_text(&s->local).text, name, (int)pid);
		break;
	}
	return true;
}

/* The ports that the configuration expects the app to listen on and that it does not. */
static void list_missing(const struct worker *w, struct strbuf *out)
{
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!worker_listens_on(w, w->conf->listen[i].app_port))
			strbuf_addf(out, "%s%u", out->len ? ", " : "", w->conf->listen[i].app_port);
}

void worker_explain_timeout(const struct worker *w)
{
	STRBUF(text, 1024);
	STRBUF(missing, 256);
	STRBUF(listens, 512);
	struct pid_set processes = { 0 };
	struct own_listeners own = { &processes, &listens, 0 };
	const struct channel *c;

	(void)worker_processes(w, &processes);
	(void)sockdiag_dump(1u << TCP_LISTEN, 0, list_own, &own);
	list_missing(w, &missing);

	strbuf_addf(&text, "did not listen within start_timeout (%lld ms)",
		    (long long)w->conf->start_timeout_ms);
	if (missing.len)
		strbuf_addf(&text, "; expected, because of `listen`: port %s", missing.text);
	if (!list_empty(&w->taker.channels)) {
		strbuf_add(&text, "; it listens through the broker on ");
		list_for_each (c, &w->taker.channels, link)
			strbuf_addf(&text, "%s%s", c->link.prev != &w->taker.channels ? ", " : "",
				    address_text(&c->endpoint->app_addr).text);
	}
	if (own.n)
		strbuf_addf(
			&text,
			"; it listens by itself, past the broker, on %s: such a program is static, "
			"uses raw system calls, or the port is in private_ports",
			listens.text);
	else if (list_empty(&w->taker.channels))
		strbuf_add(&text, "; it listens on no TCP port at all: does it need longer "
				  "(start_timeout), or an argument?");
	pid_set_deinit(&processes);
	log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER(w), LOG_MSG("%s", text.text));
}

static void describe(const struct worker *w, char *how, size_t size)
{
	if (!w->exited)
		snprintf(how, size, "gone");
	else if (WIFEXITED(w->exit_status))
		snprintf(how, size, "exit %d", WEXITSTATUS(w->exit_status));
	else
		snprintf(how, size, "signal %d", WTERMSIG(w->exit_status));
}

void worker_log_exit(const struct worker *w)
{
	bool expected =
		w->state_before_exit == WORKER_STOPPING || w->state_before_exit == WORKER_DRAINING;
	char tail[LINES_TAIL + 1], how[32];
	size_t n = w->lines.n_tail;
	STRBUF(core, PATH_MAX);
	STRBUF(core_words, PATH_MAX + 128);

	describe(w, how, sizeof(how));
	core_dump_find(w, &core, &core_words);
	if (n && w->lines.tail[n - 1] == '\n')
		n--;
	memcpy(tail, w->lines.tail, n);
	tail[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (!tail[i])
			tail[i] = ' ';

	if (expected) {
		log_event(LEVEL_INFO, "worker-exit", LOG_WORKER_PID(w, w->main_was),
			  LOG_STR("how", how), LOG_BOOL("serving", false),
			  LOG_INT("served", w->served), LOG_STR("core", core.text),
			  LOG_MSG("ended (%s) after %lld s and %llu connections%s", how,
				  (long long)(loop_now(worker_loop(w)) - w->started_ms) /
					  MSEC_PER_SEC,
				  (unsigned long long)w->served, core_words.text));
		return;
	}
	if (w->state_before_exit == WORKER_PARKED) {
		log_event(LEVEL_WARN, "worker-exit", LOG_WORKER_PID(w, w->main_was),
			  LOG_STR("how", how), LOG_BOOL("serving", false),
			  LOG_INT("served", w->served), LOG_STR("last_output", tail),
			  LOG_STR("core", core.text),
			  LOG_MSG("ended (%s) while it was kept for a rollback, which cannot put "
				  "it back now%s",
				  how, core_words.text));
		return;
	}
	if (w->refusal[0]) {
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, w->main_was),
			  LOG_MSG("%s", w->refusal));
		return;
	}
	log_event(LEVEL_ERROR, w->ready_ms ? "worker-exit" : "worker-failed",
		  LOG_WORKER_PID(w, w->main_was), LOG_STR("how", how),
		  LOG_BOOL("serving", w->ready_ms != 0), LOG_INT("served", w->served),
		  LOG_STR("last_output", tail), LOG_STR("core", core.text),
		  LOG_MSG("%s %s (%s) after %lld ms%s%s",
			  w->ready_ms ? "crashed:" : "failed to start:",
			  WIFSIGNALED(w->exit_status) ? strsignal(WTERMSIG(w->exit_status))
						      : "ended",
			  how, (long long)(loop_now(worker_loop(w)) - w->started_ms),
			  n ? "" : "; it wrote nothing", core_words.text));
}
