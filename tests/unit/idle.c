/* links: broker/policy/idle */
#include "policy/idle.h"
#include "tap.h"

/* A connection that was quiet for @ms, after a request and its answer within one jiffy. */
static struct idle_sample quiet(uint32_t ms)
{
	return (struct idle_sample){ .received = 100,
				     .written = 200,
				     .requests = 1,
				     .acks = 1,
				     .received_ms = ms,
				     .sent_ms = ms,
				     .acked_ms = ms };
}

/* @n exchanges later, of which nothing was seen but the end, @ms ago. */
static struct idle_sample after(struct idle_sample s, uint32_t n, uint32_t ms)
{
	s.received += 100 * n;
	s.written += 200 * n;
	s.requests += n;
	s.received_ms = s.sent_ms = s.acked_ms = ms;
	return s;
}

static struct idle_sample asked(struct idle_sample s)
{
	s.received += 100;
	s.requests++;
	s.sent_ms += 4;
	s.received_ms = s.acked_ms = 0;
	return s;
}

static bool idle(struct idle_track *t, struct idle_sample s)
{
	return idle_now(t, &s, 4);
}

TEST(an_answer_that_was_sent_later_than_the_request_came)
{
	struct idle_track t = { 0 };
	struct idle_sample s = quiet(8);

	s.received_ms = 12;
	CHECK(idle(&t, s));
	s.sent_ms = 0;
	CHECK(!idle(&t, s)); /* not quiet for long enough */
	CHECK(!idle_now(&t, &s, 1));
	CHECK(idle_now(&t, &s, 0));
}

TEST(not_with_something_in_the_socket)
{
	struct idle_track t = { 0 };
	struct idle_sample s = quiet(8);

	s.received_ms = 12;
	s.unread = 1;
	CHECK(!idle(&t, s));
	s.unread = 0;
	s.unacked = 1;
	CHECK(!idle(&t, s));
	s.unacked = 0;
	CHECK(idle(&t, s));
}

TEST(a_request_without_an_answer)
{
	struct idle_track t = { 0 };
	struct idle_sample s = quiet(8);

	s.received_ms = 12;
	CHECK(idle(&t, s));
	s = asked(s);
	CHECK(!idle(&t, s));
	for (uint32_t ms = 4; ms < 60000; ms += 4) {
		s.received_ms = s.acked_ms = ms;
		s.sent_ms = 12 + ms;
		CHECK(!idle(&t, s));
	}
	/* Within a jiffy of the last answer it is the counters that tell. */
	s = quiet(0);
	t = (struct idle_track){ .last = s, .seen = true, .answered = true, .acks = s.acks };
	s.received += 100;
	s.requests++;
	CHECK(!idle(&t, s));
	s.written += 200;
	CHECK(idle_now(&t, &s, 0));
}

TEST(one_request_at_a_time_is_followed)
{
	struct idle_track t = { 0 };
	struct idle_sample s = quiet(8);

	s.received_ms = 12;
	CHECK(idle(&t, s));
	s = after(s, 1, 4);
	CHECK(idle(&t, s));
	/* Two, and one answer, or two. */
	s = after(s, 2, 4);
	CHECK(!idle(&t, s));
}

TEST(what_is_unknown_is_seen_by_what_the_kernel_did_not_have_to_do)
{
	struct idle_track t = { 0 };
	struct idle_sample s = quiet(40), unanswered;

	/* Nothing is known of what came before the first look. */
	CHECK(!idle(&t, s));
	s.sent_ms = s.received_ms = s.acked_ms = 400;
	CHECK(!idle(&t, s));
	s = after(s, 1, 4);
	CHECK(!idle(&t, s));
	unanswered = s;
	s.sent_ms = s.received_ms = s.acked_ms = 300;
	unanswered.sent_ms = unanswered.received_ms = unanswered.acked_ms = 300;
	unanswered.acks++; /* the delayed acknowledgement of the request */
	{
		struct idle_track other = t;

		CHECK(!idle(&other, unanswered));
	}
	CHECK(idle(&t, s));
	/* From then on it is known. */
	CHECK(idle(&t, after(s, 1, 4)));
}

TEST(what_was_acknowledged_later_than_the_request_is_its_answer)
{
	struct idle_track t = { 0 };
	struct idle_sample s = quiet(40);

	s.acked_ms = 36;
	CHECK(idle(&t, s));
}

TEST(in_the_end_silence_is_enough)
{
	struct idle_track t = { 0 };

	CHECK(!idle(&t, quiet(4)));
	CHECK(!idle(&t, quiet(4900)));
	CHECK(idle(&t, quiet(5100)));
}

TEST(what_was_never_asked_needs_no_answer)
{
	struct idle_track t = { 0 };

	CHECK(idle(&t, (struct idle_sample){ .sent_ms = 8, .received_ms = 8 }));
	/* A server that speaks first. */
	CHECK(idle(&t, (struct idle_sample){ .written = 80, .sent_ms = 8, .received_ms = 16 }));
	/* The first request may be on its way. */
	CHECK(!idle(&t, (struct idle_sample){ .written = 80,
					      .received = 10,
					      .requests = 1,
					      .sent_ms = 16,
					      .received_ms = 8 }));
}

TEST(the_quiet_time_falls)
{
	uint32_t last = 1000;

	CHECK_EQ(idle_quiet_ms(0, 60000), 256);
	for (int64_t since = 0; since <= 3000; since++) {
		uint32_t ms = idle_quiet_ms(since, 60000 - since);

		CHECK(ms <= last);
		last = ms;
	}
	CHECK_EQ(last, 4);
	/* In a short drain it has fallen after half of it. */
	CHECK_EQ(idle_quiet_ms(0, 600), 256);
	CHECK_EQ(idle_quiet_ms(300, 300), 4);
	CHECK_EQ(idle_quiet_ms(0, 0), 4);
}

TAP_MAIN()
