#include "undo.h"

#include "control/client.h"
#include "control/names.h"
#include "service/service.h"

static void add_sentence(const char *text, struct strbuf *out)
{
	strbuf_addf(out, "%s%s", out->len ? "; " : "", text);
}

/*
 * For the service that was named, or for all: @fn says what it has done, or with -errno why not. It
 * is refused only if none of them does it; and who asked for all is told of those that did not,
 * too.
 */
static void for_services(struct client *c, int (*fn)(struct service *, struct strbuf *))
{
	const char *name = client_argument(c);
	const struct service *only = name ? client_find_service(c, name) : NULL;
	STRBUF(done, 512);
	STRBUF(refused, 512);
	struct service *s;

	if (name && !only)
		return;
	list_for_each (s, &client_broker(c)->services, link) {
		STRBUF(words, 512);

		if (only && s != only)
			continue;
		if (fn(s, &words) < 0) {
			add_sentence(words.text, &refused);
			continue;
		}
		add_sentence(words.text, &done);
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

void control_reload_abort(struct client *c)
{
	for_services(c, abort_reload);
}

/* What was held before it was replaced still is: that may be all there is. */
static void say_back(const struct service *s, struct strbuf *out)
{
	unsigned ready = 0, anew = 0;

	for (unsigned i = 0; i < s->want; i++) {
		const struct worker *w = s->slots[i].current;

		ready += w && w->state == WORKER_READY;
		anew += !w || w->state == WORKER_STARTING;
	}
	strbuf_addf(out, "%s is back at generation %u: %u of %u workers are in the round",
		    service_name(s), s->generation, ready, s->want);
	/* Their processes have ended meanwhile. */
	if (anew)
		strbuf_addf(out, ", %u start%s anew", anew, anew == 1 ? "s" : "");
	if (!service_has_round(s))
		strbuf_add(out, ", so that clients wait; brokerctl status says why");
}

static int roll_back(struct service *s, struct strbuf *words)
{
	unsigned wanted = s->want;
	int r = service_rollback(s, words);

	if (r < 0)
		return r;
	say_back(s, words);
	/* Whether `scale` or the configuration that is undone had said so. */
	if (s->want != wanted)
		strbuf_addf(words,
			    "; the number of workers is as before the reload too, %u and no "
			    "longer %u",
			    s->want, wanted);
	return 0;
}

void control_rollback(struct client *c)
{
	for_services(c, roll_back);
}
