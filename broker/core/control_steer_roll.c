/*
 * The commands on whole services that are done at once: scale, rollback, reload abort, stop.
 */
#include <errno.h>
#include "core/client.h"

/* What a function of service.h has refused, as the code of an answer. */
static void answer(struct client *c, int r, const struct strbuf *error)
{
	if (r == 0)
		client_end(c);
	else
		client_error(c, r == -ENOMEM ? "failed" : "refused", "%s", error->text);
}

void control_scale(struct client *c)
{
	struct service *s = client_find_service(c, c->request.arguments[0].text);
	int64_t n = c->request.arguments[1].number;
	STRBUF(error, 512);

	/* A number beyond unsigned is beyond the limit too, whose words name it. */
	if (s)
		answer(c, service_set_workers(s, n > UINT32_MAX ? UINT32_MAX : (unsigned)n, &error),
		       &error);
}

typedef int steer_fn(struct service *s, struct strbuf *error);

/*
 * The service that is named, or all. Of all, those count that it can be done to: it is refused only
 * if there is none, with the reason of the first.
 */
static void steer(struct client *c, steer_fn *fn)
{
	const char *name = c->request.arguments[0].text;
	struct service *s = name ? client_find_service(c, name) : NULL;
	STRBUF(first, 512);
	int result = -ENOENT;

	if (name && !s)
		return;
	if (s) {
		answer(c, fn(s, &first), &first);
		return;
	}
	list_for_each (s, &c->master->services, link) {
		STRBUF(error, 512);
		int r = fn(s, &error);

		if (r == 0)
			result = 0;
		else if (!first.len)
			strbuf_add(&first, error.text);
	}
	answer(c, result, &first);
}

void control_rollback(struct client *c)
{
	steer(c, service_rollback);
}

void control_reload_abort(struct client *c)
{
	steer(c, service_abort_reload);
}

void control_stop_broker(struct client *c)
{
	bool drain = !request_has(&c->request, "--now");
	struct master *m = c->master;

	/* First the answer: the loop may end with this. */
	client_end(c);
	master_stop(m, drain);
}
