/* links: worker-shim/preload/addr */
#include "handoff_addr.h"
#include "preload/addr.h"
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* The address in text, or "none". */
static const char *read_back(const char *text)
{
	static char out[HANDOFF_PATH_SIZE];
	char ip[INET6_ADDRSTRLEN];
	struct handoff_place at;
	bool port_only;

	if (!handoff_read_place(text, &at, &port_only) || !handoff_place_ok(&at.addr, at.path))
		return "none";
	if (port_only)
		at.addr.family = 4;
	if (at.addr.family == HANDOFF_UNIX)
		return strcpy(out, at.path);
	CHECK(inet_ntop(at.addr.family == 4 ? AF_INET : AF_INET6, at.addr.ip, ip, sizeof(ip)));
	snprintf(out, sizeof(out), "%d %s %d", at.addr.family, ip, at.addr.port);
	return out;
}

TEST(an_address_is_read)
{
	static const char *const cases[][2] = {
		{ "127.0.0.1:80", "4 127.0.0.1 80" },
		{ "0.0.0.0:65535", "4 0.0.0.0 65535" },
		{ "[::]:1", "6 :: 1" },
		{ "[::1]:8080", "6 ::1 8080" },
		{ "[2001:db8::1:2]:443", "6 2001:db8::1:2 443" },
		{ "[1111:2222:3333:4444:5555:6666:123.123.123.123]:9",
		  "6 1111:2222:3333:4444:5555:6666:7b7b:7b7b 9" },
		{ "8080", "4 0.0.0.0 8080" },
		{ "00080", "4 0.0.0.0 80" },
		{ "[fe80::1%2]:80", "6 fe80::1 80" },
		{ "/run/x.sock", "/run/x.sock" },
		{ "@web", "@web" },
		{ "@", "none" },
		{ "/", "none" },
		{ "./x", "none" },
		{ "[fe80::1%eth0]:80", "none" },
		{ "[fe80::1%0]:80", "none" },
		{ "", "none" },
		{ "0", "none" },
		{ ":", "none" },
		{ ":80", "none" },
		{ "65536", "none" },
		{ "4294967376", "none" },
		{ "80 ", "none" },
		{ "-80", "none" },
		{ "127.0.0.1", "none" },
		{ "127.0.0.1:", "none" },
		{ "127.0.0.1:0", "none" },
		{ "127.0.0.1:http", "none" },
		{ "127.0.0.256:80", "none" },
		{ "localhost:80", "none" },
		{ "::1:80", "none" },
		{ "[::1]", "none" },
		{ "[::1]80", "none" },
		{ "[::1:80", "none" },
		{ "[:80", "none" },
		{ "[]:80", "none" },
		{ "[127.0.0.1]:80", "none" },
		{ "[11111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80", "none" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(read_back(cases[i][0]), cases[i][1]) != 0)
			tap_fail(__FILE__, __LINE__, "\"%s\": %s", cases[i][0],
				 read_back(cases[i][0]));
}

TEST(a_client_is_described)
{
	struct handoff_addr peer = { .family = 4, .port = 5000, .ip = { 192, 0, 2, 1 } };
	struct sockaddr_storage ss = { 0 };
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&ss;

	CHECK_EQ(addr_to_sockaddr(&peer, addr_domain(&peer), &ss), sizeof(*v4));
	CHECK_EQ(v4->sin_family, AF_INET);
	CHECK_EQ(v4->sin_port, htons(5000));
	CHECK_EQ(v4->sin_addr.s_addr, htonl(0xc0000201));

	peer = (struct handoff_addr){ .family = 6, .port = 6000, .scope_id = 2, .ip = { 254 } };
	CHECK_EQ(addr_to_sockaddr(&peer, addr_domain(&peer), &ss), sizeof(*v6));
	CHECK_EQ(v6->sin6_family, AF_INET6);
	CHECK_EQ(v6->sin6_port, htons(6000));
	CHECK_EQ(v6->sin6_scope_id, 2);
	CHECK_EQ(v6->sin6_addr.s6_addr[0], 254);

	peer = (struct handoff_addr){ .family = HANDOFF_UNIX };
	CHECK_EQ(addr_to_sockaddr(&peer, addr_domain(&peer), &ss), sizeof(sa_family_t));
	CHECK_EQ(ss.ss_family, AF_UNIX);
}

TAP_MAIN()
