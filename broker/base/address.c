#include "address.h"

#include "base/units.h"
#include "handoff_addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#define FIRST_UNIX_APP (UINT16_MAX + 1u)

int address_parse_port(const char *text, uint16_t *ret)
{
	int64_t port;

	if (units_parse_count(text, &port) != 0 || port < 1 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* Why @text, which has no port that can be read, is none: the mistakes that people make. */
static const char *diagnose(const char *text)
{
	unsigned char ip[16];
	const char *colon = strrchr(text, ':');

	if (strchr(text, '/'))
		return "is neither an address nor a port (a path begins with / or ./)";
	if (inet_pton(AF_INET6, text, ip) == 1)
		return "is an IPv6 address: write it in brackets and with a port, [::1]:80";
	if (inet_pton(AF_INET, text, ip) == 1)
		return "has no port: write 127.0.0.1:80";
	if (*text == '[' && text[strlen(text) - 1] == ']')
		return "has no port: write [::1]:80";
	if (*text == ':' && !strchr(text + 1, ':'))
		return "has no address: write the port alone for all addresses, 80";
	if (units_parse_count(text, &(int64_t){ 0 }) != UNITS_MALFORMED)
		return "is not a port from 1 to 65535";
	if (colon && colon == strchr(text, ':') && address_parse_port(colon + 1, &(uint16_t){ 0 }))
		return "has no port from 1 to 65535 after the colon";
	return "is not a numeric address (names are not looked up): write 127.0.0.1:80, [::1]:80 "
	       "or a port alone";
}

int address_parse(const char *text, struct handoff_addr *ret, bool *ret_port_only,
		  struct strbuf *ret_error)
{
	bool star = !strncmp(text, "*:", 2), port_only;
	const char *colon = strrchr(text, ':');
	struct handoff_addr addr;

	if (!handoff_read_addr(star ? text + 2 : text, &addr, &port_only) || (star && !port_only)) {
		if (*text == '[' && colon && colon[-1] == ']' &&
		    address_parse_port(colon + 1, &addr.port) == 0)
			return strbuf_refuse(ret_error, text,
					     "has no IPv6 address %sin its brackets%s",
					     strchr(text, '%') ? "with a numeric zone " : "",
					     strchr(text, '%') ? ", as [fe80::1%2]:80" : "");
		return strbuf_refuse(ret_error, text, "%s", diagnose(text));
	}
	*ret = addr;
	*ret_port_only = port_only;
	return 0;
}

int address_of_unix(const char *name, struct handoff_addr *ret, struct strbuf *error)
{
	uint16_t number;
	int r = paths_number(name, &number, error);

	if (r == 0)
		*ret = address_of_path(number);
	return r;
}

struct handoff_addr address_of_path(uint16_t number)
{
	struct handoff_addr addr = { .family = HANDOFF_UNIX };

	memcpy(addr.ip, &number, sizeof(number));
	return addr;
}

static uint16_t number_of(const struct handoff_addr *addr)
{
	uint16_t number;

	memcpy(&number, addr->ip, sizeof(number));
	return number;
}

const char *address_unix(const struct handoff_addr *addr)
{
	return addr->family == HANDOFF_UNIX ? paths_name(number_of(addr)) : NULL;
}

struct handoff_addr address_outside(const struct handoff_addr *addr)
{
	struct handoff_addr outside = *addr;

	if (addr->family == HANDOFF_UNIX)
		memset(outside.ip, 0, sizeof(outside.ip));
	return outside;
}

uint32_t address_app(const struct handoff_addr *addr)
{
	return addr->family == HANDOFF_UNIX ? FIRST_UNIX_APP + number_of(addr) : addr->port;
}

uint16_t address_app_port(uint32_t app)
{
	return app < FIRST_UNIX_APP ? (uint16_t)app : 0;
}

struct address_text address_app_text(uint32_t app)
{
	struct address_text text;

	if (app < FIRST_UNIX_APP)
		snprintf(text.text, sizeof(text.text), "%u", app);
	else
		strcpy(text.text, paths_name((uint16_t)(app - FIRST_UNIX_APP)));
	return text;
}

struct address_text address_app_words(uint32_t app)
{
	struct address_text text = address_app_text(app);

	if (app < FIRST_UNIX_APP)
		snprintf(text.text, sizeof(text.text), "port %u", app);
	return text;
}

struct address_text address_text(const struct handoff_addr *addr)
{
	char ip[INET6_ADDRSTRLEN] = "", zone[12] = "";
	const char *udp = addr->flags & HANDOFF_UDP ? "udp " : "";
	struct address_text text = { "none" };

	if (addr->family == HANDOFF_UNIX)
		return address_app_text(address_app(addr));
	if (addr->family)
		inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->ip, ip, sizeof(ip));
	if (addr->scope_id)
		snprintf(zone, sizeof(zone), "%%%u", addr->scope_id);
	if (addr->family == 4)
		snprintf(text.text, sizeof(text.text), "%s%s:%u", udp, ip, addr->port);
	else if (addr->family == 6)
		snprintf(text.text, sizeof(text.text), "%s[%s%s]:%u", udp, ip, zone, addr->port);
	return text;
}

static const uint8_t zero[16];

/* The IPv4 address that @a stands for: its own, or the mapped one (::ffff:1.2.3.4). */
static const uint8_t *as_ipv4(const struct handoff_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

	if (a->family == 4)
		return a->ip;
	return memcmp(a->ip, mapped, sizeof(mapped)) ? NULL : a->ip + sizeof(mapped);
}

static bool is_any6(const struct handoff_addr *a)
{
	return a->family == 6 && !memcmp(a->ip, zero, sizeof(zero));
}

bool address_equal(const struct handoff_addr *a, const struct handoff_addr *b)
{
	return !memcmp(a, b, sizeof(*a)); /* there is nothing between the members */
}

bool address_overlap(const struct handoff_addr *a, const struct handoff_addr *b)
{
	const uint8_t *a4 = as_ipv4(a), *b4 = as_ipv4(b);

	if (a->family == HANDOFF_UNIX || b->family == HANDOFF_UNIX)
		return address_equal(a, b);
	if (a->port != b->port || ((a->flags ^ b->flags) & HANDOFF_UDP))
		return false;
	if (a4 && b4)
		return !memcmp(a4, zero, 4) || !memcmp(b4, zero, 4) || !memcmp(a4, b4, 4);
	if (a4 || b4) {
		const struct handoff_addr *six = a4 ? b : a;

		return is_any6(six) && !(six->flags & HANDOFF_V6ONLY);
	}
	if (is_any6(a) || is_any6(b))
		return true;
	return !memcmp(a->ip, b->ip, sizeof(a->ip)) && a->scope_id == b->scope_id;
}

bool address_contains(const struct handoff_addr *a, const struct handoff_addr *b)
{
	if (a->family == HANDOFF_UNIX || memcmp(a->ip, zero, sizeof(zero)) != 0 ||
	    !address_overlap(a, b))
		return false;
	if (a->family == 4)
		return as_ipv4(b) != NULL;
	return !(a->flags & HANDOFF_V6ONLY) || !is_any6(b) || (b->flags & HANDOFF_V6ONLY);
}
