/* links: broker/policy/relay broker/policy/framing */
/*
 * Both sides of a connection, as the network cuts them. Where a message ends does not depend on the
 * cuts; what may move is a whole head at the beginning of what is unread; and what has once to stay
 * stays.
 */
#include "policy/relay.h"
#include "fuzz.h"

static void check_framing(const char *bytes, size_t n, bool answer)
{
	struct framing at_once = { .answer = answer }, cut = { .answer = answer };
	size_t whole = framing_read(&at_once, bytes, n), at = 0;

	MUST(whole <= n && (whole == n || framing_ended(&at_once)));
	for (size_t step = 1; at < n && !framing_ended(&cut); step = step % 7 + 1) {
		size_t some = step < n - at ? step : n - at;

		at += framing_read(&cut, bytes + at, some);
	}
	MUST(at == whole && cut.part == at_once.part && cut.left == at_once.left);
	MUST(!framing_ended(&at_once) || framing_read(&at_once, bytes, n) == 0);
}

/* The first byte of each turn says whose it is, and how long. */
static void check_relay(const char *bytes, size_t n)
{
	static const struct idle_sample seen[] = {
		{ .received = 0 },
		{ .received = 1, .written = 1 },
		{ .received = 1 },
	};
	struct relay_conn c;

	relay_begin(&c, &seen[n % ARRAY_SIZE(seen)]);
	while (n > 1) {
		uint8_t turn = (uint8_t)*bytes++;
		size_t some = turn % 128 + 1u;
		bool stays = c.state == RELAY_STAYS;
		struct relay_verdict v;

		n--;
		some = some < n ? some : n;
		if (turn >= 128) {
			relay_answered(&c, bytes, some);
		} else {
			v = relay_ask(&c, bytes, some);
			MUST(v.n > 0 && v.n <= some);
			MUST(v.what != RELAY_MOVE ||
			     (c.state == RELAY_BETWEEN && memmem(bytes, some, "\r\n\r\n", 4) &&
			      memmem(bytes, some, " HTTP/1.", 8)));
			some = v.n;
			relay_passed(&c, bytes, some);
		}
		MUST(!stays || c.state == RELAY_STAYS);
		bytes += some;
		n -= some;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = fuzz_bytes(data, size);

	check_framing(bytes, size, false);
	check_framing(bytes, size, true);
	check_relay(bytes, size);
	free(bytes);
	return 0;
}
