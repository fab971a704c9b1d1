/*
 * handoff_name.h - the name that the broker binds to the worker's end of a channel.
 *
 * A descriptor that arrived through execve(2) or SCM_RIGHTS identifies itself:
 * getsockname(2) returns an abstract Unix address
 *
 *     \0handoff:WORKER RANDOM:CHANNEL:FAMILY:PORT:IP        (all hex, fixed width, no blank)
 *
 * WORKER is the public part of the worker's token (HANDOFF_ENV_TOKEN): a socket with another one
 * belongs to another worker. /proc/net/unix shows names to everybody, so the secret part is in
 * none. RANDOM is there so that nobody can have taken the name before. FAMILY is 4, 6, 7 (6 with
 * IPV6_V6ONLY) or 1: a Unix socket, for whose path there is no room here.
 *
 * Pure: the shim uses it where even snprintf(3) is not welcome.
 */
#pragma once

#include "handoff_wire.h"

#include <endian.h>

#define HANDOFF_NAME_PREFIX "\0handoff:"

/* The name of what stands in the place of a connection (HANDOFF_OFFER) begins with it. */
#define HANDOFF_MOVED_PREFIX	  "\0handoff-moved:"
#define HANDOFF_MOVED_PREFIX_SIZE (sizeof(HANDOFF_MOVED_PREFIX) - 1)

/*
 * Where a socket really is that an app has bound through the library and that nobody has listened
 * on yet: a listener there belongs to a process that has lost the library.
 */
#define HANDOFF_BOUND_IP                                                                           \
	{                                                                                          \
		127, 66, 82, 75                                                                    \
	}

/* Where each part begins; a colon stands before each. */
enum {
	HANDOFF_NAME_WORKER = sizeof(HANDOFF_NAME_PREFIX) - 1,
	HANDOFF_NAME_RANDOM = HANDOFF_NAME_WORKER + 16,
	HANDOFF_NAME_CHANNEL = HANDOFF_NAME_RANDOM + 16 + 1,
	HANDOFF_NAME_FAMILY = HANDOFF_NAME_CHANNEL + 16 + 1,
	HANDOFF_NAME_PORT = HANDOFF_NAME_FAMILY + 1 + 1,
	HANDOFF_NAME_IP = HANDOFF_NAME_PORT + 4 + 1,
	HANDOFF_NAME_SIZE = HANDOFF_NAME_IP + 32,
};

struct handoff_name {
	uint8_t worker[HANDOFF_TOKEN_PUBLIC];
	uint64_t random;
	uint64_t channel;
	struct handoff_addr addr; /* scope_id is not kept */
};

/* Writes 2 * @n digits; they are not terminated. */
static inline void handoff_hex_put(char *out, const void *from, size_t n)
{
	const uint8_t *bytes = (const uint8_t *)from;

	for (size_t i = 0; i < 2 * n; i++)
		*out++ = "0123456789abcdef"[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
}

/* Reads @n bytes as 2 * @n lower-case hex digits. False, with @ret undefined, if they are not. */
static inline bool handoff_hex_get(const char *in, void *ret, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t *bytes = (uint8_t *)ret;

	for (size_t i = 0; i < 2 * n; i++) {
		const char *digit = (const char *)memchr(digits, in[i], 16);

		if (!digit)
			return false;
		bytes[i / 2] = (uint8_t)((i % 2 ? bytes[i / 2] << 4 : 0) | (digit - digits));
	}
	return true;
}

/* Writes exactly HANDOFF_NAME_SIZE bytes (a sun_path; the first is NUL, none is added). */
static inline void handoff_name_put(char *out, const struct handoff_name *name)
{
	bool v6only = name->addr.family == 6 && (name->addr.flags & HANDOFF_V6ONLY);
	uint64_t channel = htobe64(name->channel);
	uint16_t port = htobe16(name->addr.port);

	memset(out, ':', HANDOFF_NAME_SIZE);
	memcpy(out, HANDOFF_NAME_PREFIX, HANDOFF_NAME_WORKER);
	handoff_hex_put(out + HANDOFF_NAME_WORKER, name->worker, sizeof(name->worker));
	handoff_hex_put(out + HANDOFF_NAME_RANDOM, &name->random, sizeof(name->random));
	handoff_hex_put(out + HANDOFF_NAME_CHANNEL, &channel, sizeof(channel));
	out[HANDOFF_NAME_FAMILY] = v6only ? '7' : (char)('0' + name->addr.family);
	handoff_hex_put(out + HANDOFF_NAME_PORT, &port, sizeof(port));
	handoff_hex_put(out + HANDOFF_NAME_IP, name->addr.ip, sizeof(name->addr.ip));
}

/* Reads a sun_path of @len bytes. False, with *@ret undefined, if it is not such a name. */
static inline bool handoff_name_get(const char *in, size_t len, struct handoff_name *ret)
{
	char same[HANDOFF_NAME_SIZE];
	uint64_t channel;
	uint16_t port;

	if (len != HANDOFF_NAME_SIZE ||
	    !handoff_hex_get(in + HANDOFF_NAME_WORKER, ret->worker, sizeof(ret->worker)) ||
	    !handoff_hex_get(in + HANDOFF_NAME_RANDOM, &ret->random, sizeof(ret->random)) ||
	    !handoff_hex_get(in + HANDOFF_NAME_CHANNEL, &channel, sizeof(channel)) ||
	    !handoff_hex_get(in + HANDOFF_NAME_PORT, &port, sizeof(port)) ||
	    !handoff_hex_get(in + HANDOFF_NAME_IP, ret->addr.ip, sizeof(ret->addr.ip)))
		return false;
	ret->channel = be64toh(channel);
	ret->addr.family = in[HANDOFF_NAME_FAMILY] == '7' ? 6 : in[HANDOFF_NAME_FAMILY] & 15;
	ret->addr.flags = in[HANDOFF_NAME_FAMILY] == '7' ? HANDOFF_V6ONLY : 0;
	ret->addr.port = be16toh(port);
	ret->addr.scope_id = 0;
	handoff_name_put(same, ret);
	return !memcmp(in, same, sizeof(same)) && ret->addr.family && handoff_addr_ok(&ret->addr);
}
