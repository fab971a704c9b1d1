/* links: worker-shim/preload/addr */
#include "preload/addr.h"
#include "tap.h"

#include <arpa/inet.h>

static struct handoff_addr addr(int family, const char *ip, uint16_t port)
{
	struct handoff_addr a = { .family = (uint8_t)family, .port = port };

	CHECK_EQ(inet_pton(family == 4 ? AF_INET : AF_INET6, ip, a.ip), 1);
	return a;
}

/* @a as an app with a socket of @domain sees it. */
static const char *seen(const struct handoff_addr *a, int domain)
{
	static char text[INET6_ADDRSTRLEN];
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, domain, &ss);

	CHECK_EQ(ss.ss_family, domain);
	if (domain == AF_INET) {
		CHECK_EQ(len, sizeof(struct sockaddr_in));
		CHECK_EQ(ntohs(((struct sockaddr_in *)&ss)->sin_port), a->port);
		return inet_ntop(AF_INET, &((struct sockaddr_in *)&ss)->sin_addr, text,
				 sizeof(text));
	}
	CHECK_EQ(len, sizeof(struct sockaddr_in6));
	CHECK_EQ(ntohs(((struct sockaddr_in6 *)&ss)->sin6_port), a->port);
	return inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&ss)->sin6_addr, text, sizeof(text));
}

TEST(each_address_is_told_in_the_family_of_the_app)
{
	static const struct {
		int family;
		const char *ip;
		int domain;
		const char *want;
	} cases[] = {
		{ 4, "192.0.2.1", AF_INET, "192.0.2.1" },
		{ 4, "192.0.2.1", AF_INET6, "::ffff:192.0.2.1" },
		{ 6, "2001:db8::1", AF_INET6, "2001:db8::1" },
		{ 6, "::ffff:192.0.2.1", AF_INET6, "::ffff:192.0.2.1" },
		{ 6, "::ffff:192.0.2.1", AF_INET, "192.0.2.1" },
		{ 6, "::1", AF_INET, "127.0.0.1" },
		{ 6, "::", AF_INET, "0.0.0.0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct handoff_addr a = addr(cases[i].family, cases[i].ip, 1234);

		CHECK_STR(seen(&a, cases[i].domain), cases[i].want);
	}
}

TEST(a_foreign_ipv6_peer_is_an_address_that_nobody_has)
{
	struct handoff_addr a = addr(6, "2001:db8:1:2::1", 1), b = addr(6, "2001:db8:1:2:9::f", 1);
	struct handoff_addr c = addr(6, "2001:db8:1:3::1", 1);
	char first[INET_ADDRSTRLEN];

	strcpy(first, seen(&a, AF_INET));
	CHECK((ntohl(inet_addr(first)) >> 28) == 0xf);
	CHECK_STR(seen(&b, AF_INET), first); /* the same network is the same client */
	CHECK(strcmp(seen(&c, AF_INET), first) != 0);
}

TEST(a_peer_that_is_gone_is_the_unspecified_address)
{
	struct handoff_addr none = { 0 };

	CHECK_STR(seen(&none, AF_INET), "0.0.0.0");
	CHECK_STR(seen(&none, AF_INET6), "::");
}

TEST(sockaddrs_are_read_and_short_ones_are_not)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(80),
				    .sin6_scope_id = 7 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct handoff_addr a;

	CHECK(handoff_from_sockaddr((struct sockaddr *)&in, sizeof(in), &a));
	CHECK_EQ(a.family, 4);
	CHECK_EQ(a.port, 80);
	CHECK(!handoff_from_sockaddr((struct sockaddr *)&in, sizeof(in) - 1, &a));
	CHECK(handoff_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), &a));
	CHECK_EQ(a.scope_id, 7);
	CHECK(handoff_from_sockaddr((struct sockaddr *)&in6, 24, &a));
	CHECK_EQ(a.scope_id, 0);
	CHECK(!handoff_from_sockaddr((struct sockaddr *)&in6, 23, &a));
	in.sin_family = AF_UNIX;
	CHECK(!handoff_from_sockaddr((struct sockaddr *)&in, sizeof(in), &a));
}

TEST(an_address_is_cut_to_the_apps_buffer_and_its_length_told)
{
	struct handoff_addr a = addr(4, "192.0.2.1", 80);
	struct sockaddr_storage ss;
	unsigned char out[32];
	socklen_t full = addr_to_sockaddr(&a, AF_INET, &ss), len = 5;

	memset(out, 0xee, sizeof(out));
	addr_copy_out(&ss, full, (struct sockaddr *)out, &len);
	CHECK_EQ(len, 16);
	CHECK_EQ(out[4], 192);
	CHECK_EQ(out[5], 0xee);
}

TEST(addresses_are_written_for_people)
{
	struct handoff_addr a = addr(4, "0.0.0.0", 3000), b = addr(6, "::", 80),
			    c = addr(6, "::1", 65535), d = addr(6, "2001:db8::1", 1);
	char text[ADDR_TEXT_SIZE];

	addr_format(&a, text);
	CHECK_STR(text, "0.0.0.0:3000");
	addr_format(&b, text);
	CHECK_STR(text, "[::]:80");
	addr_format(&c, text);
	CHECK_STR(text, "[::1]:65535");
	addr_format(&d, text);
	CHECK_STR(text, "[2001:db8:0:0:0:0:0:1]:1");
}

TEST(private_ports_are_single_or_ranges)
{
	static const char list[] = "9229,9400-9409 80";
	static const uint16_t in[] = { 9229, 9400, 9405, 9409, 80 },
			      out[] = { 9410, 9399, 9228, 0 };

	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
		CHECK(addr_port_listed(list, in[i]));
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		CHECK(!addr_port_listed(list, out[i]));
	CHECK(addr_port_listed("1-65535", 1) && addr_port_listed("1-65535", 65535));
	CHECK(!addr_port_listed("", 80));
}

TEST(what_is_no_port_is_passed_over)
{
	static const char *const bad[] = { "x",
					   "0",
					   "65536",
					   "0-5",
					   "5-4",
					   "5-",
					   "-5",
					   "5-65536",
					   "5x",
					   "5-6-7",
					   "99999999999999999999" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (unsigned port = 0; port <= UINT16_MAX; port++)
			CHECK(!addr_port_listed(bad[i], (uint16_t)port));
	CHECK(addr_port_listed("1,x,2", 1) && addr_port_listed("1,x,2", 2));
	CHECK(!addr_port_listed("1,x,2", 3));
}

TAP_MAIN()
