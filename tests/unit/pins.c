/* links: broker/policy/pins broker/base/units broker/base/strbuf */
#include "policy/pins.h"
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>

static struct pins pins;
static struct pin old; /* what was replaced last */

static struct pin_source source_of(const char *text)
{
	struct pin_source source = { .family = 0 };
	STRBUF(error, 256);

	if (strcmp(text, "any") != 0 && pin_source_parse(text, &source, &error) < 0)
		tap_fail(__FILE__, __LINE__, "%s: %s", text, error.text);
	return source;
}

static struct handoff_addr peer_of(const char *text)
{
	struct handoff_addr peer = { .family = strchr(text, ':') ? 6 : 4, .port = 4711 };

	CHECK_EQ(inet_pton(peer.family == 4 ? AF_INET : AF_INET6, text, peer.ip), 1);
	return peer;
}

static int add_until(enum pin_kind kind, const char *source, const char *worker, int64_t expires_ms)
{
	struct pin pin = { .kind = kind, .source = source_of(source), .expires_ms = expires_ms };

	strcpy(pin.worker, worker);
	return pins_add(&pins, &pin, &old);
}

static void add(enum pin_kind kind, const char *source, const char *worker)
{
	CHECK_EQ(add_until(kind, source, worker, 0), 0);
}

static const char *worker_for(const char *peer)
{
	struct handoff_addr addr = peer_of(peer);
	struct pin *pin = pins_match(&pins, &addr);

	return pin ? pin->worker : "none";
}

TEST(a_source_is_read_and_written)
{
	static const char *const same[] = { "10.0.0.0/8",     "10.1.2.3",    "0.0.0.0/0",
					    "::/0",	      "::1",	     "2001:db8::/32",
					    "::/1",	      "128.0.0.0/1", "10.1.2.2/31",
					    "2001:db8::8/127" };
	static const char *const other[][2] = {
		{ "10.1.2.3/32", "10.1.2.3" },
		{ "::1/128", "::1" },
		{ "2001:DB8:0:0::/64", "2001:db8::/64" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
		{ "::ffff:10.1.2.3", "10.1.2.3" },
		{ "::ffff:0:0/96", "0.0.0.0/0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		struct pin_source source = source_of(same[i]);

		CHECK_STR(pin_source_text(&source).text, same[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		struct pin_source source = source_of(other[i][0]);

		CHECK_STR(pin_source_text(&source).text, other[i][1]);
	}
}

TEST(a_wrong_source_is_refused_with_what_to_write)
{
	static const char *const wrong[][2] = {
		{ "10.1.2.3/8", "write 10.0.0.0/8 for the network, 10.1.2.3 for the host" },
		{ "10.0.0.128/24", "network 10.0.0.0/24" },
		{ "2001:db8::1/32", "network 2001:db8::/32" },
		{ "::ffff:10.1.2.3/104", "network 10.0.0.0/8" },
		{ "10.0.0.0/33", "from 0 to 32" },
		{ "::/129", "from 0 to 128" },
		{ "10.0.0.0/", "from 0 to 32" },
		{ "10.0.0.0/x", "from 0 to 32" },
		{ "10.0.0.0/-1", "from 0 to 32" },
		{ "10.0.0.0/8/8", "from 0 to 32" },
		{ "10.0.0.0:80", "without a port" },
		{ "[::1]", "without brackets" },
		{ "fe80::1%2", "zone" },
		{ "localhost", "names are not looked up" },
		{ "10.0", "10.1.2.3" },
		{ "", "10.1.2.3" },
		{ "/8", "10.1.2.3" },
		{ "any", "10.1.2.3" },
		{ "11111111111111111111111111111111111111111111111111111111", "not a source" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct pin_source source = { .family = 77 };
		STRBUF(error, 256);

		CHECK_EQ(pin_source_parse(wrong[i][0], &source, &error), -EINVAL);
		CHECK_CONTAINS(error.text, wrong[i][1]);
		CHECK_EQ(source.family, 77);
	}
}

TEST(the_longest_prefix_counts)
{
	add(PIN_BY_HAND, "10.0.0.0/8", "web.0");
	add(PIN_BY_HAND, "10.1.0.0/16", "web.1");
	add(PIN_BY_HAND, "10.1.2.3", "web.2");
	add(PIN_BY_HAND, "2001:db8::/33", "web.3");
	CHECK_STR(worker_for("10.9.9.9"), "web.0");
	CHECK_STR(worker_for("10.1.9.9"), "web.1");
	CHECK_STR(worker_for("10.1.2.3"), "web.2");
	CHECK_STR(worker_for("11.0.0.1"), "none");
	CHECK_STR(worker_for("2001:db8:7fff::1"), "web.3");
	CHECK_STR(worker_for("2001:db8:8000::1"), "none");
	/* 0a01:203:: begins with the bytes of 10.1.2.3 and is somebody else. */
	CHECK_STR(worker_for("a01:203::1"), "none");
	/* Each network ends where it ends: every length, the last host in it and the first not. */
	for (unsigned bits = 1; bits <= 32; bits++) {
		uint32_t net = 0x80000000u, last = net | (bits == 32 ? 0 : 0xffffffffu >> bits);
		struct handoff_addr in = { .family = 4 }, out = { .family = 4 };
		STRBUF(text, 64);

		pins_deinit(&pins);
		strbuf_addf(&text, "128.0.0.0/%u", bits);
		add(PIN_BY_HAND, text.text, "web.0");
		for (int i = 0; i < 4; i++) {
			in.ip[i] = (uint8_t)(last >> (24 - 8 * i));
			out.ip[i] = (uint8_t)((last + 1) >> (24 - 8 * i));
		}
		CHECK(pins_match(&pins, &in));
		CHECK(!pins_match(&pins, &out));
	}
}

TEST(ipv4_is_the_same_however_it_is_written)
{
	add(PIN_BY_HAND, "::ffff:10.0.0.0/104", "web.0");
	CHECK_STR(worker_for("10.1.1.1"), "web.0");
	CHECK_STR(worker_for("::ffff:10.1.1.1"), "web.0");
	add(PIN_BY_HAND, "::/0", "web.1");
	CHECK_STR(worker_for("::2"), "web.1");
	CHECK_STR(worker_for("::ffff:11.1.1.1"), "none");
}

TEST(next_is_for_everybody_and_once)
{
	struct handoff_addr peer = peer_of("192.0.2.1");
	struct pin *pin;

	add(PIN_NEXT, "any", "web.1");
	add(PIN_BY_HAND, "192.0.2.0/24", "web.0");
	/* Somebody's own pin is not what the next one is meant for. */
	CHECK_STR(worker_for("192.0.2.1"), "web.0");
	CHECK_STR(worker_for("::5"), "web.1");
	pin = pins_match(&pins, &peer);
	CHECK(!pins_use(&pins, pin));
	CHECK_EQ(pins.n, 2);
	peer = peer_of("198.51.100.1");
	pin = pins_match(&pins, &peer);
	CHECK(pins_use(&pins, pin));
	CHECK_EQ(pins.n, 1);
	CHECK_STR(worker_for("198.51.100.1"), "none");
	CHECK_STR(worker_for("192.0.2.1"), "web.0");
}

TEST(nobody_has_an_address_that_only_next_matches)
{
	struct handoff_addr nobody = { .family = 0 };

	add(PIN_BY_HAND, "0.0.0.0/0", "web.0");
	add(PIN_BY_HAND, "::/0", "web.0");
	CHECK(!pins_match(&pins, &nobody));
	add(PIN_NEXT, "any", "web.1");
	CHECK(pins_match(&pins, &nobody));
}

TEST(of_equal_sources_the_debugger_has_it)
{
	add(PIN_DEBUG, "10.0.0.0/8", "web.1");
	add(PIN_BY_HAND, "10.0.0.0/8", "web.0");
	CHECK_EQ(pins.n, 2);
	CHECK_STR(worker_for("10.0.0.1"), "web.1");
	add(PIN_BY_HAND, "0.0.0.0/0", "web.2");
	add(PIN_NEXT, "any", "web.3");
	CHECK_STR(worker_for("11.0.0.1"), "web.2");
}

TEST(one_of_the_same_kind_and_source_is_replaced_and_the_table_ends)
{
	STRBUF(text, 64);

	for (unsigned i = 0; i < PINS_MAX; i++) {
		text.len = 0;
		strbuf_addf(&text, "10.0.%u.%u", i / 250, i % 250);
		add(PIN_BY_HAND, text.text, "web.0");
	}
	CHECK_EQ(add_until(PIN_BY_HAND, "10.1.0.0", "web.0", 0), -ENOSPC);
	CHECK_EQ(pins.n, PINS_MAX);
	CHECK_STR(old.worker, "");
	CHECK_EQ(add_until(PIN_BY_HAND, "10.0.0.7", "web.9", 5), 0);
	CHECK_EQ(pins.n, PINS_MAX);
	CHECK_STR(worker_for("10.0.0.7"), "web.9");
	CHECK_STR(old.worker, "web.0");
	CHECK_EQ(add_until(PIN_DEBUG, "10.0.0.7", "web.9", 0), -ENOSPC);
}

#define pop(...) pins_pop(&pins, &(struct pin_filter){ __VA_ARGS__ }, &(size_t){ pins.n }, &out)

/* The one of @pins, found by looking at all of them. */
static const struct pin *searched(const struct handoff_addr *peer)
{
	const struct pin *best = NULL;

	for (size_t i = 0; i < pins.n; i++) {
		const struct pin *p = &pins.pin[i];
		unsigned bits = p->source.prefix, whole = bits / 8;

		if (p->source.family &&
		    (p->source.family != peer->family || memcmp(p->source.ip, peer->ip, whole) ||
		     (bits % 8 && (p->source.ip[whole] ^ peer->ip[whole]) >> (8 - bits % 8))))
			continue;
		if (!best || bits > best->source.prefix ||
		    (bits == best->source.prefix && p->kind > best->kind))
			best = p;
	}
	return best;
}

static unsigned some(unsigned below)
{
	static unsigned long long state;

	state = state ? state : tap_seed();
	return tap_random(&state, below);
}

/* Few bits are set, so that networks lie in each other and are equal. */
static void random_ip(uint8_t ip[16], unsigned family)
{
	memset(ip, 0, 16);
	for (unsigned i = 0; i < (family == 4 ? 4 : 16); i++)
		ip[i] = (uint8_t)(some(256) & some(256) & some(256) & 0x83);
}

TEST(the_sorted_table_finds_what_looking_at_all_finds)
{
	unsigned found = 0;

	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 100; i++) {
			struct pin pin = { .kind = some(2) ? PIN_BY_HAND : PIN_DEBUG };
			unsigned bits = some(some(2) ? 33 : 129);

			pin.source.family = bits <= 32 && some(2) ? 4 : 6;
			pin.source.prefix = (uint8_t)bits;
			random_ip(pin.source.ip, pin.source.family);
			for (unsigned b = bits; b < 128; b++)
				pin.source.ip[b / 8] &= (uint8_t) ~(0x80 >> b % 8);
			CHECK_EQ(pins_add(&pins, &pin, &old), 0);
		}
		for (unsigned i = 0; i < 200; i++) {
			struct handoff_addr peer = { .family = some(2) ? 4 : 6 };

			random_ip(peer.ip, peer.family);
			found += pins_match(&pins, &peer) != NULL;
			CHECK(pins_match(&pins, &peer) == searched(&peer));
		}
		for (unsigned i = 0; i < 30 && pins.n; i++) {
			struct pin_filter which = {
				.source = &pins.pin[some((unsigned)pins.n)].source
			};
			size_t at = pins.n;
			struct pin out;

			(void)pins_pop(&pins, &which, &at, &out);
		}
	}
	CHECK(found > 1000);
	pins_deinit(&pins);
}

TEST(they_are_taken_out_by_time_source_worker_or_all)
{
	struct pin_source ten = source_of("10.0.0.0/8");
	struct pin out = { .worker = "" };

	CHECK_EQ(pins_next_expiry(&pins), 0);
	CHECK_EQ(add_until(PIN_BY_HAND, "10.0.0.0/8", "web.0", 500), 0);
	CHECK_EQ(add_until(PIN_BY_HAND, "11.0.0.0/8", "web.1", 300), 0);
	add(PIN_DEBUG, "10.0.0.0/8", "web.1");
	add(PIN_BY_HAND, "12.0.0.0/8", "web.1");
	CHECK_EQ(pins_next_expiry(&pins), 300);

	CHECK(!pop(.now_ms = 299));
	CHECK_STR(out.worker, "");
	CHECK(pop(.now_ms = 300));
	CHECK_STR(out.worker, "web.1");
	CHECK(!pop(.now_ms = 300));
	CHECK_EQ(pins_next_expiry(&pins), 500);

	CHECK(pop(.source = &ten));
	CHECK_EQ(out.kind, PIN_BY_HAND);
	CHECK(!pop(.source = &ten));

	CHECK(!pop(.worker = "web.0"));
	CHECK(!pop(.worker = "web.11"));
	CHECK(pop(.worker = "web.1"));
	CHECK_EQ(out.kind, PIN_BY_HAND);
	CHECK(!pop(.worker = "web.1"));
	add(PIN_NEXT, "any", "web.0");
	add(PIN_BY_HAND, "::1", "web.0");
	CHECK(pop(.now_ms = 0));
	CHECK(pop(.now_ms = 0));
	CHECK(!pop(.now_ms = 0));
	/* Of all these nothing was the debugger's. */
	CHECK_EQ(pins.n, 1);
	CHECK_STR(worker_for("10.0.0.1"), "web.1");
}

TEST(a_generation_is_meant_or_whoever_has_the_name)
{
	struct pin one = { .kind = PIN_DEBUG, .worker = "web.1", .generation = 3 };
	struct pin any = { .kind = PIN_BY_HAND, .worker = "web.1" }, out;

	CHECK(pin_names(&one, "web.1", 3) && !pin_names(&one, "web.1", 4));
	CHECK(!pin_names(&one, "web.10", 3) && !pin_names(&one, "web.2", 3));
	CHECK(pin_names(&any, "web.1", 3) && pin_names(&any, "web.1", 4));
	one.source = any.source = source_of("::1");
	CHECK_EQ(pins_add(&pins, &any, &old), 0);
	CHECK_EQ(pins_add(&pins, &one, &old), 0);
	CHECK(!pop(.worker = "web.1", .generation = 4));
	CHECK(pop(.worker = "web.1", .generation = 3));
	CHECK_EQ(out.kind, PIN_DEBUG);
	CHECK(!pop(.worker = "web.1", .generation = 3)); /* the other outlives it */
}

TAP_MAIN()
