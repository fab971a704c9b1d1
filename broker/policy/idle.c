#include "idle.h"

static bool app_spoke_last(const struct idle_track *t, const struct idle_sample *s)
{
	bool asked = s->received != t->received, answered = s->sent != t->sent;

	if (asked && answered)
		return s->sent_ms_ago < s->received_ms_ago;
	return asked ? false : answered || t->answered;
}

bool idle_now(struct idle_track *t, const struct idle_sample *s, uint32_t quiet_ms)
{
	t->answered = app_spoke_last(t, s);
	t->received = s->received;
	t->sent = s->sent;
	return s->unread == 0 && s->unsent == 0 && s->unacked == 0 && s->received && s->sent &&
	       (t->answered || s->sent_ms_ago < s->received_ms_ago) && s->sent_ms_ago >= quiet_ms;
}
