#include "pins.h"

#include "base/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0 */

const char *const pin_kind_names[] = {
	[PIN_NEXT] = "next",
	[PIN_BY_HAND] = "pin",
	[PIN_DEBUG] = "debug",
};

static unsigned bits_of(unsigned family)
{
	return family == 4 ? 32 : 128;
}

/* --- a source as text ---------------------------------------------------------------- */

static bool is_mapped(const uint8_t ip[16])
{
	static const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return !memcmp(ip, mapped, sizeof(mapped));
}

/* Zeros all but the first @bits. True if that changed anything. */
static bool cut(uint8_t *ip, unsigned bits)
{
	bool changed = false;

	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);

		changed = changed || (ip[i] & ~mask);
		ip[i] &= mask;
	}
	return changed;
}

static const char *diagnose(const char *text)
{
	if (strchr(text, '%'))
		return "has a zone, which is not part of a source: omit it";
	if (strchr(text, '[') || (strchr(text, '.') && strchr(text, ':')))
		return "is not a source: write it without a port and without brackets, 10.0.0.0/8 "
		       "or ::1";
	return "is not a source (names are not looked up): write 10.0.0.0/8, 10.1.2.3 or "
	       "2001:db8::/32";
}

/* The family of @host, 4 or 6; 0: it is no address. */
static uint8_t parse_ip(const char *host, uint8_t ret_ip[16])
{
	if (inet_pton(AF_INET, host, ret_ip) == 1)
		return 4;
	return inet_pton(AF_INET6, host, ret_ip) == 1 ? 6 : 0;
}

int pin_source_parse(const char *text, struct pin_source *ret, struct strbuf *ret_error)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct pin_source source = { .family = 0 };
	char host[INET6_ADDRSTRLEN] = "";
	int64_t bits;

	if (len >= sizeof(host))
		return strbuf_refuse(ret_error, text, "%s", diagnose(text));
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	source.family = parse_ip(host, source.ip);
	if (!source.family)
		return strbuf_refuse(ret_error, text, "%s", diagnose(text));
	bits = bits_of(source.family);
	if (slash && (units_parse_count(slash + 1, &bits) != 0 || bits > bits_of(source.family)))
		return strbuf_refuse(ret_error, text,
				     "has no prefix length from 0 to %u after the /",
				     bits_of(source.family));
	source.prefix = (uint8_t)bits;
	if (source.family == 6 && bits >= MAPPED_BITS && is_mapped(source.ip)) {
		source.family = 4;
		source.prefix = (uint8_t)(bits - MAPPED_BITS);
		memcpy(source.ip, source.ip + 12, 4);
		memset(source.ip + 4, 0, 12);
	}
	if (cut(source.ip, source.prefix)) {
		const struct pin_source_text network = pin_source_text(&source);

		return strbuf_refuse(
			ret_error, text,
			"is a host in the network %s: write %s for the network, %s for the host",
			network.text, network.text, host);
	}
	*ret = source;
	return 0;
}

struct pin_source_text pin_source_text(const struct pin_source *source)
{
	struct pin_source_text text = { "any" };
	size_t n;

	if (source->family)
		(void)inet_ntop(source->family == 4 ? AF_INET : AF_INET6, source->ip, text.text,
				sizeof(text.text));
	n = strlen(text.text);
	if (source->family && source->prefix != bits_of(source->family))
		(void)snprintf(text.text + n, sizeof(text.text) - n, "/%u", source->prefix);
	return text;
}

static bool is_equal(const struct pin_source *a, const struct pin_source *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       !memcmp(a->ip, b->ip, sizeof(a->ip));
}

/* --- the table ----------------------------------------------------------------------- */

struct pin *pins_find(struct pins *pins, enum pin_kind kind, const struct pin_source *source)
{
	for (size_t i = 0; i < pins->n; i++)
		if (pins->pin[i].kind == kind && is_equal(&pins->pin[i].source, source))
			return &pins->pin[i];
	return NULL;
}

int pins_add(struct pins *pins, const struct pin *pin, struct pin *ret_old)
{
	struct pin *same = pins_find(pins, pin->kind, &pin->source);

	if (same) {
		*ret_old = *same;
		*same = *pin;
		return 0;
	}
	if (pins->n == PINS_MAX)
		return -ENOSPC;
	pins->pin[pins->n++] = *pin;
	return 0;
}

static void take_out(struct pins *pins, size_t at)
{
	memmove(&pins->pin[at], &pins->pin[at + 1], (--pins->n - at) * sizeof(pins->pin[0]));
}

static bool goes(const struct pin *pin, const struct pin_filter *which)
{
	if (which->now_ms)
		return pin->expires_ms && pin->expires_ms <= which->now_ms;
	if (which->generation)
		return pin->generation && pin_names(pin, which->worker, which->generation);
	return pin->kind != PIN_DEBUG && pin_fits(pin, which->source, which->worker);
}

bool pins_pop(struct pins *pins, const struct pin_filter *which, struct pin *ret)
{
	for (size_t i = 0; i < pins->n; i++)
		if (goes(&pins->pin[i], which)) {
			*ret = pins->pin[i];
			take_out(pins, i);
			return true;
		}
	return false;
}

int64_t pins_next_expiry(const struct pins *pins)
{
	int64_t first = 0;

	for (size_t i = 0; i < pins->n; i++) {
		int64_t at = pins->pin[i].expires_ms;

		if (at && (!first || at < first))
			first = at;
	}
	return first;
}

/* --- which pin matches --------------------------------------------------------------- */

static bool contains(const struct pin_source *source, unsigned family, const uint8_t *ip)
{
	unsigned bytes = source->prefix / 8, rest = source->prefix % 8;

	if (!source->family)
		return true;
	return source->family == family && !memcmp(source->ip, ip, bytes) &&
	       (!rest || (source->ip[bytes] ^ ip[bytes]) >> (8 - rest) == 0);
}

struct pin *pins_match(struct pins *pins, const struct handoff_addr *peer)
{
	bool mapped = peer->family == 6 && is_mapped(peer->ip);
	const uint8_t *ip = mapped ? peer->ip + 12 : peer->ip;
	unsigned family = mapped ? 4 : peer->family;
	struct pin *best = NULL;

	for (size_t i = 0; i < pins->n; i++) {
		struct pin *p = &pins->pin[i];

		if (!contains(&p->source, family, ip))
			continue;
		if (!best || p->source.prefix > best->source.prefix ||
		    (p->source.prefix == best->source.prefix && p->kind > best->kind))
			best = p;
	}
	return best;
}

bool pins_use(struct pins *pins, struct pin *pin)
{
	if (pin->kind != PIN_NEXT)
		return false;
	take_out(pins, (size_t)(pin - pins->pin));
	return true;
}

bool pin_fits(const struct pin *pin, const struct pin_source *source, const char *worker)
{
	return (!source || is_equal(&pin->source, source)) &&
	       (!worker || !strcmp(pin->worker, worker));
}

bool pin_names(const struct pin *pin, const char *worker, unsigned generation)
{
	return (!pin->generation || pin->generation == generation) && !strcmp(pin->worker, worker);
}
