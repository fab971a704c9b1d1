#include "trouble.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "worker/words.h"

/* The last line of @tail, which holds whole lines, each with its end. */
static void add_last_line(const struct lines *lines, struct strbuf *out)
{
	size_t end = lines->n_tail ? lines->n_tail - 1 : 0, start = end;

	while (start > 0 && lines->tail[start - 1] != '\n')
		start--;
	for (size_t i = start; i < end; i++)
		strbuf_add_bytes(out, lines->tail[i] ? &lines->tail[i] : " ", 1);
}

static bool was_healthy(const struct worker *w)
{
	int64_t now = loop_now(worker_loop(w));

	return w->ready_ms && now - w->ready_ms >= w->conf->backoff_reset_ms;
}

/* NULL: no memory, so nothing is remembered. */
static struct slot_trouble *note(struct service *s, unsigned slot, enum worker_end end)
{
	struct slot_trouble **t = &s->slots[slot].trouble;

	s->ends[end]++;
	s->slots[slot].restarts++;
	if (!*t)
		*t = calloc(1, sizeof(**t));
	if (*t) {
		(*t)->end = end;
		(*t)->at_ms = loop_now(service_loop(s));
		(*t)->in_a_row++;
		(*t)->words[0] = (*t)->last_output[0] = '\0';
	}
	return *t;
}

static void forget(struct service *s, unsigned slot)
{
	free(s->slots[slot].trouble);
	s->slots[slot].trouble = NULL;
}

void service_note_end(struct worker *w, bool starting)
{
	const struct worker_end_facts facts = worker_end_facts(w, starting);
	struct slot_trouble *t;
	struct strbuf text;

	if (was_healthy(w))
		forget(service_of(w), w->slot);
	t = note(service_of(w), w->slot, worker_end_of(&facts));
	if (!t)
		return;
	strbuf_init(&text, t->words, sizeof(t->words));
	worker_end_add_words(&facts, &text);
	strbuf_init(&text, t->last_output, sizeof(t->last_output));
	if (w->refusal[0])
		strbuf_add(&text, w->refusal);
	else
		add_last_line(&w->lines, &text);
}

void service_note_no_start(struct service *s, unsigned slot)
{
	struct slot_trouble *t = note(s, slot, WORKER_END_START_FAILED);

	if (t)
		strcpy(t->words, "could not be started");
}

const struct slot_trouble *service_trouble(const struct service *s, unsigned slot)
{
	const struct worker *w = s->slots[slot].current;

	return w && was_healthy(w) ? NULL : s->slots[slot].trouble;
}

void service_free_troubles(struct service *s)
{
	for (unsigned i = 0; i < ROLLOUT_MAX; i++)
		forget(s, i);
}

void service_fail_rollout(struct worker *w, const char *how)
{
	struct service *s = service_of(w);
	struct strbuf output;

	snprintf(s->abort_reason, sizeof(s->abort_reason), "%s of generation %u %s", w->name,
		 w->generation, how);
	strbuf_init(&output, s->abort_output, sizeof(s->abort_output));
	if (w->refusal[0])
		strbuf_add(&output, w->refusal);
	else if (w->lines.n_tail)
		strbuf_add_bytes(&output, w->lines.tail, w->lines.n_tail - 1);
	rollout_new_failed(&s->rollout, w->slot);
}
