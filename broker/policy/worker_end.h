/*
 * worker_end - why a worker that was not told to leave no longer serves: a short list of reasons to
 * count, and the words for a single case.
 */
#pragma once

#include "base/strbuf.h"

enum worker_end {
	WORKER_END_EXIT,	  /* it served, and its main process exited */
	WORKER_END_SIGNAL,	  /* it served, and a signal ended it */
	WORKER_END_CLOSED,	  /* it served, and closed its listening socket */
	WORKER_END_UNUSABLE,	  /* it listens in a way that cannot be brokered */
	WORKER_END_START_FAILED,  /* not started at all, or ended before it listened */
	WORKER_END_START_TIMEOUT, /* did not listen in time */
	WORKER_END_N
};

/* What is known of a worker when it ends. */
struct worker_end_facts {
	bool starting;	   /* it did not serve yet */
	bool exited;	   /* its main process has ended, with */
	int status;	   /* as waitpid(2) gives it */
	bool listens;	   /* some listening socket of it is still there */
	const char *check; /* why that it needs to start has failed; NULL: it has not */
};

enum worker_end worker_end_of(const struct worker_end_facts *facts);

/* "exit", "start-timeout": stable words, as labels of metrics. */
extern const char *const worker_end_names[WORKER_END_N];

/* Adds what waitpid(2) gave: "exit 1", "signal 11". */
void worker_end_add_status(int status, struct strbuf *out);

/* Adds one case in words: "exit 1", "signal 11 (SIGSEGV)", "did not listen in time". */
void worker_end_add_words(const struct worker_end_facts *facts, struct strbuf *out);
