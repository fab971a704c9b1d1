#include "pins.h"

#include "base/units.h"

#include <arpa/inet.h>
#include <stdio.h>

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

int pin_source_parse(const char *text, struct pin_source *ret, struct strbuf *ret_error)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct pin_source source = { .family = 0 };
	char host[INET6_ADDRSTRLEN + 1] = ""; /* one more: what is cut is no address */
	int64_t bits;

	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	if (inet_pton(AF_INET, host, source.ip) == 1)
		source.family = 4;
	else if (inet_pton(AF_INET6, host, source.ip) == 1)
		source.family = 6;
	else
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

	if (source->family)
		(void)inet_ntop(source->family == 4 ? AF_INET : AF_INET6, source->ip, text.text,
				sizeof(text.text));
	if (source->family && source->prefix != bits_of(source->family))
		snprintf(text.text + strlen(text.text), sizeof("/128"), "/%u", source->prefix);
	return text;
}

static bool is_equal(const struct pin_source *a, const struct pin_source *b)
{
	return !memcmp(a, b, sizeof(*a)); /* there is nothing between the members */
}

/* --- the table ----------------------------------------------------------------------- */

static uint16_t *count_of(struct pins *pins, const struct pin_source *source)
{
	return &pins->with_prefix[source->family == 6][source->prefix];
}

static int compare(const struct pin *pin, const struct pin_source *source, enum pin_kind kind)
{
	int order = memcmp(&pin->source, source, sizeof(*source));

	return order ? order : (int)kind - (int)pin->kind;
}

/* Where that one is, or would be. */
static size_t place_of(const struct pins *pins, const struct pin_source *source, enum pin_kind kind)
{
	size_t from = 0, to = pins->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (compare(&pins->pin[mid], source, kind) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

struct pin *pins_find(struct pins *pins, enum pin_kind kind, const struct pin_source *source)
{
	size_t at = place_of(pins, source, kind);

	return at < pins->n && compare(&pins->pin[at], source, kind) == 0 ? &pins->pin[at] : NULL;
}

int pins_add(struct pins *pins, const struct pin *pin, struct pin *ret_old)
{
	struct pin *same = pins_find(pins, pin->kind, &pin->source);
	size_t at = place_of(pins, &pin->source, pin->kind);

	if (same) {
		*ret_old = *same;
		*same = *pin;
		return 0;
	}
	if (pins->n == PINS_MAX)
		return -ENOSPC;
	if (!array_grow(pins->pin, pins->n))
		return -ENOMEM;
	memmove(&pins->pin[at + 1], &pins->pin[at], (pins->n++ - at) * sizeof(*pin));
	pins->pin[at] = *pin;
	++*count_of(pins, &pin->source);
	return 0;
}

static void take_out(struct pins *pins, size_t at)
{
	--*count_of(pins, &pins->pin[at].source);
	memmove(&pins->pin[at], &pins->pin[at + 1], (--pins->n - at) * sizeof(pins->pin[0]));
}

void pins_deinit(struct pins *pins)
{
	free(pins->pin);
	*pins = (struct pins){ 0 };
}

static bool goes(const struct pin *pin, const struct pin_filter *which)
{
	if (which->now_ms)
		return pin->expires_ms && pin->expires_ms <= which->now_ms;
	if (which->generation)
		return pin->generation && pin_names(pin, which->worker, which->generation);
	return pin->kind != PIN_DEBUG && pin_fits(pin, which->source, which->worker);
}

bool pins_pop(struct pins *pins, const struct pin_filter *which, size_t *at, struct pin *ret)
{
	/* The last first: taking out all of them moves none. */
	while (*at > 0)
		if (goes(&pins->pin[--*at], which)) {
			*ret = pins->pin[*at];
			take_out(pins, *at);
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

struct pin *pins_match(struct pins *pins, const struct handoff_addr *peer)
{
	bool mapped = peer->family == 6 && is_mapped(peer->ip);
	struct pin_source source = { .family = mapped ? 4 : peer->family };
	const struct pin_source any = { .family = 0 };

	memcpy(source.ip, mapped ? peer->ip + 12 : peer->ip, bits_of(source.family) / 8);
	for (int prefix = source.family ? (int)bits_of(source.family) : -1; prefix >= 0; prefix--) {
		size_t at;

		source.prefix = (uint8_t)prefix;
		if (!*count_of(pins, &source))
			continue;
		(void)cut(source.ip, source.prefix);
		at = place_of(pins, &source, PIN_DEBUG);
		if (at < pins->n && is_equal(&pins->pin[at].source, &source))
			return &pins->pin[at];
	}
	/* Everybody comes first in the order. */
	return pins->n && is_equal(&pins->pin[0].source, &any) ? &pins->pin[0] : NULL;
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
