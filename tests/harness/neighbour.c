/*
 * neighbour - the broker as a program of a neighbouring version, by the name of its directory:
 *
 *	older/broker	its records lack the last fields: it neither writes nor sees them
 *	newer/broker	its records are longer, and it writes one of a kind that nobody else knows
 *
 * That is what versions that read each other's state may differ in (policy/kept.h).
 */
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "policy/kept.h"

#define LONGER 40
#define FILL   0xa5

void *__real_kept_add(struct strbuf *out, enum kept_kind kind, const void *record);
void *__wrap_kept_add(struct strbuf *out, enum kept_kind kind, const void *record);
const void *__real_kept_next(struct kept_reader *r, enum kept_kind *ret_kind);
const void *__wrap_kept_next(struct kept_reader *r, enum kept_kind *ret_kind);

/* Where a record of the older one ends; 0: as ours. None is filled in after it was added. */
static const uint32_t older[KEPT_KIND_N] = {
	[KEPT_RUN] = offsetof(struct kept_run, relay_seats),
	[KEPT_WORKER] = offsetof(struct kept_worker, moved_away),
	[KEPT_ENDPOINT] = offsetof(struct kept_endpoint, left_ms),
	[KEPT_LISTENER] = offsetof(struct kept_listener, device),
	[KEPT_CHANNEL] = offsetof(struct kept_channel, backend),
	[KEPT_GREETING] = offsetof(struct kept_greeting, channel),
};

static bool is_newer;

__attribute__((constructor)) static void find_out(void)
{
	char path[PATH_MAX] = "";

	is_newer =
		readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 && strstr(path, "/newer/");
}

static void add_more(struct strbuf *out)
{
	char more[LONGER];

	memset(more, FILL, sizeof(more));
	strbuf_add_bytes(out, more, sizeof(more));
}

void *__wrap_kept_add(struct strbuf *out, enum kept_kind kind, const void *record)
{
	static const uint32_t unknown[] = { (KEPT_KIND_N + 7) | KEPT_OPTIONAL, LONGER };
	const size_t at = out->len + 2 * sizeof(uint32_t);
	uint32_t size = older[kind];

	if (!__real_kept_add(out, kind, record))
		return NULL;
	if (is_newer) {
		size = (uint32_t)(out->len - at) + LONGER;
		add_more(out);
	} else if (size) {
		memset(out->text + at + size, 0, out->len - at - size);
		out->len = at + size + -size % 8;
	}
	if (size && !out->cut)
		memcpy(out->text + at - sizeof(size), &size, sizeof(size));
	if (is_newer && kind == KEPT_MASTER) {
		strbuf_add_bytes(out, unknown, sizeof(unknown));
		add_more(out);
	}
	return out->cut ? NULL : out->text + at;
}

const void *__wrap_kept_next(struct kept_reader *r, enum kept_kind *ret_kind)
{
	static uint64_t room[512];
	const void *record = __real_kept_next(r, ret_kind);

	if (!record || is_newer || !older[*ret_kind])
		return record;
	memset(room, 0, sizeof(room));
	return memcpy(room, record, older[*ret_kind]);
}
