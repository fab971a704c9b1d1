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
 * Pure, no libc call: the shim uses it where even snprintf(3) is not welcome.
 */
#ifndef HANDOFF_NAME_H
#define HANDOFF_NAME_H

#include "handoff_wire.h"

#define HANDOFF_NAME_PREFIX "handoff:"
/* leading NUL, prefix, token, channel, family, port, ip, four colons */
#define HANDOFF_NAME_SIZE (1 + 8 + 32 + 1 + 16 + 1 + 1 + 1 + 4 + 1 + 32)

struct handoff_name {
	uint8_t token[HANDOFF_TOKEN_SIZE];
	uint64_t channel;
	struct handoff_addr addr; /* scope_id is not kept */
};

static inline char *handoff_hex_put(char *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	return out;
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
	static const char prefix[] = HANDOFF_NAME_PREFIX;
	uint8_t be[8];
	bool v6only = name->addr.family == 6 && (name->addr.flags & HANDOFF_V6ONLY);

	*out++ = '\0';
	for (size_t i = 0; i < sizeof(prefix) - 1; i++)
		*out++ = prefix[i];
	out = handoff_hex_put(out, name->token, HANDOFF_TOKEN_SIZE);
	*out++ = ':';
	for (int i = 0; i < 8; i++)
		be[i] = (uint8_t)(name->channel >> (56 - 8 * i));
	out = handoff_hex_put(out, be, 8);
	*out++ = ':';
	*out++ = v6only ? '7' : (char)('0' + name->addr.family);
	*out++ = ':';
	be[0] = (uint8_t)(name->addr.port >> 8);
	be[1] = (uint8_t)name->addr.port;
	out = handoff_hex_put(out, be, 2);
	*out++ = ':';
	(void)handoff_hex_put(out, name->addr.ip, sizeof(name->addr.ip));
}

/* Reads a sun_path of @len bytes. False, with *@ret undefined, if it is not such a name. */
static inline bool handoff_name_get(const char *in, size_t len, struct handoff_name *ret)
{
	static const char prefix[] = HANDOFF_NAME_PREFIX;
	uint8_t be[8];

	if (len != HANDOFF_NAME_SIZE || *in++ != '\0')
		return false;
	for (size_t i = 0; i < sizeof(prefix) - 1; i++)
		if (*in++ != prefix[i])
			return false;
	if (!handoff_hex_get(in, ret->token, HANDOFF_TOKEN_SIZE) || in[32] != ':')
		return false;
	in += 33;
	if (!handoff_hex_get(in, be, 8) || in[16] != ':')
		return false;
	ret->channel = 0;
	for (int i = 0; i < 8; i++)
		ret->channel = ret->channel << 8 | be[i];
	in += 17;
	if ((*in != '4' && *in != '6' && *in != '7') || in[1] != ':')
		return false;
	ret->addr.family = *in == '4' ? 4 : 6;
	ret->addr.flags = *in == '7' ? HANDOFF_V6ONLY : 0;
	ret->addr.scope_id = 0;
	in += 2;
	if (!handoff_hex_get(in, be, 2) || in[4] != ':')
		return false;
	ret->addr.port = (uint16_t)(be[0] << 8 | be[1]);
	return handoff_hex_get(in + 5, ret->addr.ip, sizeof(ret->addr.ip)) &&
	       handoff_addr_ok(&ret->addr);
}

#endif
