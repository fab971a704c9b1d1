#include "stall.h"

/* Time alone is no evidence: where few clients come it may have been idle, and busy twice. */
#define ENOUGH 3

bool stall_is_hang(const struct stall_facts *f)
{
	return f->waits_ms >= f->limit_ms ||
	       (f->stalled_ms >= f->limit_ms && f->n_untaken >= ENOUGH);
}
