#include "kept.h"

#include <errno.h>
#include <string.h>

#define MAGIC 0x6b657074u /* "kept" */

/* What stands behind all records: bytes that were cut off have none. */
struct trailer {
	uint32_t magic, version;
	uint64_t sum; /* of the bytes before it */
};

/* What stands before each record; the record is filled up to ALIGN. */
struct record_header {
	uint32_t kind, size;
};

#define ALIGN 8

static const uint32_t sizes[KEPT_KIND_N] = {
	[KEPT_BROKER] = sizeof(struct kept_broker),
	[KEPT_MASTER] = sizeof(struct kept_master),
	[KEPT_SERVICE] = sizeof(struct kept_service),
	[KEPT_DISPATCH] = sizeof(struct kept_dispatch),
	[KEPT_SLOT] = sizeof(struct kept_slot),
	[KEPT_PIN] = sizeof(struct kept_pin),
	[KEPT_WORKER] = sizeof(struct kept_worker),
	[KEPT_ENDPOINT] = sizeof(struct kept_endpoint),
	[KEPT_LISTENER] = sizeof(struct kept_listener),
	[KEPT_PENDING] = sizeof(struct kept_pending),
	[KEPT_CHANNEL] = sizeof(struct kept_channel),
	[KEPT_HOLDER] = sizeof(struct kept_holder),
};

/* FNV-1a: against damage, not against people, who could write the memory as well. */
static uint64_t sum_of(const char *bytes, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * 0x100000001b3u;
	return sum;
}

void kept_add(struct strbuf *out, enum kept_kind kind, const void *record)
{
	static const char zeros[ALIGN];
	const struct record_header h = { kind, sizes[kind] };

	strbuf_add_bytes(out, &h, sizeof(h));
	strbuf_add_bytes(out, record, h.size);
	strbuf_add_bytes(out, zeros, -(size_t)h.size % ALIGN);
}

void kept_end(struct strbuf *out)
{
	struct trailer t = { MAGIC, KEPT_VERSION, sum_of(out->text, out->len) };

	strbuf_add_bytes(out, &t, sizeof(t));
}

/* Whether the rest of the bytes is a row of records as this program has them. */
static bool is_whole(struct kept_reader r)
{
	enum kept_kind kind;

	while (r.at < r.len)
		if (!kept_next(&r, &kind))
			return false;
	return true;
}

int kept_open(struct kept_reader *r, const void *bytes, size_t len, struct strbuf *why)
{
	struct trailer t = { 0 };

	*r = (struct kept_reader){ bytes, 0, len >= sizeof(t) ? len - sizeof(t) : 0 };
	if (len >= sizeof(t))
		memcpy(&t, r->bytes + r->len, sizeof(t));
	if (t.magic != MAGIC)
		strbuf_add(why, "it is not a complete state of a broker");
	else if (t.version != KEPT_VERSION)
		strbuf_addf(why, "it is of version %u, and this broker reads version %u", t.version,
			    KEPT_VERSION);
	else if (t.sum != sum_of(r->bytes, r->len))
		strbuf_add(why, "it is damaged: its checksum is wrong");
	else if (!is_whole(*r))
		strbuf_add(why, "a record in it does not have the size that this broker expects");
	else
		return 0;
	return -EPROTO;
}

const void *kept_next(struct kept_reader *r, enum kept_kind *ret_kind)
{
	size_t room = r->len - r->at, size;
	struct record_header h;
	const void *record;

	if (room < sizeof(h))
		return NULL;
	memcpy(&h, r->bytes + r->at, sizeof(h));
	size = sizeof(h) + h.size + -(size_t)h.size % ALIGN;
	if (h.kind >= KEPT_KIND_N || h.size != sizes[h.kind] || room < size)
		return NULL;
	record = r->bytes + r->at + sizeof(h);
	r->at += size;
	*ret_kind = h.kind;
	return record;
}
