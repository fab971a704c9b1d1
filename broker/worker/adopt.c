#include "worker/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "worker/command.h"
#include "worker/ends.h"
#include "worker/health.h"
#include "worker/output.h"
#include "worker/start.h"
#include "worker/step.h"

static struct kept_helper helper_keep(const struct helper *h)
{
	struct kept_helper k = h->kept;

	k.limit_at_ms = loop_timer_at(&h->limit);
	return k;
}

static void fill_in(const struct worker *w, unsigned place, struct kept_worker *k)
{
	k->conf_number = w->conf->number;
	k->place = place;
	k->deadline_at_ms = loop_timer_at(&w->deadline);
	k->settle_at_ms = loop_timer_at(&w->settle);
	k->look_at_ms = loop_timer_at(&w->look);
	k->wake_at_ms = loop_timer_at(&w->wake);
	k->check_at_ms = loop_timer_at(&w->check.next);
	k->checked = w->check.kept;
	k->checked.helper = helper_keep(&w->check.command);
	k->helper = helper_keep(&w->aside);
}

void worker_keep(const struct worker *w, unsigned place, struct strbuf *out)
{
	struct strbuf output = STRBUF_GROWS(LINES_TAIL + LINES_MAX);
	struct kept_worker *k = kept_add(out, KEPT_WORKER, &w->kept);

	if (k)
		fill_in(w, place, k);
	kept_add_text(out, KEPT_KIN, w->kin.pids, w->kin.n * sizeof(pid_t));
	strbuf_add_bytes(&output, w->lines.tail.text, w->lines.tail.len);
	strbuf_add_bytes(&output, w->lines.part.text, w->lines.part.len);
	kept_add_text(out, KEPT_OUTPUT, output.text, output.len);
	out->cut |= output.cut;
	strbuf_deinit(&output);
	if (w->refusal)
		kept_add_text(out, KEPT_REFUSAL, w->refusal, strlen(w->refusal) + 1);
}

static int watch(struct worker *w)
{
	struct loop *loop = worker_loop(w);
	struct unix_peer guest = { .pid = w->pid, .pidfd = w->pidfd };
	int r = 0;

	if (w->guest && w->pidfd >= 0)
		r = worker_watch_process(w, &guest);
	else if (w->pid)
		r = pid_set_add(&w->terms->broker->started, w->pid);
	if (r == 0 && w->output_fd >= 0 && w->conf->output == OUTPUT_LOG)
		r = loop_add(loop, &w->output_source, w->output_fd, EPOLLIN);
	return r;
}

struct worker *worker_adopt(struct worker_terms *terms, struct service_conf *conf,
			    const struct kept_worker *k)
{
	struct worker *w = worker_new(terms, conf, k->slot, k->generation);
	struct loop *loop = &terms->broker->loop;

	if (!w)
		return NULL;
	w->kept = *k;
	loop_timer_resume(loop, &w->deadline, k->deadline_at_ms);
	loop_timer_resume(loop, &w->settle, k->settle_at_ms);
	loop_timer_resume(loop, &w->look, k->look_at_ms);
	loop_timer_resume(loop, &w->wake, k->wake_at_ms);
	if (watch(w) < 0 || worker_check_adopt(w, &k->checked, k->check_at_ms) < 0 ||
	    helper_adopt(&w->check.command, &k->checked.helper) < 0 ||
	    helper_adopt(&w->aside, &k->helper) < 0) {
		worker_free(w);
		return NULL;
	}
	taker_set_gate(&w->taker, worker_gate(w));
	return w;
}

int worker_adopt_text(struct worker *w, enum kept_kind kind, const char *text, size_t len)
{
	pid_t pid;
	int r = 0;

	if (kind == KEPT_OUTPUT)
		lines_feed(&w->lines, text, len, NULL, NULL);
	else if (kind == KEPT_REFUSAL && !(w->refusal = strndup(text, len)))
		r = -ENOMEM;
	for (; kind == KEPT_KIN && r == 0 && len >= sizeof(pid); len -= sizeof(pid)) {
		memcpy(&pid, text, sizeof(pid));
		r = pid_set_add(&w->kin, pid);
		text += sizeof(pid);
	}
	return r;
}
