#include "undo.h"

#include "control/client.h"
#include "service/questions.h"
#include "service/roll.h"
#include "service/rollback.h"

static void add_sentence(const char *text, struct strbuf *out)
{
	strbuf_addf(out, "%s%s", out->len ? "; " : "", text);
}

/*
 * @fn changes one service and says what it has done, or with -errno why not. It is called for
 * @only, or for all (NULL). The request is refused only if no service was changed; otherwise the
 * answer names those that were not, too.
 */
static void for_services(struct client *c, const struct service *only,
			 int (*fn)(struct service *, struct strbuf *))
{
	STRBUF(done, 512);
	STRBUF(refused, 512);
	struct service *s;

	list_for_each (s, &client_broker(c)->services, link) {
		STRBUF(words, 512);
		int r;

		if (only && s != only)
			continue;
		r = fn(s, &words);
		add_sentence(words.text, r < 0 ? &refused : &done);
	}
	if (!done.len) {
		client_error(c, "refused", "%s", refused.len ? refused.text : "no service is left");
		return;
	}
	if (refused.len)
		add_sentence(refused.text, &done);
	client_end_saying(c, "%s", done.text);
}

static int abort_reload(struct service *s, struct strbuf *words)
{
	int r = service_abort_reload(s, words);

	if (r == 0)
		strbuf_addf(words, "the %s of %s is aborted: workers not yet replaced stay",
			    roll_kind_name(s->roll_kind), service_name(s));
	return r;
}

void control_reload_abort(struct client *c, struct service *only)
{
	for_services(c, only, abort_reload);
}

/* Workers that were held when they were replaced still are: maybe none is in the round. */
static void add_result(const struct service *s, struct strbuf *out)
{
	unsigned ready = 0, starting = 0;

	for (unsigned i = 0; i < s->want; i++) {
		const struct worker *w = s->slots[i].current;

		ready += w && w->state == WORKER_READY;
		starting += !w || w->state == WORKER_STARTING;
	}
	strbuf_addf(out, "%s is back at generation %u: %u of %u workers are in the round",
		    service_name(s), s->generation, ready, s->want);
	/* Their processes have ended meanwhile. */
	if (starting)
		strbuf_addf(out, ", %u start%s again", starting, starting == 1 ? "s" : "");
	if (!service_has_round(s))
		strbuf_add(out, ", so clients wait; brokerctl status says why");
}

static int roll_back(struct service *s, struct strbuf *words)
{
	unsigned wanted = s->want;
	int r = service_rollback(s, words);

	if (r < 0)
		return r;
	add_result(s, words);
	/* It was changed by `scale`, or by the configuration that is undone. */
	if (s->want != wanted)
		strbuf_addf(words, "; the number of workers is back to %u, from %u", s->want,
			    wanted);
	return 0;
}

void control_rollback(struct client *c, struct service *only)
{
	for_services(c, only, roll_back);
}
