#include "worker_end.h"

#include <sys/wait.h>
#include "base/units.h"

const char *const worker_end_names[WORKER_END_N] = {
	[WORKER_END_EXIT] = "exit",
	[WORKER_END_SIGNAL] = "signal",
	[WORKER_END_CLOSED] = "closed",
	[WORKER_END_UNUSABLE] = "unusable",
	[WORKER_END_START_FAILED] = "start-failed",
	[WORKER_END_START_TIMEOUT] = "start-timeout",
};

enum worker_end worker_end_of(const struct worker_end_facts *facts)
{
	if (facts->starting)
		return facts->exited ? WORKER_END_START_FAILED : WORKER_END_START_TIMEOUT;
	if (facts->exited)
		return WIFSIGNALED(facts->status) ? WORKER_END_SIGNAL : WORKER_END_EXIT;
	return facts->listens ? WORKER_END_UNUSABLE : WORKER_END_CLOSED;
}

void worker_end_add_status(int status, struct strbuf *out)
{
	if (WIFSIGNALED(status))
		strbuf_addf(out, "signal %d", WTERMSIG(status));
	else
		strbuf_addf(out, "exit %d", WEXITSTATUS(status));
}

void worker_end_add_words(const struct worker_end_facts *facts, struct strbuf *out)
{
	if (facts->exited) {
		worker_end_add_status(facts->status, out);
		if (WIFSIGNALED(facts->status))
			strbuf_addf(out, " (SIG%s)", units_signal(WTERMSIG(facts->status)).text);
	} else if (facts->starting && facts->check) {
		strbuf_addf(out, "its check has not passed: %s", facts->check);
	} else if (facts->starting) {
		strbuf_add(out, "did not listen in time");
	} else if (facts->listens) {
		strbuf_add(out, "accepts in a way that cannot be brokered");
	} else {
		strbuf_add(out, "closed its listening socket");
	}
}
