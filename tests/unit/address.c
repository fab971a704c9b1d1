/* links: broker/base/address broker/base/units broker/base/strbuf */
/* links: broker/base/paths */
#include "base/address.h"
#include "tap.h"

#include <errno.h>

static struct handoff_addr parse(const char *text, bool *ret_port_only)
{
	struct handoff_addr addr;
	STRBUF(error, 256);
	bool port_only;

	CHECK_EQ(address_parse(text, &addr, ret_port_only ? ret_port_only : &port_only, &error), 0);
	CHECK(handoff_addr_ok(&addr));
	return addr;
}

TEST(a_unix_socket_is_equal_to_itself_alone)
{
	STRBUF(error, 256);
	struct handoff_addr a, b, other, tcp = parse("127.0.0.1:80", NULL);
	struct handoff_addr client = { .family = HANDOFF_UNIX };

	CHECK(!address_unix(&tcp));
	CHECK_EQ(address_of_unix("/run/web.sock", &a, &error), 0);
	CHECK_EQ(address_of_unix("/run/web.sock", &b, &error), 0);
	CHECK_EQ(address_of_unix("@web", &other, &error), 0);
	CHECK(address_equal(&a, &b) && address_overlap(&a, &b));
	CHECK(!address_overlap(&a, &other) && !address_contains(&a, &b));
	CHECK(!address_overlap(&a, &tcp) && !address_overlap(&tcp, &a));
	CHECK(!address_equal(&a, &client) && !address_equal(&other, &client));
	CHECK_STR(address_text(&a).text, "/run/web.sock");
	CHECK_STR(address_unix(&other), "@web");
	CHECK_STR(address_text(&client).text, "unix");
}

TEST(what_an_app_listens_on_is_one_number)
{
	STRBUF(error, 256);
	struct handoff_addr path, tcp = parse("[::1]:65535", NULL);

	CHECK_EQ(address_of_unix("/run/app.sock", &path, &error), 0);
	CHECK(address_app(&path) > UINT16_MAX && address_app_port(address_app(&path)) == 0);
	CHECK_STR(address_app_text(address_app(&path)).text, "/run/app.sock");
	CHECK_STR(address_app_words(address_app(&path)).text, "/run/app.sock");
	CHECK_EQ(address_app_port(address_app(&tcp)), 65535);
	CHECK_STR(address_app_text(address_app(&tcp)).text, "65535");
	CHECK_STR(address_app_words(address_app(&tcp)).text, "port 65535");
}

TEST(an_address_comes_back_as_it_was_written)
{
	static const char *const texts[] = { "0.0.0.0:80",    "127.0.0.1:65535",
					     "255.1.2.3:1",   "[::]:8080",
					     "[::1]:80",      "[2001:db8::17]:443",
					     "[fe80::1%2]:80" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		bool port_only = true;
		struct handoff_addr addr = parse(texts[i], &port_only);

		CHECK(!port_only);
		CHECK_STR(address_text(&addr).text, texts[i]);
	}
}

TEST(the_longest_address_has_room)
{
	static const char text[] = "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535";
	bool port_only;
	struct handoff_addr addr = parse(text, &port_only);

	CHECK_STR(address_text(&addr).text, text);
}

TEST(a_port_alone_is_every_address)
{
	static const char *const texts[] = { "8080", "*:8080", "08080" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		bool port_only = false;
		struct handoff_addr addr = parse(texts[i], &port_only);

		CHECK(port_only);
		CHECK_STR(address_text(&addr).text, "[::]:8080");
	}
}

TEST(no_address_at_all_has_a_text_too)
{
	CHECK_STR(address_text(&(struct handoff_addr){ 0 }).text, "none");
}

TEST(a_bad_address_says_what_to_write)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
#define NAMES                                                                                      \
	"is not a numeric address (names are not looked up): write 127.0.0.1:80, [::1]:80 or a "   \
	"port alone"
		{ "localhost:80", NAMES },
		{ "localhost", NAMES },
		{ "example.org:http", "has no port from 1 to 65535 after the colon" },
		{ "256.0.0.1:80", NAMES },
		{ "1.2.3:80", NAMES },
		{ "", NAMES },
		{ "127.0.0.1", "has no port: write 127.0.0.1:80" },
		{ "127.0.0.1:", "has no port from 1 to 65535 after the colon" },
		{ "127.0.0.1:0", "has no port from 1 to 65535 after the colon" },
		{ "127.0.0.1:65536", "has no port from 1 to 65535 after the colon" },
		{ "127.0.0.1:-1", "has no port from 1 to 65535 after the colon" },
		{ "0", "is not a port from 1 to 65535" },
		{ "65536", "is not a port from 1 to 65535" },
		{ "99999999999999999999", "is not a port from 1 to 65535" },
		{ ":80", "has no address: write the port alone for all addresses, 80" },
		{ "::1", "is an IPv6 address: write it in brackets and with a port, [::1]:80" },
		{ "::1:80", "is an IPv6 address: write it in brackets and with a port, [::1]:80" },
		{ "[::1]", "has no port: write [::1]:80" },
		{ "[::g]:80", "has no IPv6 address in its brackets" },
		{ "[127.0.0.1]:80", "has no IPv6 address in its brackets" },
		{ "[]:80", "has no IPv6 address in its brackets" },
		{ "[fe80::1%eth0]:80",
		  "has no IPv6 address with a numeric zone in its brackets, as [fe80::1%2]:80" },
		{ "[fe80::1%0]:80",
		  "has no IPv6 address with a numeric zone in its brackets, as [fe80::1%2]:80" },
		{ "unix:/run/x", "is neither an address nor a port (a path begins with / or ./)" },
		{ "http://localhost:80",
		  "is neither an address nor a port (a path begins with / or ./)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct handoff_addr addr = { .port = 7 };
		bool port_only = true;
		STRBUF(error, 256);
		STRBUF(want, 256);

		strbuf_addf(&want, "\"%s\" %s", cases[i].text, cases[i].error);
		CHECK_EQ(address_parse(cases[i].text, &addr, &port_only, &error), -EINVAL);
		CHECK_STR(error.text, want.text);
		CHECK_EQ(addr.port, 7);
		CHECK(port_only);
	}
}

TEST(every_address_contains_the_others)
{
	static const struct {
		const char *a, *b;
		bool a_v6only, b_v6only, contains;
	} cases[] = {
		{ "[::]:80", "0.0.0.0:80", false, false, true },
		{ "[::]:80", "127.0.0.1:80", false, false, true },
		{ "[::]:80", "[::]:80", false, true, true },
		{ "[::]:80", "[::1]:80", true, false, true },
		{ "[::]:80", "[::]:80", true, false, false },
		{ "[::]:80", "0.0.0.0:80", true, false, false },
		{ "[::]:80", "0.0.0.0:81", false, false, false },
		{ "0.0.0.0:80", "127.0.0.1:80", false, false, true },
		{ "0.0.0.0:80", "[::]:80", false, false, false },
		{ "127.0.0.1:80", "0.0.0.0:80", false, false, false },
		{ "127.0.0.1:80", "127.0.0.1:80", false, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct handoff_addr a = parse(cases[i].a, NULL), b = parse(cases[i].b, NULL);

		if (cases[i].a_v6only)
			a.flags |= HANDOFF_V6ONLY;
		if (cases[i].b_v6only)
			b.flags |= HANDOFF_V6ONLY;
		if (address_contains(&a, &b) != cases[i].contains)
			tap_fail(__FILE__, __LINE__, "%s and %s", cases[i].a, cases[i].b);
	}
}

TEST(addresses_overlap_as_the_kernel_sees_it)
{
	static const struct {
		const char *a, *b;
		bool v6only, overlap;
	} cases[] = {
		{ "127.0.0.1:80", "127.0.0.1:80", false, true },
		{ "127.0.0.1:80", "127.0.0.1:81", false, false },
		{ "127.0.0.1:80", "127.0.0.2:80", false, false },
		{ "0.0.0.0:80", "127.0.0.2:80", false, true },
		{ "[::]:80", "127.0.0.2:80", false, true },
		{ "[::]:80", "127.0.0.2:80", true, false },
		{ "[::]:80", "0.0.0.0:80", false, true },
		{ "[::]:80", "0.0.0.0:80", true, false },
		{ "[::]:80", "[::1]:80", true, true },
		{ "[::1]:80", "[::2]:80", false, false },
		{ "[::1]:80", "[::1]:80", false, true },
		{ "[::1]:80", "127.0.0.1:80", false, false },
		{ "[::ffff:127.0.0.1]:80", "127.0.0.1:80", false, true },
		{ "[fe80::1%2]:80", "[fe80::1%3]:80", false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct handoff_addr a = parse(cases[i].a, NULL), b = parse(cases[i].b, NULL);

		if (cases[i].v6only)
			a.flags = HANDOFF_V6ONLY;
		CHECK_EQ(address_overlap(&a, &b), cases[i].overlap);
		CHECK_EQ(address_overlap(&b, &a), cases[i].overlap);
	}
}

TAP_MAIN()
