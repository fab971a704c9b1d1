#include "event_ring.h"

#include <string.h>

void event_ring_init(struct event_ring *r)
{
	*r = (struct event_ring){ .first = 1, .next = 1 };
}

static void drop_oldest(struct event_ring *r)
{
	struct event **slot = &r->slots[r->first++ % EVENT_RING_MAX];

	if (*slot)
		r->bytes -= (*slot)->len;
	free(*slot);
	*slot = NULL;
}

void event_ring_deinit(struct event_ring *r)
{
	while (r->first < r->next)
		drop_oldest(r);
}

void event_ring_add(struct event_ring *r, int64_t at_ms, const char *name, const char *text,
		    size_t len)
{
	struct event *e = len <= EVENT_RING_BYTES ? malloc(sizeof(*e) + len) : NULL;

	while (r->first < r->next &&
	       (r->next - r->first == EVENT_RING_MAX || r->bytes + len > EVENT_RING_BYTES))
		drop_oldest(r);
	r->slots[r->next % EVENT_RING_MAX] = e;
	if (e) {
		*e = (struct event){ .id = r->next, .at_ms = at_ms, .len = len };
		if (name)
			strncpy(e->name, name, sizeof(e->name) - 1);
		memcpy(e->text, text, len);
		r->bytes += len;
	}
	r->next++;
}

const struct event *event_ring_from(const struct event_ring *r, uint64_t id)
{
	for (uint64_t i = id > r->first ? id : r->first; i < r->next; i++)
		if (r->slots[i % EVENT_RING_MAX])
			return r->slots[i % EVENT_RING_MAX];
	return NULL;
}

uint64_t event_ring_since(const struct event_ring *r, int64_t at_ms)
{
	const struct event *e = event_ring_from(r, r->first);

	while (e && e->at_ms < at_ms)
		e = event_ring_from(r, e->id + 1);
	return e ? e->id : r->next;
}
