#include "addr.h"

#include <sys/un.h>

/* FNV-1a over the network part, folded to 28 bits: see the table in addr.h. */
static uint32_t pseudo_ipv4(const uint8_t ip6[16])
{
	uint32_t hash = 2166136261u, ip;

	for (int i = 0; i < 8; i++)
		hash = (hash ^ ip6[i]) * 16777619u;
	ip = 0xf0000000 | ((hash ^ hash >> 28) & 0x0fffffff);
	return ip == INADDR_BROADCAST ? ip - 1 : ip; /* that is nobody's */
}

/* In host byte order. */
static uint32_t ipv4_of(const struct handoff_addr *addr)
{
	const struct in6_addr *ip6 = (const struct in6_addr *)addr->ip;
	bool is_ipv6 = addr->family == 6;
	uint32_t ip;

	if (addr->family == HANDOFF_UNIX)
		return INADDR_LOOPBACK;
	if (is_ipv6 && IN6_IS_ADDR_UNSPECIFIED(ip6))
		return INADDR_ANY;
	if (is_ipv6 && IN6_IS_ADDR_LOOPBACK(ip6))
		return INADDR_LOOPBACK;
	if (is_ipv6 && !IN6_IS_ADDR_V4MAPPED(ip6))
		return pseudo_ipv4(addr->ip);
	memcpy(&ip, addr->ip + (is_ipv6 ? 12 : 0), sizeof(ip));
	return ntohl(ip);
}

socklen_t addr_to_sockaddr(const struct handoff_addr *addr, int domain,
			   struct sockaddr_storage *ret)
{
	uint32_t v4 = htonl(ipv4_of(addr));
	struct handoff_addr shown = *addr;

	shown.family = domain == AF_UNIX ? HANDOFF_UNIX : domain == AF_INET ? 4 : 6;
	if (domain == AF_INET) {
		memcpy(shown.ip, &v4, 4);
	} else if (domain == AF_INET6 && addr->family != 6 && addr->family) {
		memcpy(shown.ip, (const uint8_t[12]){ [10] = 0xff, [11] = 0xff }, 12);
		memcpy(shown.ip + 12, &v4, 4);
	}
	return handoff_to_sockaddr(&shown, ret);
}

char *addr_format(const struct handoff_addr *addr, char *out)
{
	const struct in6_addr *ip6 = (const struct in6_addr *)addr->ip;
	bool is_ipv6 = addr->family == 6;

	if (is_ipv6)
		*out++ = '[';
	if (is_ipv6 && (IN6_IS_ADDR_UNSPECIFIED(ip6) || IN6_IS_ADDR_LOOPBACK(ip6)))
		out = stpcpy(out, IN6_IS_ADDR_LOOPBACK(ip6) ? "::1" : "::");
	else
		for (int i = 0; i < (is_ipv6 ? 8 : 4); i++) {
			if (i)
				*out++ = is_ipv6 ? ':' : '.';
			out = is_ipv6 ? number_write(out, ntohs(ip6->s6_addr16[i]), 16)
				      : number_write(out, addr->ip[i], 10);
		}
	if (is_ipv6)
		*out++ = ']';
	*out++ = ':';
	return number_write(out, addr->port, 10);
}

#define SEPARATORS ", "

bool addr_port_listed(const char *list, uint16_t port)
{
	for (const char *p = list; *(p += strspn(p, SEPARATORS)); p += strcspn(p, SEPARATORS)) {
		uint64_t first, last;
		bool good = handoff_read_digits(&p, 10, UINT16_MAX, &first);

		last = first;
		if (good && *p == '-') {
			p++;
			good = handoff_read_digits(&p, 10, UINT16_MAX, &last);
		}
		/* The word ends with a separator, or the text. */
		if (good && strchr(SEPARATORS, *p) && first > 0 && port >= first && port <= last)
			return true;
	}
	return false;
}

/* --- names of Unix sockets --------------------------------------------------------------- */

#define HEAD offsetof(struct sockaddr_un, sun_path)

static_assert(HANDOFF_PATH_SIZE == sizeof(((struct sockaddr_un *)0)->sun_path), "kernel ABI");

bool unix_path_next(const char **list, char ret[HANDOFF_PATH_SIZE])
{
	size_t n;

	do {
		*list += strspn(*list, " ");
		n = strcspn(*list, " ");
		if (n < HANDOFF_PATH_SIZE) {
			memcpy(ret, *list, n);
			ret[n] = '\0';
		}
		*list += n;
	} while (n >= HANDOFF_PATH_SIZE);
	return n > 0;
}

bool unix_path_from_sockaddr(const struct sockaddr *addr, socklen_t len,
			     char ret[HANDOFF_PATH_SIZE])
{
	const char *name = ((const struct sockaddr_un *)addr)->sun_path;
	size_t size = len > HEAD ? len - HEAD : 0;

	if (size == 0 || size > HANDOFF_PATH_SIZE || *name == '@' ||
	    strnlen(name, size) == HANDOFF_PATH_SIZE)
		return false;
	memset(ret, 0, HANDOFF_PATH_SIZE);
	memcpy(ret, name, size - (size == HANDOFF_PATH_SIZE));
	if (*ret)
		return true;
	*ret = '@';
	return size > 1 && size < HANDOFF_PATH_SIZE && strlen(ret) == size;
}

socklen_t unix_path_to_sockaddr(const char *path, struct sockaddr_storage *ret)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)ret;
	size_t n = strlen(path);

	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sun->sun_path, path, n);
	if (*path == '@')
		sun->sun_path[0] = '\0';
	/* The kernel counts what ends a path, too. */
	return (socklen_t)(HEAD + n + (*path == '/'));
}
