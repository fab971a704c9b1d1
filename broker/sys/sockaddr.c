#include "sockaddr.h"

#include <string.h>
#include "base/util.h"

socklen_t sockaddr_put(const struct handoff_addr *addr, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr->family == 4) {
		struct sockaddr_in *sin = (struct sockaddr_in *)ret;

		sin->sin_family = AF_INET;
		sin->sin_port = htons(addr->port);
		memcpy(&sin->sin_addr, addr->ip, 4);
		return sizeof(*sin);
	} else {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ret;

		assert(addr->family == 6);
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(addr->port);
		sin6->sin6_scope_id = addr->scope_id;
		memcpy(&sin6->sin6_addr, addr->ip, 16);
		return sizeof(*sin6);
	}
}

void sockaddr_get(const struct sockaddr_storage *sa, struct handoff_addr *ret)
{
	*ret = (struct handoff_addr){ 0 };
	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)sa;

		ret->family = 4;
		ret->port = ntohs(sin->sin_port);
		memcpy(ret->ip, &sin->sin_addr, 4);
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;

		ret->port = ntohs(sin6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
			ret->family = 4;
			memcpy(ret->ip, &sin6->sin6_addr.s6_addr[12], 4);
		} else {
			ret->family = 6;
			ret->scope_id = sin6->sin6_scope_id;
			memcpy(ret->ip, &sin6->sin6_addr, 16);
		}
	}
}
