/*
 * health - how the answer to a health check is judged, and when the results make a worker well or
 * ill.
 */
#pragma once

#include "config/health_probe.h"
#include "config/types.h"

enum health_verdict { HEALTH_MORE, HEALTH_PASSED, HEALTH_FAILED };

/*
 * Judges the @n bytes at @bytes, all that has come so far. @ended: nothing more comes. FAILED: @why
 * says what was found. Of HTTP one of the @n_expected statuses is expected.
 */
enum health_verdict health_judge(const struct health_probe *p,
				 const struct conf_port_range *expected, size_t n_expected,
				 const char *bytes, size_t n, bool ended, struct strbuf *why);

enum health_state { HEALTH_UNKNOWN, HEALTH_WELL, HEALTH_ILL };

struct health {
	enum health_state state;
	unsigned passed, failed; /* in a row: one of them is 0 */
};

/* True if the state is another now. */
bool health_count(struct health *h, bool passed, unsigned rise, unsigned fall);

/* Whether the last result was not what the state says: more results will decide. */
static inline bool health_is_in_doubt(const struct health *h)
{
	return h->state == HEALTH_WELL ? h->failed > 0 : h->state == HEALTH_UNKNOWN || h->passed;
}
