#include "join.h"

#include <errno.h>
#include <string.h>
#include "control/client.h"
#include "service/guest.h"

static void write_place(struct client *c, const struct worker *w)
{
	struct handoff_joined msg = { .generation = w->generation };

	handoff_header_init(&msg.h, HANDOFF_JOINED);
	msg.n_ports = guest_ports(service_of(w), msg.ports);
	memcpy(msg.token, w->token, sizeof(msg.token));
	strcpy(msg.service, service_name(service_of(w)));
	strcpy(msg.worker, w->name);
	strcpy(msg.rendezvous, w->terms->broker->launch.rendezvous);
	buf_add(&c->stream.out, &msg, sizeof(msg));
}

void control_join(struct client *c, struct service *s)
{
	bool pinned_only = request_has(&c->request, "--pinned-only");
	STRBUF(error, 512);
	struct worker *w;
	int r;

	if (!c->wire) {
		client_error(
			c, "bad-request",
			"join turns the requesting process into a worker: use worker-shim --join");
		return;
	}
	r = guest_join(s, c->stream.fd, pinned_only, &w, &error);
	if (r < 0) {
		client_error(c, r == -EBUSY ? "refused" : "failed", "%s", error.text);
		return;
	}
	write_place(c, w);
	client_answered(c);
}
