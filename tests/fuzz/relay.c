/* links: broker/policy/relay broker/policy/framing */
/*
 * Both sides of a connection, as the network cuts them. Where a message ends does not depend on the
 * cuts. What moves is beheld by another parser, which knows less and reads all at once: before it,
 * one whole request and the answer to it, and nothing else, have passed since the relay began to
 * count; it is the head of one request, and all that is unread. What has once to stay stays.
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

/* --- the other parser ------------------------------------------------------------------------- */

#define NONE SIZE_MAX /* no message, or not all of it */

/* What follows @key in the head, after a newline; NULL. */
static const char *field(const char *head, size_t n, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i + len < n; i++)
		if (head[i] == '\n' && !strncasecmp(head + i + 1, key, len))
			return head + i + 1 + len;
	return NULL;
}

static size_t chunks_length(const char *bytes, size_t n)
{
	size_t at = 0;

	for (;;) {
		const char *eol = memmem(bytes + at, n - at, "\r\n", 2), *end;
		size_t size = eol ? strtoul(bytes + at, NULL, 16) : 0;

		if (!eol)
			return NONE;
		at = (size_t)(eol - bytes) + 2;
		if (!size) {
			/* The trailer, and the line that ends it, which may be the first. */
			end = memmem(bytes + at - 2, n - at + 2, "\r\n\r\n", 4);
			return end ? (size_t)(end - bytes) + 4 : NONE;
		}
		if (size + 2 > n - at)
			return NONE;
		at += size + 2;
	}
}

/* Of the first message of @bytes, behind which there is a NUL. @head: it is one to HEAD. */
static size_t message_length(const char *bytes, size_t n, bool answer, bool head)
{
	const char *end = memmem(bytes, n, "\r\n\r\n", 4), *length;
	size_t at = end ? (size_t)(end - bytes) + 4 : 0, body;
	int status = answer && n > 12 ? atoi(bytes + 9) : 0;

	if (!end)
		return NONE;
	if (head || (answer && (status / 100 == 1 || status == 204 || status == 304)))
		return at;
	length = field(bytes, at, "content-length:");
	if (field(bytes, at, "transfer-encoding:"))
		body = chunks_length(bytes + at, n - at);
	else
		body = length ? strtoul(length, NULL, 10) : answer ? NONE : 0;
	return body > n - at ? NONE : at + body;
}

/* Those of 1xx, and the one that counts. */
static size_t answer_length(const char *bytes, size_t n, bool head)
{
	size_t at = 0, some;

	do {
		some = message_length(bytes + at, n - at, true, head);
		at += some == NONE ? 0 : some;
	} while (some != NONE && bytes[at - some + 9] == '1');
	return some == NONE ? NONE : at;
}

/* --- the relay -------------------------------------------------------------------------------- */

#define STREAM 20000

static struct side {
	char bytes[STREAM + 1];
	size_t n, passed; /* sent by that side; passed on to the other one */
	size_t counted;	  /* of these, before what is counted now */
} client, app;

static const char *const pieces[2][8] = {
	{ "GET / HTTP/1.1\r\n\r\n", "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
	  "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /",
	  "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
	  "12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n", "GET / HTTP/1.0\r\nUpgrade: x\r\n\r\n",
	  "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "ab" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 204 No\r\n\r\n",
	  "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	  "4\r\nHTTP\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
	  "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 3" },
};

static void send_some(struct side *s, const char *bytes, size_t n)
{
	n = n < STREAM - s->n ? n : STREAM - s->n;
	memcpy(s->bytes + s->n, bytes, n);
	s->n += n;
}

/* All that is unread of the client is about to move. */
static void check_boundary(const struct relay_conn *c)
{
	const char *unread = client.bytes + client.passed, *asked = client.bytes + client.counted;
	size_t n = client.n - client.passed, passed = client.passed - client.counted;
	const char *end = memmem(unread, n, "\r\n\r\n", 4);

	MUST(c->state == RELAY_BETWEEN && app.passed == app.n);
	MUST(end && memmem(unread, (size_t)(end - unread), " HTTP/1.", 8));
	MUST(!field(unread, (size_t)(end - unread), "upgrade:"));
	MUST(message_length(unread, n, false, false) >= n);
	if (!passed)
		return;
	MUST(message_length(asked, passed, false, false) == passed);
	MUST(answer_length(app.bytes + app.counted, app.passed - app.counted,
			   !strncmp(asked, "HEAD ", 5)) == app.passed - app.counted);
}

/* The client's bytes, as far as they go. False: they have moved. */
static bool pass_request(struct relay_conn *c, bool moves)
{
	while (client.passed < client.n) {
		const char *unread = client.bytes + client.passed;
		size_t n = client.n - client.passed;
		struct relay_verdict v = relay_ask(c, unread, n);
		bool begins = c->state != RELAY_UNDERWAY;

		MUST(v.n > 0 && v.n <= n);
		MUST(c->state != RELAY_STAYS || v.what == RELAY_PASS);
		if (v.what == RELAY_MOVE)
			check_boundary(c);
		if (v.what == RELAY_MOVE && moves)
			return false;
		if (v.what == RELAY_WAIT && moves)
			return true;
		if (begins) {
			client.counted = client.passed;
			app.counted = app.passed;
		}
		relay_passed(c, unread, v.n);
		client.passed += v.n;
	}
	return true;
}

/* The first byte of each turn says whose it is, and what; the second how it is cut. */
static void check_relay(const char *bytes, size_t n)
{
	static const struct idle_sample seen[] = {
		{ .received = 0 },
		{ .received = 1, .written = 1, .received_ms = 1 },
		{ .received = 1 },
	};
	struct relay_conn c;
	bool stays = false;

	memset(&client, 0, sizeof(client));
	memset(&app, 0, sizeof(app));
	relay_begin(&c, &seen[n % ARRAY_SIZE(seen)]);
	while (n > 1) {
		uint8_t turn = (uint8_t)bytes[0], cut = (uint8_t)bytes[1];
		struct side *s = turn >= 128 ? &app : &client;
		size_t some = turn % 128;

		bytes += 2;
		n -= 2;
		if (some < 64) {
			const char *piece = pieces[turn >= 128][some % 8];

			send_some(s, piece, strnlen(piece, cut & 64 ? cut % 64 : STREAM));
		} else {
			some = some - 64 < n ? some - 64 : n;
			send_some(s, bytes, some);
			bytes += some;
			n -= some;
		}
		while (app.passed < app.n) {
			some = cut & 1 ? 1 : app.n - app.passed;
			relay_answered(&c, app.bytes + app.passed, some);
			app.passed += some;
		}
		if (!pass_request(&c, cut & 128))
			return;
		MUST(!stays || c.state == RELAY_STAYS);
		stays = c.state == RELAY_STAYS;
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
