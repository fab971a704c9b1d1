/* links: broker/policy/idle */
#include "policy/idle.h"
#include "tap.h"

#define QUIET 4

/* A connection that was asked 100 bytes and answered 500, and both were long ago. */
static const struct idle_sample idle = {
	.received = 100, .sent = 500, .sent_ms_ago = 50, .received_ms_ago = 60
};

static bool first(struct idle_sample s)
{
	struct idle_track t = { 0 };

	return idle_now(&t, &s, QUIET);
}

TEST(answered_and_quiet_is_idle)
{
	struct idle_sample s = idle;

	CHECK(first(s));
	s.sent_ms_ago = QUIET - 1;
	CHECK(!first(s));
}

TEST(anything_on_its_way_is_not)
{
	for (unsigned i = 0; i < 5; i++) {
		struct idle_sample s = idle;

		if (i == 0)
			s.unread = 1;
		else if (i == 1)
			s.unsent = 1;
		else if (i == 2)
			s.unacked = 1;
		else if (i == 3)
			s.received = 0;
		else
			s.sent = 0;
		CHECK(!first(s));
	}
}

TEST(a_request_that_was_read_is_not_answered)
{
	struct idle_track t = { 0 };
	struct idle_sample s = idle;

	CHECK(idle_now(&t, &s, QUIET));
	/* The app has read it, so nothing is unread; its time is of the same jiffy. */
	s.received += 100;
	s.sent_ms_ago = s.received_ms_ago = 4;
	CHECK(!idle_now(&t, &s, QUIET));
	s.sent_ms_ago = s.received_ms_ago = 8;
	CHECK(!idle_now(&t, &s, QUIET));
	s.sent += 500;
	CHECK(idle_now(&t, &s, QUIET));
}

TEST(asked_and_answered_within_one_sample_goes_by_the_times)
{
	struct idle_track t = { 0 };
	struct idle_sample s = idle;

	CHECK(idle_now(&t, &s, QUIET));
	s.received += 100;
	s.sent += 500;
	s.sent_ms_ago = 8;
	s.received_ms_ago = 4; /* the answer was to the request before */
	CHECK(!idle_now(&t, &s, QUIET));
	s.received += 100;
	s.sent += 500;
	s.sent_ms_ago = 4;
	s.received_ms_ago = 8;
	CHECK(idle_now(&t, &s, QUIET));
}

TAP_MAIN()
