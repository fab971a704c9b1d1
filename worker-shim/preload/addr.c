#include "addr.h"

#include "number.h"

#include <string.h>

static const uint8_t loopback[4] = { 127, 0, 0, 1 };
static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct handoff_addr *ret)
{
	if (len >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		memset(ret, 0, sizeof(*ret));
		ret->family = 4;
		ret->port = ntohs(in->sin_port);
		memcpy(ret->ip, &in->sin_addr, 4);
		return true;
	}
	/* RFC 2133 had no scope id: the kernel takes an address without it, and so do we. */
	if (len >= offsetof(struct sockaddr_in6, sin6_scope_id) && sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		memset(ret, 0, sizeof(*ret));
		ret->family = 6;
		ret->port = ntohs(in6->sin6_port);
		memcpy(ret->ip, &in6->sin6_addr, 16);
		if (len >= sizeof(*in6))
			ret->scope_id = in6->sin6_scope_id;
		return true;
	}
	return false;
}

/* FNV-1a over the network part, folded to 28 bits: see the table in addr.h. */
static void pseudo_ipv4(const uint8_t ip6[16], uint8_t ret[4])
{
	uint32_t hash = 2166136261u;

	for (int i = 0; i < 8; i++)
		hash = (hash ^ ip6[i]) * 16777619u;
	hash ^= hash >> 28;
	ret[0] = (uint8_t)(0xf0 | (hash >> 24 & 0x0f));
	ret[1] = (uint8_t)(hash >> 16);
	ret[2] = (uint8_t)(hash >> 8);
	ret[3] = (uint8_t)hash;
	if (ret[0] == 255 && ret[1] == 255 && ret[2] == 255 && ret[3] == 255)
		ret[3] = 254; /* the broadcast address is nobody's */
}

static void ipv4_of(const struct handoff_addr *addr, uint8_t ret[4])
{
	const struct in6_addr *ip6 = (const struct in6_addr *)addr->ip;

	if (addr->family != 6)
		memcpy(ret, addr->ip, 4);
	else if (IN6_IS_ADDR_V4MAPPED(ip6))
		memcpy(ret, addr->ip + 12, 4);
	else if (IN6_IS_ADDR_UNSPECIFIED(ip6))
		memset(ret, 0, 4);
	else if (IN6_IS_ADDR_LOOPBACK(ip6))
		memcpy(ret, loopback, sizeof(loopback));
	else
		pseudo_ipv4(addr->ip, ret);
}

socklen_t addr_to_sockaddr(const struct handoff_addr *addr, int domain,
			   struct sockaddr_storage *ret)
{
	if (domain == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;

		memset(in, 0, sizeof(*in));
		in->sin_family = AF_INET;
		in->sin_port = htons(addr->port);
		ipv4_of(addr, (uint8_t *)&in->sin_addr);
		return sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
		uint8_t *ip = (uint8_t *)&in6->sin6_addr;

		memset(in6, 0, sizeof(*in6));
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(addr->port);
		if (addr->family == 4) {
			memcpy(ip, mapped_prefix, sizeof(mapped_prefix));
			memcpy(ip + 12, addr->ip, 4);
		} else {
			memcpy(ip, addr->ip, 16);
			in6->sin6_scope_id = addr->scope_id;
		}
		return sizeof(*in6);
	}
}

void addr_copy_out(const struct sockaddr_storage *ss, socklen_t full, struct sockaddr *out,
		   socklen_t *len)
{
	memcpy(out, ss, *len < full ? *len : full);
	*len = full;
}

bool addr_equal(const struct handoff_addr *a, const struct handoff_addr *b)
{
	return a->family == b->family && a->flags == b->flags && a->port == b->port &&
	       a->scope_id == b->scope_id && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

static char *put_ipv6(char *out, const struct in6_addr *ip)
{
	if (IN6_IS_ADDR_UNSPECIFIED(ip) || IN6_IS_ADDR_LOOPBACK(ip))
		return stpcpy(out, IN6_IS_ADDR_LOOPBACK(ip) ? "::1" : "::");
	for (int i = 0; i < 8; i++) {
		if (i)
			*out++ = ':';
		out = number_write(out, ntohs(ip->s6_addr16[i]), 16);
	}
	return out;
}

char *addr_format(const struct handoff_addr *addr, char *out)
{
	if (addr->family == 6) {
		*out++ = '[';
		out = put_ipv6(out, (const struct in6_addr *)addr->ip);
		*out++ = ']';
	} else {
		for (int i = 0; i < 4; i++) {
			if (i)
				*out++ = '.';
			out = number_write(out, addr->ip[i], 10);
		}
	}
	*out++ = ':';
	return number_write(out, addr->port, 10);
}

#define SEPARATORS ", "

/* Reads "9229" or "9400-9409" at *@p. False, with *@p anywhere in its word, if it is neither. */
static bool read_range(const char **p, uint64_t *ret_first, uint64_t *ret_last)
{
	if (!number_read(p, 10, UINT16_MAX, ret_first))
		return false;
	*ret_last = *ret_first;
	if (**p == '-') {
		(*p)++;
		if (!number_read(p, 10, UINT16_MAX, ret_last))
			return false;
	}
	return *ret_first > 0 && strchr(SEPARATORS, **p); /* or its end */
}

bool addr_port_listed(const char *list, uint16_t port)
{
	uint64_t first, last;

	for (const char *p = list; *(p += strspn(p, SEPARATORS)); p += strcspn(p, SEPARATORS))
		if (read_range(&p, &first, &last) && port >= first && port <= last)
			return true;
	return false;
}
