#include "event_ring.h"

#include <string.h>
#include "base/hash.h"

void event_ring_init(struct event_ring *r)
{
	*r = (struct event_ring){ .next = 1 };
}

static void drop(struct event_ring *r, size_t i)
{
	r->bytes -= r->slots[i].event->len;
	free(r->slots[i].event);
	memmove(r->slots + i, r->slots + i + 1, (--r->n - i) * sizeof(*r->slots));
}

void event_ring_deinit(struct event_ring *r)
{
	while (r->n)
		drop(r, r->n - 1);
}

/* The oldest of the kinds that can spare one, else of the largest kind: so "newer" stays right. */
static void make_room(struct event_ring *r)
{
	size_t oldest = 0;

	for (size_t i = 1; i < r->n && r->slots[oldest].newer < EVENT_RING_KEPT; i++)
		if (r->slots[i].newer > r->slots[oldest].newer)
			oldest = i;
	drop(r, oldest);
}

void event_ring_add(struct event_ring *r, int64_t at_ms, const char *word, const char *name,
		    const char *text, size_t len)
{
	struct event *e = len <= EVENT_RING_BYTES ? malloc(sizeof(*e) + len) : NULL;
	uint32_t kind = hash_add_text(hash_add_text(HASH_BEGIN, word), name ? name : "");

	r->next++;
	if (!e)
		return;
	*e = (struct event){ .id = r->next - 1, .at_ms = at_ms, .len = len };
	if (name)
		strncpy(e->name, name, sizeof(e->name) - 1);
	memcpy(e->text, text, len);
	for (size_t i = 0; i < r->n; i++)
		r->slots[i].newer += r->slots[i].kind == kind;
	while (r->n == EVENT_RING_MAX || r->bytes + len > EVENT_RING_BYTES)
		make_room(r);
	r->slots[r->n++] = (struct event_slot){ .event = e, .kind = kind };
	r->bytes += len;
}

bool event_ring_restore(struct event_ring *r, const struct event_slot *slot,
			const struct event *event)
{
	struct event *e = r->n < EVENT_RING_MAX ? malloc(sizeof(*e) + event->len) : NULL;

	if (!e)
		return false;
	memcpy(e, event, sizeof(*e) + event->len);
	r->slots[r->n] = *slot;
	r->slots[r->n++].event = e;
	r->bytes += e->len;
	r->next = e->id + 1;
	return true;
}

const struct event *event_ring_from(const struct event_ring *r, uint64_t id)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->slots[middle].event->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n ? r->slots[low].event : NULL;
}

uint64_t event_ring_since(const struct event_ring *r, int64_t at_ms)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->slots[i].event->at_ms >= at_ms)
			return r->slots[i].event->id;
	return r->next;
}
