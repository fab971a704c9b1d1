/* links: broker/policy/relay broker/policy/framing */
#include "policy/relay.h"
#include "tap.h"

#define GET  "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define HEAD "HTTP/1.1 200 OK\r\n"

/* --- where a message ends ---------------------------------------------------------------- */

/* How many of the bytes of @text belong to the message, which comes one byte at a time. */
static size_t length(const char *text, bool answer, enum framing_part part)
{
	struct framing f = { .answer = answer }, at_once = { .answer = answer };
	size_t n = 0;

	while (text[n] && framing_read(&f, text + n, 1))
		n++;
	CHECK_EQ(f.part, part);
	CHECK_EQ(framing_read(&at_once, text, strlen(text)), n);
	CHECK_EQ(at_once.part, part);
	return n;
}

static void whole(const char *text, bool answer)
{
	char more[4096];

	snprintf(more, sizeof(more), "%sGET", text);
	CHECK_EQ(length(more, answer, FRAMING_WHOLE), strlen(text));
}

TEST(a_message_ends_where_its_head_says)
{
	whole(GET, false);
	whole("HEAD http://x/?y HTTP/1.0\r\n\r\n", false);
	whole("POST / HTTP/1.1\r\nContent-Length:  5 \r\n\r\nhello", false);
	whole("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
	      "0a;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
	      false);
	whole(OK, true);
	whole("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", true);
	whole("HTTP/1.1 304\r\n\r\n", true);
	whole("HTTP/1.1 100 Continue\r\n\r\n", true);
	whole(HEAD "transfer-encoding: Chunked\r\n\r\n0\r\n\r\n", true);
	CHECK_EQ(length(HEAD "\r\nto the end", true, FRAMING_ENDLESS), strlen(HEAD) + 2);
	CHECK_EQ(length("HTTP/1.1 101 Other\r\n\r\nbytes", true, FRAMING_ENDLESS), 22);
}

TEST(a_long_first_line_keeps_its_ends)
{
	char text[400] = "GET /";

	memset(text + 5, 'a', 300);
	strcpy(text + 305, " HTTP/1.1\r\n\r\n");
	whole(text, false);
	strcpy(text + 305, " HTTP/2.0\r\n\r\n");
	(void)length(text, false, FRAMING_BAD);
}

/* @before, many times @c, @after. */
static void long_one(const char *before, char c, unsigned n, const char *after,
		     enum framing_part part)
{
	char text[FRAMING_HEAD + 400];
	size_t at = strlen(before);

	strcpy(text, before);
	memset(text + at, c, n);
	strcpy(text + at + n, after);
	(void)length(text, false, part);
}

TEST(a_long_field_is_passed_over_unless_it_counts)
{
	long_one("POST / HTTP/1.1\r\nCookie: ", 'a', 400, "\r\nContent-Length: 2\r\n\r\nok",
		 FRAMING_WHOLE);
	long_one("POST / HTTP/1.1\r\nContent-Length: 5", ' ', 400, "6\r\n", FRAMING_BAD);
	long_one("POST / HTTP/1.1\r\nContent-Length: 1", '0', 18, "\r\n", FRAMING_BAD);
	long_one("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;", 'x', 400, "\r\n",
		 FRAMING_BAD);
	long_one("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1", '0', 15, "\r\n",
		 FRAMING_BAD);
	long_one("GET / HTTP/1.1\r\nCookie: ", 'a', FRAMING_HEAD, "\r\n\r\n", FRAMING_BAD);
}

TEST(what_can_be_read_in_two_ways_is_bad)
{
	static const char *const requests[] = {
		"\x16\x03\x01\x02",
		"PRI * HTTP/2.0\r\n\r\n",
		"get / HTTP/1.1\r\n",
		"GET / HTTP/1.1\n",
		"GET /\r\n",
		"GET HTTP/1.1\r\n",
		"GET / HTTP/1.1\r\nHost : x\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n y\r\n",
		"GET / HTTP/1.1\r\nHost: x\ry\r\n",
		"GET / HTTP/1.1\r\nno field\r\n",
		"POST / HTTP/1.1\r\nContent-Length: +5\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		(void)length(requests[i], false, FRAMING_BAD);
	(void)length("220 mail.example ESMTP\r\n", true, FRAMING_BAD);
	(void)length("HTTP/1.1 2x0 OK\r\n", true, FRAMING_BAD);
}

/* --- one connection ----------------------------------------------------------------------- */

static const struct idle_sample fresh = { .received = 9, .unread = 9 };
static const struct idle_sample idle = { .received = 9, .written = 9, .received_ms = 1 };
static const struct idle_sample greeted = {
	.received = 9, .unread = 9, .written = 9, .sent_ms = 1
};
static const struct idle_sample owing = { .received = 9, .written = 9, .sent_ms = 1 };

static enum relay_what ask(const struct relay_conn *c, const char *text)
{
	return relay_ask(c, text, strlen(text)).what;
}

static void pass(struct relay_conn *c, const char *text)
{
	relay_passed(c, text, strlen(text));
}

static void answer(struct relay_conn *c, const char *text)
{
	relay_answered(c, text, strlen(text));
}

TEST(a_connection_of_which_nothing_was_read_moves_with_its_first_request)
{
	struct relay_conn c;

	relay_begin(&c, &fresh);
	CHECK_EQ(ask(&c, "GET / HT"), RELAY_WAIT);
	CHECK_EQ(ask(&c, GET), RELAY_MOVE);
	CHECK_EQ(ask(&c, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
		 RELAY_MOVE);
	CHECK_EQ(ask(&c, "POST / HTTP/1.1\r\nContent-Length: 500\r\n\r\nabc"), RELAY_MOVE);
}

TEST(another_moves_after_a_request_and_its_answer_were_seen)
{
	struct relay_conn c;

	relay_begin(&c, &idle);
	CHECK_EQ(ask(&c, GET), RELAY_PASS);
	pass(&c, GET);
	CHECK_EQ(c.state, RELAY_UNDERWAY);
	answer(&c, "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Le");
	answer(&c, "ngth: 2\r\n\r\no");
	CHECK_EQ(c.state, RELAY_UNDERWAY);
	answer(&c, "k");
	CHECK_EQ(ask(&c, GET), RELAY_MOVE);
	/* It may be passed on all the same. */
	pass(&c, "HEAD / HTTP/1.1\r\n\r\n");
	answer(&c, "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n");
	CHECK_EQ(ask(&c, GET), RELAY_MOVE);
}

TEST(a_body_that_was_asked_for_passes_before_the_answer)
{
	static const char head[] =
		"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
	struct relay_conn c;

	relay_begin(&c, &idle);
	pass(&c, head);
	answer(&c, "HTTP/1.1 100 Continue\r\n\r\n");
	pass(&c, "ab");
	answer(&c, OK);
	CHECK_EQ(ask(&c, GET), RELAY_MOVE);
	/* An app that does not want the body: what comes next may be that body. */
	pass(&c, head);
	answer(&c, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
	CHECK_EQ(c.state, RELAY_STAYS);
}

TEST(an_app_that_owes_an_answer_gets_all_until_it_has_written)
{
	struct relay_conn c;

	relay_begin(&c, &greeted);
	CHECK_EQ(ask(&c, GET), RELAY_PASS);
	relay_begin(&c, &owing);
	CHECK_EQ(ask(&c, GET), RELAY_PASS);
	pass(&c, GET);
	answer(&c, "HTTP/1.1 100 Continue\r\n\r\n");
	pass(&c, "the body that it has asked for");
	CHECK_EQ(c.state, RELAY_OWES);
	answer(&c, "any bytes");
	CHECK_EQ(c.state, RELAY_QUIET);
}

TEST(a_body_that_was_asked_for_before_is_no_reason_to_stay)
{
	struct relay_conn c;

	relay_begin(&c, &idle);
	pass(&c, "the body that it has asked for");
	pass(&c, "and more of it");
	answer(&c, OK);
	CHECK_EQ(ask(&c, GET), RELAY_PASS);
	pass(&c, GET);
	answer(&c, OK);
	CHECK_EQ(ask(&c, GET), RELAY_MOVE);
}

static void stays(const struct idle_sample *seen, const char *request, const char *answered)
{
	struct relay_conn c;

	relay_begin(&c, seen);
	CHECK_EQ(ask(&c, request), RELAY_PASS);
	pass(&c, request);
	if (answered)
		answer(&c, answered);
	CHECK_EQ(c.state, RELAY_STAYS);
	CHECK_EQ(ask(&c, GET), RELAY_PASS);
}

TEST(what_depends_on_the_connection_stays)
{
	stays(&fresh, "\x16\x03\x01", NULL);
	stays(&fresh, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL);
	stays(&fresh, "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", NULL);
	stays(&fresh, "CONNECT x:1 HTTP/1.1\r\n\r\n", NULL);
	stays(&fresh, "GET / HTTP/1.1\r\nauthorization: NTLM TlRM\r\n\r\n", NULL);
	stays(&fresh, "GET / HTTP/1.1\r\nProxy-Authorization: negotiate x\r\n\r\n", NULL);
	stays(&fresh, GET GET, NULL);
	stays(&idle, GET, "HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: NTLM\r\n\r\n");
	stays(&idle, GET, HEAD "\r\nno length");
	stays(&idle, GET, OK "more");
	stays(&idle, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", OK);
}

TEST(a_half_closed_connection_and_an_unasked_answer_stay)
{
	struct relay_conn c;

	relay_begin(&c, NULL);
	CHECK_EQ(c.state, RELAY_STAYS);
	relay_begin(&c, &fresh);
	relay_half_closed(&c);
	CHECK_EQ(c.state, RELAY_STAYS);
	relay_begin(&c, &fresh);
	answer(&c, "HTTP/1.1 408 Late\r\n\r\n");
	CHECK_EQ(c.state, RELAY_STAYS);
}

/* Over the whole table: only a whole request between two others moves. */
TEST(nothing_else_moves_and_what_stays_stays)
{
	for (int s = 0; s < RELAY_STATE_N; s++)
		for (int ev = 0; ev < RELAY_EVENT_N; ev++) {
			const struct relay_edge *edge = &relay_edges[s][ev];

			CHECK_EQ(edge->what == RELAY_MOVE,
				 s == RELAY_BETWEEN && ev == RELAY_C_REQUEST);
			if (s == RELAY_STAYS || ev == RELAY_C_BOUND)
				CHECK_EQ(edge->next, RELAY_STAYS);
			if (edge->next == RELAY_BETWEEN)
				CHECK(s == RELAY_UNDERWAY && ev == RELAY_A_WHOLE);
		}
}

/* --- random interleavings -------------------------------------------------------------------- */

/* Requests and their answers; after the last two a connection does not move any more. */
static const struct exchange {
	const char *request, *answer;
} kinds[] = {
	{ GET, OK },
	{ "HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" },
	{ "POST / HTTP/1.1\r\nContent-Length: 27\r\n\r\n" GET, OK },
	{ "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\n" GET "\r\n0\r\n\r\n",
	  "HTTP/1.1 204 No\r\n\r\n" },
	{ GET, HEAD "Transfer-Encoding: chunked\r\n\r\n26\r\n" OK "\r\n0\r\n\r\n" },
	{ GET, "HTTP/1.1 100 Continue\r\n\r\n" OK },
	{ "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", OK },
	{ "GET / HTTP/1.1\r\nAuthorization: Negotiate\r\n\r\n", OK },
};

#define EXCHANGES 12

static struct {
	char sent[EXCHANGES * 200], wrote[EXCHANGES * 200]; /* by the client, by the apps */
	size_t starts[EXCHANGES + 1], ends[EXCHANGES + 1];  /* in .sent, in .wrote */
	size_t n_sent, read, n_wrote, got; /* the client's; the app's; ...; the client's */
	size_t passed, answered;	   /* of these, through the relay or past it */
	bool relayed, wrote_last;
	struct relay_conn c;
	unsigned moves;
} sim;

static size_t some(unsigned long long *rnd, size_t n)
{
	return n ? 1 + tap_random(rnd, (unsigned)(tap_random(rnd, 2) ? n : n < 9 ? n : 9)) : 0;
}

static void make_script(unsigned long long *rnd)
{
	memset(&sim, 0, sizeof(sim));
	for (size_t i = 0; i < EXCHANGES; i++) {
		const struct exchange *x =
			&kinds[tap_random(rnd, ARRAY_SIZE(kinds) - (tap_random(rnd, 8) ? 2 : 0))];

		strcat(sim.sent, x->request);
		strcat(sim.wrote, x->answer);
		sim.starts[i + 1] = strlen(sim.sent);
		sim.ends[i + 1] = strlen(sim.wrote);
	}
}

/* How many requests the first @n bytes are; @whole: and no part of another. */
static size_t requests_in(size_t n, bool *whole)
{
	size_t k = 0;

	while (k < EXCHANGES && sim.starts[k + 1] <= n)
		k++;
	*whole = sim.starts[k] == n;
	return k;
}

/* The client sends: mostly when it has had all answers, @rude ones before. */
static void client_sends(unsigned long long *rnd, bool rude)
{
	bool whole;
	size_t k = requests_in(sim.n_sent, &whole), limit;

	if (k == EXCHANGES || (whole && sim.got < sim.ends[k] && !rude))
		return;
	limit = sim.starts[rude && k + 2 <= EXCHANGES ? k + 2 : k + 1];
	sim.n_sent += some(rnd, limit - sim.n_sent);
	sim.wrote_last = false;
}

static void app_works(unsigned long long *rnd)
{
	bool whole;
	size_t limit;

	sim.read += some(rnd, sim.passed - sim.read);
	limit = sim.ends[requests_in(sim.read, &whole)];
	if (limit == sim.n_wrote || tap_random(rnd, 2))
		return;
	sim.n_wrote += some(rnd, limit - sim.n_wrote);
	sim.wrote_last = true;
}

/* The old app's descriptor is the pair from now on: what it has not read yet, the relay reads. */
static void swap(unsigned long long *rnd)
{
	/* The clock is too coarse to be right always. */
	bool wrote_last = tap_random(rnd, 64) ? sim.wrote_last : !sim.wrote_last;
	const struct idle_sample now = { .received = sim.n_sent,
					 .unread = (uint32_t)(sim.n_sent - sim.read),
					 .written = sim.n_wrote,
					 .received_ms = wrote_last,
					 .sent_ms = !wrote_last };

	relay_begin(&sim.c, &now);
	sim.relayed = true;
}

static void check_boundary(void)
{
	bool whole;
	size_t k = requests_in(sim.passed, &whole);

	CHECK(whole);
	CHECK_EQ(sim.read, sim.passed);
	CHECK_EQ(sim.n_wrote, sim.ends[k]);
	CHECK_EQ(sim.answered, sim.n_wrote);
}

static void relay_turn(unsigned long long *rnd)
{
	size_t n = sim.n_wrote - sim.answered, unread = sim.n_sent - sim.passed;
	struct relay_verdict v;

	if (n) {
		n = some(rnd, n);
		relay_answered(&sim.c, sim.wrote + sim.answered, n);
		sim.answered += n;
		return;
	}
	if (!unread)
		return;
	v = relay_ask(&sim.c, sim.sent + sim.passed, unread);
	CHECK(v.n > 0 && v.n <= unread);
	if (v.what == RELAY_MOVE && tap_random(rnd, 4)) {
		check_boundary();
		sim.moves++;
		sim.relayed = false;
	} else if (v.what != RELAY_WAIT || !tap_random(rnd, 20)) {
		n = some(rnd, v.n);
		relay_passed(&sim.c, sim.sent + sim.passed, n);
		sim.passed += n;
	}
}

TEST(whatever_comes_when_a_connection_moves_between_two_requests_alone)
{
	unsigned long long rnd = tap_seed();
	unsigned moves = 0;

	for (int round = 0; round < 4000; round++) {
		bool rude = round % 4 == 3;

		make_script(&rnd);
		for (int turn = 0; turn < 100000 && sim.got < sim.ends[EXCHANGES]; turn++) {
			if (!sim.relayed) {
				sim.passed = sim.n_sent;
				sim.answered = sim.n_wrote;
			}
			sim.got = sim.answered;
			switch (tap_random(&rnd, 4)) {
			case 0:
				client_sends(&rnd, rude && tap_random(&rnd, 2));
				break;
			case 1:
				app_works(&rnd);
				break;
			default:
				if (sim.relayed)
					relay_turn(&rnd);
				else if (!tap_random(&rnd, 8)) {
					sim.passed = sim.read;
					swap(&rnd);
				}
			}
		}
		CHECK_EQ(sim.got, sim.ends[EXCHANGES]);
		moves += sim.moves;
	}
	CHECK(moves > 1000);
}

TAP_MAIN()
