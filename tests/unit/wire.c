/* links: */
#include "handoff_name.h"
#include "base/util.h"
#include "tap.h"

static struct handoff_hello hello(void)
{
	struct handoff_hello m = {
		.addr = { .family = 4, .port = 3000, .ip = { 127, 0, 0, 1 } },
		.slot = 1,
		.generation = 2,
		.pid = 99,
		.service = "web",
	};

	handoff_header_init(&m.h, HANDOFF_HELLO);
	return m;
}

TEST(a_well_formed_message_of_each_type_passes_and_as_another_type_does_not)
{
	static const enum handoff_type types[] = { HANDOFF_HELLO, HANDOFF_WELCOME, HANDOFF_REFUSED,
						   HANDOFF_CONN,  HANDOFF_NUDGE,   HANDOFF_JOIN,
						   HANDOFF_JOINED };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		union {
			struct handoff_header h;
			struct handoff_hello hello;
			struct handoff_refused refused;
			struct handoff_joined joined;
			unsigned char bytes[HANDOFF_MAX_SIZE];
		} m;

		memset(&m, 0, sizeof(m));
		if (types[i] == HANDOFF_HELLO)
			m.hello = hello();
		if (types[i] == HANDOFF_REFUSED)
			m.refused.error = 98;
		if (types[i] == HANDOFF_JOINED)
			m.joined.rendezvous[0] = '/';
		handoff_header_init(&m.h, types[i]);
		for (size_t j = 0; j < ARRAY_SIZE(types); j++)
			CHECK_EQ(handoff_check(&m, m.h.size, types[j]), i == j);
	}
}

TEST(a_join_or_its_answer_that_would_overrun_is_refused)
{
	struct handoff_joined m = { .rendezvous = "/run/broker/rendezvous" };
	struct handoff_join j = { .service = "web" };

	handoff_header_init(&m.h, HANDOFF_JOINED);
	CHECK(handoff_check(&m, sizeof(m), HANDOFF_JOINED));
	m.n_ports = HANDOFF_PORTS_MAX + 1;
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_JOINED));
	m.n_ports = 0;
	memset(m.worker, 'x', sizeof(m.worker));
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_JOINED));
	m.worker[0] = '\0';
	m.rendezvous[0] = 'r';
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_JOINED));

	handoff_header_init(&j.h, HANDOFF_JOIN);
	CHECK(handoff_check(&j, sizeof(j), HANDOFF_JOIN));
	j.flags = 2;
	CHECK(!handoff_check(&j, sizeof(j), HANDOFF_JOIN));
	j.flags = HANDOFF_JOIN_PINNED_ONLY;
	memset(j.service, 'x', sizeof(j.service));
	CHECK(!handoff_check(&j, sizeof(j), HANDOFF_JOIN));
}

TEST(no_wrong_length_version_type_or_text_passes)
{
	struct handoff_hello m = hello();
	struct handoff_refused r = { .error = 1 };

	for (size_t len = 0; len < 2 * sizeof(m); len++)
		CHECK_EQ(handoff_check(&m, len, HANDOFF_HELLO), len == sizeof(m));
	m.h.version++;
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m = hello();
	m.h.size--;
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m = hello();
	memset(m.service, 'x', sizeof(m.service));
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m = hello();
	m.addr.ip[7] = 1; /* beyond an IPv4 address */
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m = hello();
	m.addr.family = 5;
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m = hello();
	m.addr.port = 0;
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m = hello();
	m.flags = 8;
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.flags = HANDOFF_HELLO_UDP;
	CHECK(handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.flags = HANDOFF_HELLO_UDP | HANDOFF_HELLO_ADOPT; /* nothing of it is a channel */
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.flags = HANDOFF_HELLO_UDP;
	m.addr = (struct handoff_addr){ .family = HANDOFF_UNIX };
	strcpy(m.path, "/run/web.sock");
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));

	handoff_header_init(&r.h, HANDOFF_REFUSED);
	memset(r.reason, 'x', sizeof(r.reason));
	CHECK(!handoff_check(&r, sizeof(r), HANDOFF_REFUSED));
	r.reason[HANDOFF_REASON_SIZE - 1] = '\0';
	CHECK(handoff_check(&r, sizeof(r), HANDOFF_REFUSED));
	r.error = 0;
	CHECK(!handoff_check(&r, sizeof(r), HANDOFF_REFUSED));
}

TEST(an_address_of_a_unix_socket_is_its_path_and_nothing_else)
{
	struct handoff_hello m = hello();
	struct handoff_welcome w = { .addr = { .family = HANDOFF_UNIX }, .path = "@web" };

	m.path[0] = '/'; /* beside an IPv4 address */
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.addr = (struct handoff_addr){ .family = HANDOFF_UNIX };
	CHECK(handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.path[0] = '\0';
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.flags = HANDOFF_HELLO_ADOPT; /* known by its number */
	CHECK(handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.flags = 0;
	m.path[0] = '@';
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.path[0] = 'w'; /* relative */
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	memset(m.path, '/', sizeof(m.path));
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.path[HANDOFF_PATH_SIZE - 1] = '\0';
	CHECK(handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.addr.port = 1;
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));
	m.addr = (struct handoff_addr){ .family = HANDOFF_UNIX, .ip = { [3] = 1 } };
	CHECK(!handoff_check(&m, sizeof(m), HANDOFF_HELLO));

	handoff_header_init(&w.h, HANDOFF_WELCOME);
	CHECK(handoff_check(&w, sizeof(w), HANDOFF_WELCOME));
	w.path[1] = '\0';
	CHECK(!handoff_check(&w, sizeof(w), HANDOFF_WELCOME));
}

TEST(a_name_comes_back_as_it_was_written)
{
	static const struct handoff_addr addrs[] = {
		{ .family = 4, .port = 80, .ip = { 10, 1, 2, 255 } },
		{ .family = 6, .port = 65535, .ip = { [15] = 1 } },
		{ .family = 6, .flags = HANDOFF_V6ONLY, .port = 1, .ip = { 0xfe, 0x80 } },
		{ .family = HANDOFF_UNIX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		struct handoff_name in = { .channel = 0x1234567890abcdefULL + i, .addr = addrs[i] };
		struct handoff_name out;
		char text[HANDOFF_NAME_SIZE];

		for (size_t k = 0; k < sizeof(in.worker); k++)
			in.worker[k] = (uint8_t)(k * 17 + i);
		in.random = 0xfedcba9876543210ULL - i;
		handoff_name_put(text, &in);
		CHECK(handoff_name_get(text, sizeof(text), &out));
		CHECK_EQ(memcmp(in.worker, out.worker, sizeof(in.worker)), 0);
		CHECK_EQ(in.random, out.random);
		CHECK_EQ(in.channel, out.channel);
		CHECK_EQ(memcmp(&in.addr, &out.addr, sizeof(in.addr)), 0);
	}
}

TEST(no_damaged_name_is_read)
{
	struct handoff_name in = { .addr = { .family = 4, .port = 80 } }, out;
	char text[HANDOFF_NAME_SIZE + 1] = "";

	handoff_name_put(text, &in);
	for (size_t len = 0; len < HANDOFF_NAME_SIZE; len++)
		CHECK(!handoff_name_get(text, len, &out));
	CHECK(!handoff_name_get(text, HANDOFF_NAME_SIZE + 1, &out));
	for (size_t i = 0; i < HANDOFF_NAME_SIZE; i++) {
		char kept = text[i];

		text[i] = 'X';
		CHECK(!handoff_name_get(text, HANDOFF_NAME_SIZE, &out));
		text[i] = kept;
	}
	CHECK(handoff_name_get(text, HANDOFF_NAME_SIZE, &out));
}

TAP_MAIN()
