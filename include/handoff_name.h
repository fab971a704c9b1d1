/*
 * handoff_name.h - the name that the broker binds to the worker's end of a channel.
 *
 * A descriptor that arrived through execve(2) or SCM_RIGHTS identifies itself:
 * getsockname(2) returns an abstract Unix address
 *
 *     \0handoff:TOKEN:CHANNEL:FAMILY:PORT:IP        (all hex, fixed width)
 *
 * TOKEN is the worker's token (HANDOFF_ENV_TOKEN): a socket with another token
 * belongs to another worker. FAMILY is 4, 6 or 7 (6 with IPV6_V6ONLY).
 *
 * Pure: the shim uses it where even snprintf(3) is not welcome.
 */
#ifndef HANDOFF_NAME_H
#define HANDOFF_NAME_H

#include "handoff_wire.h"

#define HANDOFF_NAME_PREFIX "\0handoff:"

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
	HANDOFF_NAME_TOKEN = sizeof(HANDOFF_NAME_PREFIX) - 1,
	HANDOFF_NAME_CHANNEL = HANDOFF_NAME_TOKEN + 32 + 1,
	HANDOFF_NAME_FAMILY = HANDOFF_NAME_CHANNEL + 16 + 1,
	HANDOFF_NAME_PORT = HANDOFF_NAME_FAMILY + 1 + 1,
	HANDOFF_NAME_IP = HANDOFF_NAME_PORT + 4 + 1,
	HANDOFF_NAME_SIZE = HANDOFF_NAME_IP + 32,
};

struct handoff_name {
	uint8_t token[HANDOFF_TOKEN_SIZE];
	uint64_t channel;
	struct handoff_addr addr; /* scope_id is not kept */
};

/* Writes 2 * @n digits; they are not terminated. */
static inline void handoff_hex_put(char *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
}

/* Reads @n bytes as 2 * @n lower-case hex digits. False, with @bytes undefined, if they are not. */
static inline bool handoff_hex_get(const char *in, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < 2 * n; i++) {
		char c = in[i];
		unsigned v;

		if (c >= '0' && c <= '9')
			v = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = (unsigned)(c - 'a') + 10;
		else
			return false;
		bytes[i / 2] = (uint8_t)(i % 2 ? (bytes[i / 2] << 4 | v) : v);
	}
	return true;
}

/* Writes exactly HANDOFF_NAME_SIZE bytes (a sun_path; the first is NUL, none is added). */
static inline void handoff_name_put(char *out, const struct handoff_name *name)
{
	bool v6only = name->addr.family == 6 && (name->addr.flags & HANDOFF_V6ONLY);
	uint8_t port[2] = { (uint8_t)(name->addr.port >> 8), (uint8_t)name->addr.port };
	uint8_t channel[8];

	for (int i = 0; i < 8; i++)
		channel[i] = (uint8_t)(name->channel >> (56 - 8 * i));
	memset(out, ':', HANDOFF_NAME_SIZE);
	memcpy(out, HANDOFF_NAME_PREFIX, HANDOFF_NAME_TOKEN);
	handoff_hex_put(out + HANDOFF_NAME_TOKEN, name->token, sizeof(name->token));
	handoff_hex_put(out + HANDOFF_NAME_CHANNEL, channel, sizeof(channel));
	out[HANDOFF_NAME_FAMILY] = v6only ? '7' : (char)('0' + name->addr.family);
	handoff_hex_put(out + HANDOFF_NAME_PORT, port, sizeof(port));
	handoff_hex_put(out + HANDOFF_NAME_IP, name->addr.ip, sizeof(name->addr.ip));
}

/* Reads a sun_path of @len bytes. False, with *@ret undefined, if it is not such a name. */
static inline bool handoff_name_get(const char *in, size_t len, struct handoff_name *ret)
{
	uint8_t channel[8], port[2];
	char family;

	if (len != HANDOFF_NAME_SIZE || memcmp(in, HANDOFF_NAME_PREFIX, HANDOFF_NAME_TOKEN) != 0 ||
	    in[HANDOFF_NAME_CHANNEL - 1] != ':' || in[HANDOFF_NAME_FAMILY - 1] != ':' ||
	    in[HANDOFF_NAME_PORT - 1] != ':' || in[HANDOFF_NAME_IP - 1] != ':')
		return false;
	family = in[HANDOFF_NAME_FAMILY];
	if (!handoff_hex_get(in + HANDOFF_NAME_TOKEN, ret->token, sizeof(ret->token)) ||
	    !handoff_hex_get(in + HANDOFF_NAME_CHANNEL, channel, sizeof(channel)) ||
	    (family != '4' && family != '6' && family != '7') ||
	    !handoff_hex_get(in + HANDOFF_NAME_PORT, port, sizeof(port)) ||
	    !handoff_hex_get(in + HANDOFF_NAME_IP, ret->addr.ip, sizeof(ret->addr.ip)))
		return false;
	ret->channel = 0;
	for (int i = 0; i < 8; i++)
		ret->channel = ret->channel << 8 | channel[i];
	ret->addr.family = family == '4' ? 4 : 6;
	ret->addr.flags = family == '7' ? HANDOFF_V6ONLY : 0;
	ret->addr.port = (uint16_t)(port[0] << 8 | port[1]);
	ret->addr.scope_id = 0;
	return handoff_addr_ok(&ret->addr);
}

#endif
