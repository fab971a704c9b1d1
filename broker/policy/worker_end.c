#include "worker_end.h"

#include <sys/wait.h>
#include "base/units.h"

enum worker_end worker_end_of(const struct worker_end_facts *facts)
{
	if (facts->starting)
		return facts->exited ? WORKER_END_START_FAILED : WORKER_END_START_TIMEOUT;
	if (facts->exited)
		return WIFSIGNALED(facts->status) ? WORKER_END_SIGNAL : WORKER_END_EXIT;
	return facts->listens ? WORKER_END_UNUSABLE : WORKER_END_CLOSED;
}

const char *worker_end_name(enum worker_end end)
{
	switch (end) {
	case WORKER_END_EXIT:
		return "exit";
	case WORKER_END_SIGNAL:
		return "signal";
	case WORKER_END_CLOSED:
		return "closed";
	case WORKER_END_UNUSABLE:
		return "unusable";
	case WORKER_END_START_FAILED:
		return "start-failed";
	case WORKER_END_START_TIMEOUT:
		return "start-timeout";
	case WORKER_END_N:
		break;
	}
	return "?";
}

void worker_end_add_words(const struct worker_end_facts *facts, struct strbuf *out)
{
	if (facts->exited && WIFSIGNALED(facts->status)) {
		strbuf_addf(out, "signal %d (SIG", WTERMSIG(facts->status));
		units_add_signal(out, WTERMSIG(facts->status));
		strbuf_add(out, ")");
		return;
	}
	if (facts->exited) {
		strbuf_addf(out, "exit %d", WEXITSTATUS(facts->status));
		return;
	}
	if (facts->starting)
		strbuf_add(out, "did not listen in time");
	else if (facts->listens)
		strbuf_add(out, "accepts in a way that cannot be brokered");
	else
		strbuf_add(out, "closed its listening socket");
}
