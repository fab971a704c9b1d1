/*
 * handoff_addr.h - reads where to listen, as people and as the kernel write it. There is one
 * version, for both sides.
 *
 * Pure.
 */
#pragma once

#include "handoff_wire.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* Where an app listens. */
struct handoff_place {
	struct handoff_addr addr;
	char path[HANDOFF_PATH_SIZE]; /* of a Unix socket */
};

/*
 * Reads a number of base 10 or 16 (lower-case digits) at *@p and moves past it. False, with *@ret
 * undefined, if there is none, or if it is above @max. strtoul(3) has a name in new glibc that musl
 * lacks.
 */
static inline bool handoff_read_digits(const char **p, unsigned base, uint64_t max, uint64_t *ret)
{
	const char *start = *p;

	for (*ret = 0;; (*p)++) {
		unsigned digit = (unsigned)(unsigned char)**p - '0';

		if (digit > 9)
			digit = **p >= 'a' && **p <= 'f' ? (unsigned)(**p - 'a') + 10 : base;
		if (digit >= base)
			return *p != start;
		if (*ret > (max - digit) / base)
			return false;
		*ret = *ret * base + digit;
	}
}

/* @text is a number from 1 to @max, in digits alone. */
static inline bool handoff_read_number(const char *text, uint32_t max, uint32_t *ret)
{
	uint64_t number = 0;
	bool good = handoff_read_digits(&text, 10, max, &number) && !*text && number > 0;

	*ret = (uint32_t)number;
	return good;
}

/* 127.0.0.1, or [fe80::1%2]: @text, @n bytes of it. */
static inline bool handoff_read_host(const char *text, size_t n, struct handoff_addr *ret)
{
	char host[64] = "", *percent;

	if (n < 2 || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	ret->family = 4;
	if (*host != '[')
		return inet_pton(AF_INET, host, ret->ip) == 1;
	if (host[n - 1] != ']')
		return false;
	host[n - 1] = '\0';
	percent = strchr(host, '%');
	if (percent && !handoff_read_number(percent + 1, UINT32_MAX, &ret->scope_id))
		return false;
	if (percent)
		*percent = '\0';
	ret->family = 6;
	return inet_pton(AF_INET6, host + 1, ret->ip) == 1;
}

/*
 * Reads 127.0.0.1:80, [::]:80, [fe80::1%2]:80. A port alone is every address, [::]:80, and sets
 * *@ret_port_only. False, with outputs undefined: it is none.
 */
static inline bool handoff_read_addr(const char *text, struct handoff_addr *ret,
				     bool *ret_port_only)
{
	const char *colon = strrchr(text, ':'), *port_text = colon ? colon + 1 : text;
	uint32_t port;

	*ret = (struct handoff_addr){ .family = 6 };
	*ret_port_only = !colon;
	if (!handoff_read_number(port_text, UINT16_MAX, &port) ||
	    (colon && !handoff_read_host(text, (size_t)(colon - text), ret)))
		return false;
	ret->port = (uint16_t)port;
	return true;
}

/* The same, or a Unix socket: /PATH or @NAME. */
static inline bool handoff_read_place(const char *text, struct handoff_place *ret,
				      bool *ret_port_only)
{
	memset(ret, 0, sizeof(*ret));
	if (*text != '/' && *text != '@')
		return handoff_read_addr(text, &ret->addr, ret_port_only);
	ret->addr.family = HANDOFF_UNIX;
	*ret_port_only = false;
	if (!text[1] || strlen(text) >= HANDOFF_PATH_SIZE)
		return false;
	strcpy(ret->path, text);
	return true;
}

/* False, with *@ret undefined, if @sa is no whole IPv4 or IPv6 address. */
static inline bool handoff_from_sockaddr(const struct sockaddr *sa, socklen_t len,
					 struct handoff_addr *ret)
{
	if (len >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		*ret = (struct handoff_addr){ .family = 4, .port = ntohs(in->sin_port) };
		memcpy(ret->ip, &in->sin_addr, 4);
		return true;
	}
	/* RFC 2133 had no scope id: the kernel takes an address without it, and so do we. */
	if (len >= offsetof(struct sockaddr_in6, sin6_scope_id) && sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		*ret = (struct handoff_addr){ .family = 6, .port = ntohs(in6->sin6_port) };
		memcpy(ret->ip, &in6->sin6_addr, 16);
		if (len >= sizeof(*in6))
			ret->scope_id = in6->sin6_scope_id;
		return true;
	}
	return false;
}

/* Writes @addr to @ret, which has room for any; a Unix socket has no name. Returns the length. */
static inline socklen_t handoff_to_sockaddr(const struct handoff_addr *addr, void *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	if (addr->family == HANDOFF_UNIX) {
		((struct sockaddr *)ret)->sa_family = AF_UNIX;
		return sizeof(sa_family_t);
	}
	memset(ret, 0, addr->family == 4 ? sizeof(*in) : sizeof(*in6));
	if (addr->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(addr->port);
		memcpy(&in->sin_addr, addr->ip, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(addr->port);
	in6->sin6_scope_id = addr->scope_id;
	memcpy(&in6->sin6_addr, addr->ip, 16);
	return sizeof(*in6);
}
