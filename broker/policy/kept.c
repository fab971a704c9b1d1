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

/* 0: a text. */
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
	[KEPT_RUN] = sizeof(struct kept_run),
	[KEPT_TERMS] = sizeof(struct kept_terms),
	[KEPT_TROUBLE] = sizeof(struct slot_trouble),
	[KEPT_GREETING] = sizeof(struct kept_greeting),
	[KEPT_GIVEN] = sizeof(struct kept_given),
	[KEPT_CLIENT] = sizeof(struct kept_client),
};

static_assert(sizeof(struct kept_service) <= sizeof(((struct kept_reader *)0)->room), "room");

const char *const kept_kind_names[KEPT_KIND_N] = {
	[KEPT_BROKER] = "broker",
	[KEPT_MASTER] = "master",
	[KEPT_SERVICE] = "service",
	[KEPT_DISPATCH] = "dispatch",
	[KEPT_SLOT] = "slot",
	[KEPT_PIN] = "pin",
	[KEPT_WORKER] = "worker",
	[KEPT_ENDPOINT] = "endpoint",
	[KEPT_LISTENER] = "listener",
	[KEPT_PENDING] = "pending connection",
	[KEPT_CHANNEL] = "channel",
	[KEPT_HOLDER] = "holder of a channel",
	[KEPT_RUN] = "run",
	[KEPT_RUN_DIR] = "run directory",
	[KEPT_PATH] = "path",
	[KEPT_CONF] = "configuration",
	[KEPT_TERMS] = "terms",
	[KEPT_SERVICE_CONF] = "configuration of a service",
	[KEPT_EVENT] = "event",
	[KEPT_ROLLOUT] = "rollout",
	[KEPT_TROUBLE] = "trouble",
	[KEPT_NAMES] = "name of a user",
	[KEPT_GIVEN] = "given socket",
	[KEPT_KIN] = "kin of a worker",
	[KEPT_OUTPUT] = "output",
	[KEPT_REFUSAL] = "refusal",
	[KEPT_GREETING] = "greeting",
	[KEPT_CLIENT] = "client",
	[KEPT_LOG] = "log",
	[KEPT_FDS] = "descriptors",
	[KEPT_CLIENT_IN] = "input of a client",
	[KEPT_CLIENT_OUT] = "answer",
	[KEPT_REQUEST] = "request",
	[KEPT_EVENTS] = "follower",
	[KEPT_ROLL] = "wait for a reload",
	[KEPT_SESSION] = "debugging session",
	[KEPT_UPGRADE] = "wait for an upgrade",
};

#define FD(record, field) (1 + offsetof(struct record, field))

/* Where they are in each record, plus one; 0: there are no more. */
static const uint16_t fd_fields[KEPT_KIND_N][18] = {
	[KEPT_WORKER] = {
		FD(kept_worker, pidfd),
		FD(kept_worker, status_fd),
		FD(kept_worker, output_fd),
		FD(kept_worker, helper.fd),
		FD(kept_worker, checked.fd),
		FD(kept_worker, checked.listener),
		FD(kept_worker, checked.helper.fd),
	},
	[KEPT_LISTENER] = {
		FD(kept_listener, fd),
	},
	[KEPT_PENDING] = {
		FD(kept_pending, fd),
	},
	[KEPT_CHANNEL] = {
		FD(kept_channel, tx),
		FD(kept_channel, rx),
		FD(kept_channel, page_fd),
	},
	[KEPT_HOLDER] = {
		FD(kept_holder, fd),
	},
	[KEPT_RUN] = {
		FD(kept_run, dir_fd),
		FD(kept_run, lock_fd),
		FD(kept_run, pid_fd),
		FD(kept_run, rendezvous_fd),
		FD(kept_run, control_fd),
		FD(kept_run, log_fd),
		FD(kept_run, ready_fd),
		FD(kept_run, web_fd[0]),
		FD(kept_run, web_fd[1]),
		FD(kept_run, parent_fd),
		FD(kept_run, children_fd),
		FD(kept_run, hand_fd),
		FD(kept_run, twin_fd[0]),
		FD(kept_run, twin_fd[1]),
		FD(kept_run, relay_fd),
		FD(kept_run, relay.fd),
	},
	[KEPT_GREETING] = {
		FD(kept_greeting, fd),
	},
	[KEPT_GIVEN] = {
		FD(kept_given, fd),
	},
	[KEPT_CLIENT] = {
		FD(kept_client, fd),
	},
};

size_t kept_fds(enum kept_kind kind, const void *record, int ret[KEPT_FDS_MAX])
{
	size_t n = 0;

	for (const uint16_t *at = fd_fields[kind]; *at; at++) {
		memcpy(&ret[n], (const char *)record + *at - 1, sizeof(int));
		n += ret[n] > 2; /* or it is none */
	}
	return n;
}

#define LANES 4

static void mix(uint64_t sums[LANES], const char *at)
{
	for (size_t lane = 0; lane < LANES; lane++) {
		uint64_t word;

		memcpy(&word, at + lane * sizeof(word), sizeof(word));
		sums[lane] = (sums[lane] ^ word) * 0x100000001b3u;
		/* Or the high bits of a word would not matter to the low ones. */
		sums[lane] ^= sums[lane] >> 32;
	}
}

/*
 * FNV-1a, but of eight bytes at a time, and four sums beside each other, as there are megabytes:
 * against damage, not against people, who could write the memory as well.
 */
static uint64_t sum_of(const char *bytes, size_t len)
{
	uint64_t sums[LANES] = { 1, 2, 3, 4 }, sum = 0xcbf29ce484222325u;
	char rest[sizeof(sums)] = { 0 };
	size_t i;

	for (i = 0; i + sizeof(sums) <= len; i += sizeof(sums))
		mix(sums, bytes + i);
	if (i < len)
		memcpy(rest, bytes + i, len - i);
	mix(sums, rest);
	for (size_t lane = 0; lane < LANES; lane++)
		sum = (sum ^ sums[lane]) * 0x100000001b3u;
	return sum ^ len;
}

static void add(struct strbuf *out, enum kept_kind kind, const void *bytes, size_t n)
{
	static const char zeros[ALIGN];
	const struct record_header h = { kind, (uint32_t)n };

	strbuf_add_bytes(out, &h, sizeof(h));
	strbuf_add_bytes(out, bytes, n);
	strbuf_add_bytes(out, zeros, -n % ALIGN);
}

void *kept_add(struct strbuf *out, enum kept_kind kind, const void *record)
{
	size_t at = out->len + sizeof(struct record_header);

	assert(sizes[kind]);
	add(out, kind, record, sizes[kind]);
	return out->cut ? NULL : out->text + at;
}

void kept_add_text(struct strbuf *out, enum kept_kind kind, const void *text, size_t len)
{
	assert(!sizes[kind]);
	if (len)
		add(out, kind, text, len);
}

static void add_fds(struct strbuf *out)
{
	struct kept_reader r = { .bytes = out->text, .len = out->len };
	struct strbuf fds = STRBUF_GROWS(1 << 24);
	int of_record[KEPT_FDS_MAX];
	enum kept_kind kind;
	const void *record;

	while ((record = kept_next(&r, &kind)))
		strbuf_add_bytes(&fds, of_record, kept_fds(kind, record, of_record) * sizeof(int));
	kept_add_text(out, KEPT_FDS, fds.text, fds.len);
	out->cut |= fds.cut;
	strbuf_deinit(&fds);
}

void kept_end(struct strbuf *out)
{
	struct trailer t = { MAGIC, KEPT_VERSION, 0 };

	if (!out->cut)
		add_fds(out);
	t.sum = sum_of(out->text, out->len);
	strbuf_add_bytes(out, &t, sizeof(t));
}

/* The header at r->at. False: what is there is no record. */
static bool read_header(const struct kept_reader *r, struct record_header *ret)
{
	size_t room = r->len - r->at;

	if (room < sizeof(*ret))
		return false;
	memcpy(ret, r->bytes + r->at, sizeof(*ret));
	return room - sizeof(*ret) >= ret->size + -(size_t)ret->size % ALIGN;
}

static bool is_known(const struct record_header *h)
{
	return h->kind < KEPT_KIND_N;
}

/* Whether the bytes are a row of records, and all that matter are known here. */
static bool is_whole(struct kept_reader r, struct strbuf *why)
{
	struct record_header h;

	for (; r.at < r.len; r.at += sizeof(h) + h.size + -(size_t)h.size % ALIGN) {
		if (!read_header(&r, &h)) {
			strbuf_add(why, "it is no row of records");
			return false;
		}
		if (!is_known(&h) && !(h.kind & KEPT_OPTIONAL)) {
			strbuf_addf(why,
				    "it has a record of kind %u, which this broker does not "
				    "know",
				    h.kind);
			return false;
		}
	}
	return true;
}

int kept_open(struct kept_reader *r, const void *bytes, size_t len, struct strbuf *why)
{
	struct trailer t = { 0 };

	*r = (struct kept_reader){ .bytes = bytes, .len = len >= sizeof(t) ? len - sizeof(t) : 0 };
	if (len >= sizeof(t))
		memcpy(&t, r->bytes + r->len, sizeof(t));
	if (t.magic != MAGIC)
		strbuf_add(why, "it is not a complete state of a broker");
	else if (t.version != KEPT_VERSION)
		strbuf_addf(why, "it is of version %u, and this broker reads version %u", t.version,
			    KEPT_VERSION);
	else if (t.sum != sum_of(r->bytes, r->len))
		strbuf_add(why, "it is damaged: its checksum is wrong");
	else if (is_whole(*r, why))
		return 0;
	return -EPROTO;
}

struct kept_reader kept_written(const struct strbuf *out)
{
	return (struct kept_reader){ .bytes = out->text, .len = out->len - sizeof(struct trailer) };
}

const void *kept_next(struct kept_reader *r, enum kept_kind *ret_kind)
{
	struct record_header h;
	const char *record;

	do {
		if (!read_header(r, &h))
			return NULL;
		record = r->bytes + r->at + sizeof(h);
		r->at += sizeof(h) + h.size + -(size_t)h.size % ALIGN;
	} while (!is_known(&h));
	*ret_kind = h.kind;
	r->size = h.size;
	if (h.size >= sizes[h.kind])
		return record;
	memset((char *)r->room + h.size, 0, sizes[h.kind] - h.size);
	return memcpy(r->room, record, h.size);
}
