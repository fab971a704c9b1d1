#include "idle.h"

#define QUIET_MAX_MS 256
#define QUIET_MIN_MS 4
#define HALF_LIFE_MS 500

/* Data is acknowledged after 200 ms (TCP_DELACK_MAX), if no answer carries the acknowledgement. */
#define DELAYED_ACK_MS 220
/* An answer, the next request and nothing for so long, not to be told from a request's answer. */
#define UNKNOWN_MS 5000

static bool answered(struct idle_track *t, const struct idle_sample *s)
{
	bool came = s->received != t->last.received, went = s->written != t->last.written;

	/* Without a request there is nothing to answer. */
	if (!s->received || s->sent_ms < s->received_ms)
		return !came || went || !s->received;
	if (s->sent_ms > s->received_ms)
		return false;
	/* Both within one jiffy. What was acknowledged later was sent after the request. */
	if (s->acked_ms < s->received_ms)
		return true;
	if (came && went && t->seen) {
		t->acks = t->last.acks;
		return t->answered && s->requests - t->last.requests == 1;
	}
	if (came || went)
		return went && t->seen;
	/* Had the request come last, it would have been acknowledged by itself by now. */
	return t->answered || (s->acks == t->acks && s->sent_ms > DELAYED_ACK_MS) ||
	       s->sent_ms > UNKNOWN_MS;
}

bool idle_now(struct idle_track *t, const struct idle_sample *s, uint32_t quiet_ms)
{
	t->answered = answered(t, s);
	/* What was acknowledged before the first look is not known: no number is like this one. */
	if (!t->seen)
		t->acks = s->acks - 1;
	t->seen = true;
	t->last = *s;
	return t->answered && s->unread == 0 && s->unacked == 0 && s->sent_ms >= quiet_ms;
}

uint32_t idle_quiet_ms(int64_t since_ms, int64_t left_ms)
{
	int64_t half_life =
		left_ms + since_ms < 12 * HALF_LIFE_MS ? (left_ms + since_ms) / 12 : HALF_LIFE_MS;
	uint32_t quiet = QUIET_MAX_MS;

	for (int64_t ms = half_life; ms <= since_ms && quiet > QUIET_MIN_MS; ms += half_life)
		quiet /= 2;
	return quiet;
}
