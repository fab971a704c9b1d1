#include "events.h"

#include "policy/kept.h"
#include "sys/log.h"

/* Room for the beginning of the line; an entry of the log has at most 8 KiB. */
#define LINE_SIZE (8192 + 64)

static void record(void *arg, const char *event, const struct log_field *fields, const char *json,
		   size_t len)
{
	const char *service = log_find_text(fields, "service");
	const char *worker = log_find_text(fields, "worker");
	struct events *e = arg;
	STRBUF(line, LINE_SIZE);

	strbuf_addf(&line, "{\"type\":\"event\",\"id\":%llu,", (unsigned long long)e->ring.next);
	strbuf_add_bytes(&line, json + 1, len - 1);
	strbuf_add(&line, "\n");
	event_ring_add(&e->ring, loop_now(e->loop), event, worker ? worker : service, line.text,
		       line.len);
	/* From the loop: whoever logs may stand in the middle of a change. */
	if (!list_empty(&e->followers) && !loop_timer_armed(&e->delivery))
		loop_timer_arm(e->loop, &e->delivery, 0);
}

static void deliver(struct loop_timer *timer)
{
	struct events *e = container_of(timer, struct events, delivery);
	struct event_follower *f;

	/* Each comes to the end: it may take itself or another off the list. */
	for (size_t n = list_count(&e->followers); n > 0 && !list_empty(&e->followers); n--) {
		f = list_first(&e->followers, struct event_follower, link);
		list_remove(&f->link);
		list_append(&e->followers, &f->link);
		f->added(f);
	}
}

void events_init(struct events *e, struct loop *loop)
{
	e->loop = loop;
	event_ring_init(&e->ring);
	list_init(&e->followers);
	loop_timer_init(&e->delivery, deliver);
	log_set_sink(record, e);
}

void events_keep(const struct events *e, struct strbuf *out)
{
	for (size_t i = 0; i < e->ring.n; i++) {
		const struct event_slot *slot = &e->ring.slots[i];
		struct strbuf text = STRBUF_GROWS(2 * EVENT_RING_BYTES);

		strbuf_add_bytes(&text, slot, sizeof(*slot));
		strbuf_add_bytes(&text, slot->event, sizeof(*slot->event) + slot->event->len);
		kept_add_text(out, KEPT_EVENT, text.text, text.len);
		out->cut |= text.cut;
		strbuf_deinit(&text);
	}
}

int events_adopt(struct events *e, const void *record, size_t size)
{
	const struct event_slot *slot = record;
	const struct event *event = (const void *)(slot + 1);

	if (size < sizeof(*slot) + sizeof(*event) ||
	    size - sizeof(*slot) - sizeof(*event) < event->len ||
	    !event_ring_restore(&e->ring, slot, event))
		return -EPROTO;
	return 0;
}

void events_deinit(struct events *e)
{
	log_set_sink(NULL, NULL);
	loop_timer_disarm(&e->delivery);
	event_ring_deinit(&e->ring);
}
