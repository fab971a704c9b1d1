/*
 * The command that worker-shim --join sends: the asking process becomes a guest.
 */
#include <errno.h>
#include "base/json.h"
#include "control/client.h"
#include "handoff_name.h"
#include "service/guest.h"

static void write_place(const struct worker *w, struct buf *out)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	STRBUF(ports, 1024);

	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	guest_private_ports(service_of(w), &ports);
	json_begin(out);
	json_str(out, "type", "join");
	json_str(out, "worker", w->name);
	json_str(out, "service", service_name(service_of(w)));
	json_uint(out, "generation", w->generation);
	json_str(out, "rendezvous", w->terms->broker->launch.rendezvous);
	json_str(out, "token", token);
	json_str(out, "private_ports", ports.text);
	json_end(out);
}

void control_join(struct client *c)
{
	struct service *s = client_find_service(c, c->request.arguments[0].text);
	bool pinned_only = request_has(&c->request, "--pinned-only");
	STRBUF(error, 512);
	struct worker *w;
	int r;

	if (!s)
		return;
	r = guest_join(s, c->stream.fd, pinned_only, &w, &error);
	if (r < 0) {
		client_error(c, r == -EBUSY ? "refused" : "failed", "%s", error.text);
		return;
	}
	write_place(w, &c->stream.out);
	client_end(c);
}
