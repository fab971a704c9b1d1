/*
 * doctor - can the broker serve this program, and how? Behind `brokerctl doctor`.
 *
 * Local: it asks the launcher (worker-shim --check --report), /proc and sock_diag(7). Nothing is
 * sent to anybody and nothing is changed.
 */
#ifndef BROKER_CTL_DOCTOR_H
#define BROKER_CTL_DOCTOR_H

#include "base/buf.h"
#include "base/strbuf.h"

enum doctor_verdict {
	DOCTOR_YES, /* it can be served */
	DOCTOR_NO,  /* it cannot; the answer says why, and what to do */
};

/*
 * @words, NULL-terminated: a command, or one word of digits, a pid. Adds the answer to @out, as
 * text for people or as one JSON object. 0 with *@ret_verdict; -errno with @error: the question
 * could not be answered (no such process, not permitted, no launcher).
 */
int doctor_run(char **words, bool json, struct buf *out, enum doctor_verdict *ret_verdict,
	       struct strbuf *error);

#endif
